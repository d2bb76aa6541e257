"""The rhythm section: drums, percussion and bass, note for note; and the bars that every part is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .instruments import DRUMS
from .notation import Chord, figure, groove
from .score import Score, Section

HATS = {"hat", "open", "pedal"}
PERCUSSION = (
    ("shaker x-o-x-o-x-o-x-o-", "shaker xoxoxoxoxoxoxoxo  tambourine ....x.......x..."),
    ("tambourine ..o...x...o...x.", "tambourine x.o.x.o.x.o.x.oo"),
    ("conga o.....x.o.....xo  low_conga ......o...x.....", "conga o.ox..x.o.ox..xo  low_conga x.....o...x....."),
)
WALK_TOP = 48


class Note(NamedTuple):
    """One note: start and length in beats, MIDI pitch (or drum of General MIDI), loudness 0..1."""

    start: float
    length: float
    pitch: int
    loudness: float


class Bar(NamedTuple):
    """A bar that a track plays: its section, its number in there, its start in beats, and whether it is the last."""

    section: Section
    number: int
    start: float
    last: bool

    @property
    def busy(self) -> int:
        """1 in the chorus, else 0: which form of a pattern is played."""
        return int(self.section.name == "chorus")


Played = Iterator[tuple[Bar, Note]]


def bars(score: Score, track: int) -> Iterator[Bar]:
    """The bars that a track plays; a section's last one may be cut short."""
    for index in score.tracks[track].sections:
        section = score.sections[index]
        count = int(np.ceil((section.end - section.start) / 4))
        for number in range(count):
            yield Bar(section, number, section.start + 4 * number, number == count - 1)


def root_above(score: Score, chord: Chord, low: int) -> int:
    """The chord's root in the octave from `low` up."""
    return low + (score.key + chord.root - low) % 12


def drums(score: Score, track: int, rng: np.random.Generator) -> Played:
    """The groove; a fill at the end of a section; a crash where a chorus begins; in jazz, snare comments."""
    soft = score.style in ("ballad", "jazz")
    for bar in bars(score, track):
        hits = list(groove(score.groove[bar.busy]))
        if bar.last and bar.section.end < score.beats:
            hits = [hit for hit in hits if hit[0] < 3 or hit[1] == "kick"]
            for k, drum in enumerate(("snare", "snare", "high tom", "low tom")):
                if k % 2 == 0 or rng.random() < 0.6:
                    hits.append((3 + k / 4, drum, (0.35 if soft else 0.6) + 0.1 * k))
        elif score.style == "jazz" and rng.random() < 0.5:
            hits.append((float(rng.choice([0.5, 1.5, 2.5, 3.5])), "snare", 0.35))
        if bar.number == 0 and bar.busy:
            hits.append((0.0, "crash", 0.4 if soft else 0.85))
        hits.sort()
        for k, (beat, drum, loudness) in enumerate(hits):
            length = 4.0
            if drum == "open":  # the next stroke closes it
                length = next((later - beat for later, name, _ in hits[k + 1 :] if name in HATS and later > beat), 1.0)
            yield bar, Note(bar.start + beat, length, DRUMS[drum], loudness * rng.uniform(0.86, 1.0))


def percussion(score: Score, track: int, rng: np.random.Generator) -> Played:
    """Shaker, tambourine or congas."""
    patterns = PERCUSSION[rng.integers(len(PERCUSSION))]
    for bar in bars(score, track):
        for beat, drum, loudness in groove(patterns[bar.busy]):
            yield bar, Note(bar.start + beat, 4.0, DRUMS[drum], loudness * rng.uniform(0.8, 1.0))


def bass(score: Score, track: int, rng: np.random.Generator) -> Played:
    """The style's figure on the root of each chord, and here and there a step that leads into the next bar."""
    for bar in bars(score, track):
        notes = figure(score.bass[bar.busy])
        leads = score.style != "electronic" and not bar.last and rng.random() < 0.4
        for k, (beat, length, above) in enumerate(notes):
            pitch = root_above(score, score.chord(bar.start + beat), 28) + above
            if leads and k == len(notes) - 1 and beat >= 3:
                ahead = root_above(score, score.chord(bar.start + 4), 28)
                pitch = max(ahead + (-1 if rng.random() < 0.5 else 2), 28)
            yield bar, Note(bar.start + beat, length, pitch, rng.uniform(0.8, 1.0))


def walk(score: Score, track: int, rng: np.random.Generator) -> Played:
    """A walking bass: the root where the chord changes, chord tones between, a step into the next root."""
    place, way = 36, 1
    for bar in bars(score, track):
        for k in range(4):
            beat = bar.start + k
            chord, ahead = (score.chord(b) for b in (beat, beat + 1))
            before = score.chord(beat - 1) if beat > 0 else None
            if chord != before:
                options = [p for p in (root_above(score, chord, 28), root_above(score, chord, 40)) if p <= WALK_TOP]
            elif ahead != chord:
                goals = [p for p in (root_above(score, ahead, 28), root_above(score, ahead, 40)) if p <= WALK_TOP]
                options = [max(p + step, 28) for p in goals for step in (-1, 1, 2)]
            else:
                classes = {(score.key + chord.root + tone) % 12 for tone in chord.tones}
                options = [p for p in range(28, WALK_TOP) if p % 12 in classes and p != place]
                options = [p for p in options if (p - place) * way > 0] or options
            place = min(options, key=lambda p: (abs(p - place), p))
            way = 1 if place < 33 else -1 if place > 43 else way if rng.random() < 0.8 else -way
            yield bar, Note(beat, 0.95, place, rng.uniform(0.8, 1.0))
            if rng.random() < 0.1:
                yield bar, Note(beat + 0.5, 0.4, place, 0.5)
