"""A song on paper: tempo, key, sections, chords, who plays what, and in which sections.

Time is in beats (quarter notes, four to a bar), pitch in MIDI note numbers, loudness in 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .notation import Chord, Part, Style, chords
from .styles import RECIPES

TRACK_COUNTS, TRACK_SHARES = np.arange(2, 9), (0.06, 0.1, 0.2, 0.26, 0.2, 0.11, 0.07)
# How full a section is: a track that enters at that level plays from there up. And how loud it is played.
ENERGY = {"intro": 0, "outro": 0, "verse": 1, "bridge": 1, "chorus": 2}
LOUDNESS = {"intro": 0.72, "outro": 0.7, "verse": 0.82, "bridge": 0.85, "chorus": 1.0}
LONG_FORM = ("verse", "chorus", "verse", "chorus", "bridge", "chorus")
# Shares of tracks that enter in the intro, the verse, the chorus, by role; other roles as "other".
ENTRIES = {"drums": (0.3, 0.6, 0.1), "bass": (0.3, 0.6, 0.1), "voice": (0.1, 0.7, 0.2), "lead": (0.1, 0.6, 0.3)}
ENTRIES["other"] = (0.25, 0.4, 0.35)
CARRIES = ("comp", "hold", "strum", "arpeggio", "broken", "power", "walk")  # parts that can stand alone


class Section(NamedTuple):
    """A stretch of the song: intro, verse, chorus, bridge or outro, from `start` to `end` in beats."""

    name: str
    start: float
    end: float


class Track(NamedTuple):
    """What a track plays on which instrument, and the numbers of the sections in which it does."""

    part: Part
    instrument: str
    sections: tuple[int, ...]


@dataclass(frozen=True)
class Score:
    """One song's plan.

    tempo in beats a minute; swing: where the second of two eighths lies in its beat; key: semitones above C;
    harmony: the progression of each section's name; chart: the chord of every beat; groove, bass, comp: (quiet, busy)
    as in `notation`.
    """

    style: str
    tempo: float
    swing: float
    key: int
    beats: float
    sections: tuple[Section, ...]
    harmony: dict[str, str]
    chart: tuple[Chord, ...]
    groove: tuple[str, str]
    bass: tuple[str, str]
    comp: tuple[str, str]
    tracks: tuple[Track, ...]

    @property
    def recipe(self) -> Style:
        """The style's recipe."""
        return RECIPES[self.style]

    def chord(self, beat: float) -> Chord:
        """The chord that sounds at a beat."""
        return self.chart[int(beat)]

    def swung(self, beat: float) -> float:
        """Where a written beat is played: the first half of every beat is stretched, the second half shrunk."""
        whole, rest = divmod(beat, 1.0)
        late = 2 * self.swing * rest if rest < 0.5 else self.swing + (2 * rest - 1) * (1 - self.swing)
        return whole + late


def plan(style: str, seconds: float, rng: np.random.Generator) -> Score:
    """Draw a song of 2 to 8 tracks in a style. The same generator state gives the same plan on any machine."""
    recipe = RECIPES[style]
    tempo = round(float(rng.uniform(*recipe.tempo)), 1)
    beats = seconds * tempo / 60
    sections = form(beats)
    verse, chorus = _draw(recipe.progressions, rng)
    bridge = _draw([pair for pair in recipe.progressions if pair[0] != verse], rng)[1]
    harmony = {"intro": verse, "verse": verse, "chorus": chorus, "bridge": bridge, "outro": verse}
    parts = lineup(recipe, int(rng.choice(TRACK_COUNTS, p=TRACK_SHARES)), rng)
    return Score(
        style=style,
        tempo=tempo,
        swing=round(float(rng.uniform(*recipe.swing)), 3),
        key=int(rng.integers(-5, 7)),
        beats=beats,
        sections=sections,
        harmony=harmony,
        chart=chart(sections, harmony, recipe.chord_beats),
        groove=_draw(recipe.grooves, rng),
        bass=_draw(recipe.bass, rng),
        comp=_draw(recipe.comp, rng),
        tracks=tuple(
            Track(part, _draw(part.instruments, rng), plays)
            for part, plays in zip(parts, arrange(parts, sections, rng), strict=True)
        ),
    )


def form(beats: float) -> tuple[Section, ...]:
    """The sections of a song of that length.

    At least half of an excerpt is its chorus, so that the last track to enter is heard. From 24 bars on there are
    sections of eight bars, over and over, between an intro and an outro of four.
    """
    bars = int(beats // 4)
    if bars < 1:
        starts = {0.0: "chorus"}
    elif bars < 4:
        starts = {0.0: "intro", (2.0 if bars == 1 else bars // 2 * 4.0): "chorus"}
    elif bars < 24:
        intro = 1 if bars < 8 else 2 if bars < 16 else 4
        starts = {0.0: "intro", intro * 4.0: "verse", (bars // 2 if bars < 8 else bars // 4 * 2) * 4.0: "chorus"}
    else:
        starts = {0.0: "intro", (bars - 4) * 4.0: "outro"}
        starts |= {bar * 4.0: LONG_FORM[k % len(LONG_FORM)] for k, bar in enumerate(range(4, bars - 7, 8))}
    places = sorted(starts)
    return tuple(Section(starts[start], start, end) for start, end in zip(places, [*places[1:], beats], strict=True))


def chart(sections: tuple[Section, ...], harmony: dict[str, str], chord_beats: int) -> tuple[Chord, ...]:
    """The chord of every beat, and of a bar and more beyond the end, into which a bass may lead.

    A progression runs on through neighbouring sections that share it.
    """
    written, begins, last = [], 0, None
    for section in sections:
        progression = chords(harmony[section.name])
        if progression != last:
            begins, last = len(written), progression
        ends = int(np.ceil(section.end)) + (8 if section is sections[-1] else 0)
        for beat in range(len(written), ends):
            written.append(progression[(beat - begins) // chord_beats % len(progression)])
    return tuple(written)


def lineup(recipe: Style, tracks: int, rng: np.random.Generator) -> list[Part]:
    """Who plays: one of the style's duos or trios, or its core and some of the extras."""
    if tracks > 3:
        extras = sorted(rng.choice(len(recipe.extras), tracks - len(recipe.core), replace=False))
        return [*recipe.core, *(recipe.extras[k] for k in extras)]
    known = {part.name: part for part in (*recipe.core, *recipe.extras)}
    groups = [names.split(", ") for names in recipe.small]
    return [known[name] for name in _draw([group for group in groups if len(group) == tracks], rng)]


def arrange(parts: list[Part], sections: tuple[Section, ...], rng: np.random.Generator) -> list[tuple[int, ...]]:
    """The sections in which each part plays: what carries it plays throughout, at least one part enters later."""
    able = [k for k, part in enumerate(parts) if part.plays in CARRIES]
    if able:
        bed = {able[int(rng.integers(len(able)))]}
    else:  # no chords: drums and bass together, or in a duo the first alone
        bed = {k for k, part in enumerate(parts) if part.role in ("drums", "bass")} if len(parts) > 2 else {0}
    levels = [int(rng.choice(3, p=ENTRIES.get(part.role, ENTRIES["other"]))) for part in parts]
    levels = [0 if k in bed else level for k, level in enumerate(levels)]
    if not any(levels):
        levels[max(set(range(len(parts))) - bed)] = 1
    rests = rng.random(len(parts)) < 0.5  # drums and bass may leave the bridge to the others
    plays = []
    for k, (part, level) in enumerate(zip(parts, levels, strict=True)):
        pauses = {"bridge"} if rests[k] and k not in bed and part.role in ("drums", "bass") else set()
        plays.append(tuple(i for i, s in enumerate(sections) if ENERGY[s.name] >= level and s.name not in pauses))
    return plays


def _draw(choices, rng: np.random.Generator):
    return choices[int(rng.integers(len(choices)))]
