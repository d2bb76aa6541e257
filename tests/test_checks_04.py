"""The checks of chapter 04: solutions pass, typical mistakes are named, nonsense gets a verdict."""

import pytest
import torch

from tfrgan_lite.lesson.checks_04 import check_04_scale, check_04_shift, check_04_wave
from tfrgan_lite.positional import sinusoidal


def test_wave_accepts_the_solution():
    assert check_04_wave(12)


@pytest.mark.parametrize(
    ("pair", "hint"),
    [
        (None, "Give the index"),
        (11, "just under 30 s"),
        (13, "counted from 1"),
        (24, "dimension"),
        (25, "dimension"),
        (19, "2 pi"),
        (22, "frames of 10 ms"),
        (6, "2i / d_model"),
        (40, "into tokens first"),
        ("twelve", "not twelve"),
        (torch.zeros(3), "could not be tried"),
    ],
)
def test_wave_says_why_not(pair, hint):
    verdict = check_04_wave(pair)
    assert not verdict and hint in verdict.says


def turn(encoding, steps, sign=1.0, exponent=2.0, shrink=1.0):
    d_model = encoding.shape[1]
    angle = steps * 10000 ** (-exponent * torch.arange(d_model // 2) / d_model)
    sin, cos = encoding[:, 0::2], encoding[:, 1::2]
    out = torch.empty_like(encoding)
    out[:, 0::2] = sin * angle.cos() + sign * cos * angle.sin()
    out[:, 1::2] = cos * angle.cos() - sign * sin * angle.sin()
    return shrink * out


def test_shift_accepts_the_solution():
    assert check_04_shift(turn)


@pytest.mark.parametrize(
    ("shift", "hint"),
    [
        (lambda e, k: e, "has not moved"),
        (lambda e, k: turn(e, k, sign=-1.0), "backwards"),
        (lambda e, k: e.roll(-k, 0), "Rolling"),
        (lambda e, k: e.roll(k, 0), "Rolling"),
        (lambda e, k: sinusoidal(*e.shape, start=k), "start is not known"),
        (lambda e, k: turn(e, k, shrink=0.9), "no rotation"),
        (lambda e, k: turn(e, k, exponent=1.0), "slower ones are not"),
        (lambda e, k: turn(e, k + 1), "is off by"),
        (lambda e, k: e[k:], "shape"),
        (lambda e, k: [1, 2], "must return a tensor"),
        (lambda e, k: turn(e, None), "could not be tried"),
        (7, "could not be tried"),
    ],
)
def test_shift_says_why_not(shift, hint):
    verdict = check_04_shift(shift)
    assert not verdict and hint in verdict.says


RUNS = {0.1: [0.5, 0.4, 0.6], 1.0: [0.9, 0.8, 0.9], 3.0: [0.85, 0.7, 0.8], 10.0: [0.3, 0.4, 0.3]}


def test_scale_accepts_runs_and_names_ties():
    verdict = check_04_scale(RUNS, 1.0)
    assert verdict and "seeds of 3 overlap" in verdict.says
    clear = check_04_scale(RUNS | {3.0: [0.6, 0.7, 0.5]}, 1.0)
    assert clear and "no seed of another" in clear.says


@pytest.mark.parametrize(
    ("runs", "best", "hint"),
    [
        (None, None, "Give runs"),
        ({k: RUNS[k] for k in (0.1, 1.0, 10.0)}, 1.0, "at least four"),
        ({10 * k: v for k, v in RUNS.items()}, 10.0, "from 0.1"),
        ({k / 10: v for k, v in RUNS.items()}, 0.1, "to 10"),
        (RUNS | {1.0: [0.9]}, 1.0, "three seeds"),
        (RUNS | {1.0: [90, 80, 90]}, 1.0, "per cent"),
        ({k: [0.5] * 3 for k in RUNS}, 1.0, "never reached"),
        (RUNS, 3.0, "scale 1, not of 3"),
        (RUNS, 2.0, "scale 1, not of 2"),
        ([1, 2], 1.0, "at least four"),
        (RUNS, "one", "could not be tried"),
    ],
)
def test_scale_says_why_not(runs, best, hint):
    verdict = check_04_scale(runs, best)
    assert not verdict and hint in verdict.says
