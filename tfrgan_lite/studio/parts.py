"""What every track of a score plays, note for note: chords and melodies here, the others in `rhythm`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .instruments import INSTRUMENTS
from .notation import Chord, figure
from .rhythm import Bar, Note, Played, bars, bass, drums, percussion, root_above, walk
from .score import LOUDNESS, Score

STRUMS = ("0:2 2:1.5 3.5:.5", "0:1 1:.5 1.5:1 2.5:.5 3:.5 3.5:.5")
CHUGS = ("0:.3 .5:.3 1:.3 1.5:.3 2:.3 2.5:.3 3:.3 3.5:.3", "0:.95 1:.45 1.5:.95 2.5:.45 3:.95")
COUNTERS = ("0:1.9 2:1.9", "0:1.4 1.5:1.4 3:.95")


def play(score: Score, track: int, rng: np.random.Generator) -> list[Note]:
    """Everything that a track plays, in order of time, within its sections, swung, at the section's loudness."""
    plays, notes = score.tracks[track].part.plays, []
    for bar, note in PARTS[plays](score, track, rng):
        start, end = score.swung(note.start), note.start + note.length
        if note.start < bar.section.end and start < score.beats:
            length = score.swung(end if plays in ("drums", "percussion") else min(end, bar.section.end)) - start
            notes.append(Note(start, length, note.pitch, note.loudness * LOUDNESS[bar.section.name]))
    return sorted(notes)


def _slots(score: Score, track: int) -> Iterator[tuple[Bar, float, float, Chord]]:
    """Each chord of each bar: (bar, start, length in beats, chord); equal neighbours within a bar are one."""
    step = score.recipe.chord_beats
    for bar in bars(score, track):
        found = [score.chord(bar.start + k) for k in range(0, 4, step)]
        if found.count(found[0]) == len(found):
            yield bar, bar.start, 4.0, found[0]
        else:
            for k, chord in enumerate(found):
                yield bar, bar.start + k * step, float(step), chord


def _voicings(score: Score, track: int, size: int = 3) -> Iterator[tuple[Bar, float, float, Chord, list[int]]]:
    """The chords with their notes, each as near to the last as an inversion can be: voice leading.

    A chord of more tones than `size` leaves its root to the bass; one of fewer gets a tone more at the octave.
    """
    instrument = INSTRUMENTS[score.tracks[track].instrument]
    centre = float(np.clip((instrument.low + instrument.high) / 2, 58, 66))
    known: dict[Chord, list[list[int]]] = {}
    last: list[int] = []
    for bar, start, length, chord in _slots(score, track):
        if chord not in known:
            classes = sorted((score.key + chord.root + tone) % 12 for tone in chord.tones[-size:])
            stacks = []
            for base in range(int(centre) - 10, int(centre) + 4):
                if base % 12 in classes:
                    turn = classes.index(base % 12)
                    order = classes[turn:] + classes[:turn]
                    stacks.append([base + (tone - base) % 12 for tone in order] + [base + 12] * (size - len(order)))
            known[chord] = stacks
        last = min(known[chord], key=lambda notes: _distance(notes, last, centre))
        yield bar, start, length, chord, last


def _distance(notes: list[int], last: list[int], centre: float) -> float:
    """How far the hand moves from chord to chord, and a little of how far it is from its middle."""
    moved = sum(abs(a - b) for a, b in zip(notes, last, strict=True)) if last else 0
    return moved + 0.5 * abs(sum(notes) / len(notes) - centre)


def comp(score: Score, track: int, rng: np.random.Generator) -> Played:
    """Chords in the rhythm of the style's figure, over their root where no bass plays it."""
    bare = not any(other.part.role == "bass" for other in score.tracks)
    for bar, start, length, chord, notes in _voicings(score, track, 4 if score.style == "jazz" else 3):
        strokes = [(bar.start + beat, held) for beat, held, _ in figure(score.comp[bar.busy])]
        strokes = [(beat, held) for beat, held in strokes if start <= beat < start + length] or [(start, 0.9 * length)]
        for beat, held in strokes:
            loudness = rng.uniform(0.75, 1.0)
            for pitch in (*notes, root_above(score, chord, 40)) if bare else notes:
                yield bar, Note(beat, held, pitch, loudness)


def hold(score: Score, track: int, rng: np.random.Generator) -> Played:
    """Chords from change to change."""
    for bar, start, length, _, notes in _voicings(score, track):
        for pitch in notes:
            yield bar, Note(start, length, pitch, rng.uniform(0.85, 1.0))


def strum(score: Score, track: int, rng: np.random.Generator) -> Played:
    """A guitar's chord across its strings, 12 ms from string to string, down and up in turn."""
    apart = 0.012 * score.tempo / 60
    for bar in bars(score, track):
        for beat, length, _ in figure(STRUMS[bar.busy]):
            chord = score.chord(bar.start + beat)
            root, (third, fifth) = root_above(score, chord, 40), chord.tones[1:3]
            strings = [root, root + fifth, root + 12, root + 12 + third, root + 12 + fifth]
            up = beat % 1 == 0.5
            for k, pitch in enumerate(strings[:1:-1] if up else strings):
                loudness = (0.65 if up else 0.95) * rng.uniform(0.85, 1.0)
                yield bar, Note(bar.start + beat + k * apart, length, pitch, loudness)


def arpeggio(score: Score, track: int, rng: np.random.Generator) -> Played:
    """The chord's notes one after another in eighths, in sixteenths in an electronic chorus; the order is drawn."""
    order = rng.permutation(4)
    for bar, start, length, _, notes in _voicings(score, track):
        step = 0.25 if score.style == "electronic" and bar.busy else 0.5
        tones = (*notes, notes[0] + 12)
        for k in range(int(length / step)):
            loudness = rng.uniform(0.85, 1.0) * (1.0 if k % 4 == 0 else 0.75)
            yield bar, Note(start + k * step, max(2 * step, 0.75), tones[order[k % 4]], loudness)


def broken(score: Score, track: int, rng: np.random.Generator) -> Played:
    """A ballad's piano: a low root, and above it the chord in eighths; in the chorus full chords on the beats."""
    for bar, start, length, chord, notes in _voicings(score, track):
        root = root_above(score, chord, 40)
        yield bar, Note(start, length, root, rng.uniform(0.75, 0.9))
        if bar.busy:
            yield bar, Note(start, length, root + 12, 0.7)
            for k in range(int(length)):
                for pitch in notes:
                    yield bar, Note(start + k, 1.0, pitch, rng.uniform(0.75, 1.0) * (1.0 if k == 0 else 0.8))
        else:
            for k in range(int(length * 2)):
                pitch = notes[(0, 1, 2, 1)[k % 4]]
                yield bar, Note(start + k / 2, 1.0, pitch, rng.uniform(0.6, 0.75) + 0.15 * (k == 0))


def power(score: Score, track: int, rng: np.random.Generator) -> Played:
    """Root and fifth on a distorted guitar: short eighths in the verse, open chords in the chorus."""
    for bar in bars(score, track):
        for beat, length, _ in figure(CHUGS[bar.busy]):
            root = root_above(score, score.chord(bar.start + beat), 40)
            loudness = rng.uniform(0.85, 1.0) * (0.75 if beat % 1 else 1.0)
            for pitch in (root, root + 7, root + 12)[: 2 + bar.busy]:
                yield bar, Note(bar.start + beat, length, pitch, loudness)


def melody(score: Score, track: int, rng: np.random.Generator) -> Played:
    """A tune: two bars of rhythm and contour that return, on chord tones where the beat is strong.

    Every section of a name has the same tune, the chorus a higher one; each fourth bar ends on a long note.
    """
    instrument, recipe = INSTRUMENTS[score.tracks[track].instrument], score.recipe
    ladder = [p for p in range(instrument.low, instrument.high + 1) if (p - score.key) % 12 in recipe.scale]
    tunes = {}
    for bar in bars(score, track):
        if bar.section.name not in tunes:
            rhythms = [recipe.melody[k] for k in rng.permutation(len(recipe.melody))[:2]]
            contours = rng.choice([-2, -1, -1, 0, 1, 1, 2], (2, 8))
            tunes[bar.section.name] = rhythms, contours, len(ladder) // 2 - 1 + 2 * bar.busy + rng.integers(-1, 2)
        rhythms, contours, place = tunes[bar.section.name]
        lengths = [float(word) for word in rhythms[bar.number % 2].split()]
        place, beat = place + (0, 1, 0, -1)[bar.number % 4], 0.0
        for k, length in enumerate(lengths):
            ends = bar.number % 4 == 3 and beat + abs(length) > 2
            if length > 0:
                place = int(np.clip(place + contours[bar.number % 2, k], 2, len(ladder) - 3))
                pitch = _fitted(score, ladder[place], score.chord(bar.start + beat), beat % 2 == 0 or ends)
                loudness = rng.uniform(0.8, 1.0)
                yield bar, Note(bar.start + beat, (4 - beat if ends else length) * 0.95, pitch, loudness)
            if ends and length > 0:
                break
            beat += abs(length)


def _fitted(score: Score, pitch: int, chord: Chord, strong: bool) -> int:
    """On a strong beat the nearest chord tone; else the pitch, but for one that the chord bends by a semitone."""
    classes = {(score.key + chord.root + tone) % 12 for tone in chord.tones}
    bent = [step for step in (-1, 1) if (pitch + step) % 12 in classes]
    outside = [step for step in bent if (pitch + step - score.key) % 12 not in score.recipe.scale]
    if pitch % 12 in classes:
        return pitch
    if strong:
        return min((p for p in range(pitch - 3, pitch + 4) if p % 12 in classes), key=lambda p: (abs(p - pitch), p))
    return pitch + outside[0] if outside else pitch


def counter(score: Score, track: int, rng: np.random.Generator) -> Played:
    """A second voice: chord tones in long notes, each near the last and another than it."""
    instrument = INSTRUMENTS[score.tracks[track].instrument]
    low, high = instrument.low + 4, instrument.high - 2
    place = (low + high) // 2 + int(rng.integers(-2, 4))
    for bar in bars(score, track):
        for beat, length, _ in figure(COUNTERS[bar.busy]):
            chord = score.chord(bar.start + beat)
            classes = {(score.key + chord.root + tone) % 12 for tone in chord.tones}
            options = [p for p in range(low, high) if p % 12 in classes and p != place]
            options.sort(key=lambda p: (abs(p - place), p))
            place = options[int(rng.integers(2))]
            yield bar, Note(bar.start + beat, length, place, rng.uniform(0.8, 1.0))


PARTS = {
    "drums": drums,
    "percussion": percussion,
    "bass": bass,
    "walk": walk,
    "comp": comp,
    "hold": hold,
    "strum": strum,
    "arpeggio": arpeggio,
    "broken": broken,
    "power": power,
    "melody": melody,
    "counter": counter,
}
