"""The colours of the book's plots can be told apart by readers who see no red, no green or no blue."""

import re
from itertools import combinations

import numpy as np
import prose
import pytest
from matplotlib import colormaps, rcParamsDefault
from matplotlib.colors import to_hex

from tfrgan_lite.lesson.slide import COLOURS

# Simulations of full dichromacy on linear RGB: Machado, Oliveira and Fernandes (2009), table 1, severity 1.
SEEN_BY = {
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])  # sRGB, IEC 61966-2-1
LEAST = 10.0  # CIE 1976 colour difference; two patches side by side are told apart from about 2.3


def linear(colour: str) -> np.ndarray:
    """Linear RGB of a colour such as #0072B2."""
    value = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of a colour in linear RGB, with the white of sRGB."""
    ratio = TO_XYZ @ rgb.clip(0, 1) / TO_XYZ.sum(1)
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def apart(one: str, other: str, seen_by: str) -> float:
    """How far apart two colours are for such a reader."""
    see = np.array(SEEN_BY[seen_by])
    return float(np.linalg.norm(lab(see @ linear(one)) - lab(see @ linear(other))))


def grey(colour: str) -> bool:
    return len({colour[k : k + 2].lower() for k in (1, 3, 5)}) == 1


def test_the_plots_of_the_chapters_use_colours_that_all_readers_tell_apart(notebooks):
    used = set(COLOURS)
    for notebook in notebooks.values():
        for source in prose.cells(notebook, "code"):
            used |= {colour.upper() for colour in re.findall(r"#[0-9A-Fa-f]{6}\b", source)}
    colours = sorted(colour for colour in used if not grey(colour))
    close = {
        (one, other, reader): round(apart(one, other, reader), 1)
        for one, other in combinations(colours, 2)
        for reader in SEEN_BY
        if apart(one, other, reader) < LEAST
    }
    assert len(colours) >= 4 and close == {}


def nearest(name: str, seen_by: str) -> float:
    """The least difference for such a reader of two values that are a quarter or more of a map's range apart."""
    steps = [to_hex(colour) for colour in colormaps[name](np.linspace(0, 1, 17))]
    return min(apart(one, other, seen_by) for k, one in enumerate(steps) for other in steps[k + 4 :])


def test_the_maps_of_the_chapters_tell_values_apart_for_all_readers(notebooks):
    sources = [source for notebook in notebooks.values() for source in prose.cells(notebook, "code")]
    used = {name for source in sources for name in re.findall(r"""cmap=["'](\w+)""", source)}
    used.add(rcParamsDefault["image.cmap"])  # of a picture that names none
    close = {(name, reader): nearest(name, reader) for name in used for reader in SEEN_BY}
    assert len(used) >= 4 and {each: found for each, found in close.items() if found < LEAST} == {}


@pytest.mark.parametrize(("name", "reader"), [("RdYlGn", "deuteranopia"), ("hsv", "tritanopia")])
def test_a_map_from_red_to_green_or_around_the_rainbow_is_found_out(name, reader):
    assert nearest(name, reader) < LEAST


@pytest.mark.parametrize(("one", "other", "reader"), [("#FF0000", "#A39000", "deuteranopia")])
def test_a_red_and_an_olive_are_found_too_close(one, other, reader):
    assert apart(one, other, reader) < LEAST < np.linalg.norm(lab(linear(one)) - lab(linear(other)))
