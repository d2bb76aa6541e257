"""The short hand in which the recipes of `styles` are written, and how it is read: chords, figures, grooves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

QUALITIES = {"": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "M7": (0, 4, 7, 11), "m7": (0, 3, 7, 10)}
QUALITIES |= {"sus": (0, 5, 7), "mo": (0, 3, 6, 10)}
DEGREES = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
LOUDNESS = {"x": 1.0, "o": 0.55, "-": 0.3}  # of the marks of a groove


class Chord(NamedTuple):
    """Semitones of the root above the key, and semitones of the tones above the root."""

    root: int
    tones: tuple[int, ...]


class Part(NamedTuple):
    """A track that a song may have: its name, role, what it plays (one of `parts.PARTS`), and on which instruments."""

    name: str
    role: str
    plays: str
    instruments: tuple[str, ...]


@dataclass(frozen=True)
class Style:
    """The recipe of a style; each `(quiet, busy)` pair is for intro and verse, and for the chorus.

    tempo: beats a minute, lowest and highest; swing: where the second of two eighths lies in its beat (0.5: straight),
    lowest and highest; loose: spread of a player's timing in ms; scale: of the melody, semitones above the key;
    progressions: pairs, a chord every `chord_beats` beats; grooves: pairs for the drums; bass and comp: pairs of
    figures; melody: note lengths of one bar in beats, a negative one is a rest; small: names of the parts of duos and
    trios; core: the parts of every larger song; extras: those that may join it.
    """

    tempo: tuple[float, float]
    swing: tuple[float, float]
    loose: float
    scale: tuple[int, ...]
    chord_beats: int
    progressions: tuple[tuple[str, str], ...]
    grooves: tuple[tuple[str, str], ...]
    bass: tuple[tuple[str, str], ...]
    comp: tuple[tuple[str, str], ...]
    melody: tuple[str, ...]
    small: tuple[str, ...]
    core: tuple[Part, ...]
    extras: tuple[Part, ...]


@cache
def chords(text: str) -> tuple[Chord, ...]:
    """`"ii7 V7 IM7"`: degrees of the major scale, capitals major, small letters minor, `b` flat.

    Then 7 (on a capital: dominant), M7, sus or o (half-diminished).
    """
    found = []
    for symbol in text.split():
        flat, degree, suffix = re.fullmatch(r"(b?)([iv]+|[IV]+)(.*)", symbol).groups()
        tones = QUALITIES[suffix if degree.isupper() else "m" + suffix]
        found.append(Chord((DEGREES[degree.lower()] - len(flat)) % 12, tones))
    return tuple(found)


@cache
def figure(text: str) -> tuple[tuple[float, float, int], ...]:
    """`"0:1.5 3.5:.5+12"`: beat in the bar, length in beats, semitones above the root."""
    found = (re.fullmatch(r"([\d.]+):([\d.]+)(?:\+(\d+))?", symbol).groups("0") for symbol in text.split())
    return tuple((float(beat), float(length), int(above)) for beat, length, above in found)


@cache
def groove(text: str) -> tuple[tuple[float, str, float], ...]:
    """`"kick x.......o......."`: 16 steps a bar, `x` loud, `o` soft, `-` hardly there.

    Returns (beat in the bar, drum, loudness) in order.
    """
    words = text.split()
    hits = [
        (step / 4, drum.replace("_", " "), LOUDNESS[mark])
        for drum, steps in zip(words[::2], words[1::2], strict=True)
        for step, mark in enumerate(steps)
        if mark != "."
    ]
    return tuple(sorted(hits))
