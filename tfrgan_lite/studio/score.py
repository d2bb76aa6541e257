"""What is played: tempo, chords, patterns and parts of a song in one of the styles.

Time is in beats (quarter notes, four to a bar), pitch in MIDI note numbers, velocity in 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)


class Note(NamedTuple):
    """One note: start and length in beats, MIDI pitch, velocity 0..1."""

    start: float
    length: float
    pitch: int
    velocity: float


@dataclass(frozen=True)
class Style:
    """The recipe of a style.

    Progressions are (semitones above the key, "M" or "m") per chord; a drum pattern has 16 steps a bar, `x` loud, `o`
    soft; tracks are (name, role, instruments to choose from), of which up to two optional ones join.
    """

    tempo: tuple[float, float]
    scale: tuple[int, ...]
    progressions: tuple[tuple[tuple[int, str], ...], ...]
    chord_beats: int
    kit: tuple[dict[str, str], ...]
    bass: tuple[tuple[tuple[float, float, int], ...], ...]  # (beat in the bar, length, semitones above the root)
    tracks: tuple[tuple[str, str, tuple[str, ...]], ...]
    optional: tuple[tuple[str, str, tuple[str, ...]], ...]
    melody: tuple[tuple[float, ...], ...]  # note lengths of one bar; negative = rest


@dataclass(frozen=True)
class Score:
    """One song's plan: bars, the chord of each chord slot, and for every track the bars in which it plays."""

    style: str
    tempo: float
    key: int
    bars: int
    chords: tuple[tuple[int, str], ...]
    kit: dict[str, str]
    bass: tuple[tuple[float, float, int], ...]
    tracks: tuple[tuple[str, str, str], ...]
    plays: tuple[tuple[int, ...], ...]  # for each track, the bars in which it plays


_I, _ii, _iii, _IV, _V, _vi = (0, "M"), (2, "m"), (4, "m"), (5, "M"), (7, "M"), (9, "m")
_i, _III, _iv, _v, _VI, _VII = (0, "m"), (3, "M"), (5, "m"), (7, "m"), (8, "M"), (10, "M")
_EIGHTHS = tuple((k / 2, 0.45, 0) for k in range(8))

SCORES = {
    "pop": Style(
        tempo=(96, 124),
        scale=MAJOR,
        progressions=((_I, _V, _vi, _IV), (_vi, _IV, _I, _V), (_I, _vi, _IV, _V), (_IV, _V, _iii, _vi)),
        chord_beats=4,
        kit=(
            {"kick": "x.....x.x.......", "snare": "....x.......x...", "hat": "x.o.x.o.x.o.x.o."},
            {"kick": "x...x...x...x...", "clap": "....x.......x...", "hat": "..x...x...x...x."},
            {"kick": "x..x..x...x.....", "snare": "....x.......x..o", "hat": "xoxoxoxoxoxoxoxo"},
        ),
        bass=(
            ((0, 1.4, 0), (1.5, 0.4, 0), (2, 1.4, 0), (3.5, 0.4, 7)),
            ((0, 0.9, 0), (1, 0.9, 0), (2, 0.9, 0), (3, 0.45, 0), (3.5, 0.45, 12)),
        ),
        tracks=(
            ("drums", "drums", ("kit",)),
            ("bass", "bass", ("picked", "synth bass")),
            ("keys", "keys", ("piano", "electric piano")),
            ("voice", "voice", ("voice",)),
        ),
        optional=(
            ("guitar", "guitar", ("acoustic",)),
            ("strings", "strings", ("pad",)),
            ("shaker", "other", ("shaker",)),
        ),
        melody=((0.5, 0.5, 1, 0.5, 0.5, 1), (1, 0.5, 0.5, 1.5, -0.5), (-0.5, 0.5, 0.5, 0.5, 1, 1)),
    ),
    "rock": Style(
        tempo=(112, 148),
        scale=MAJOR,
        progressions=((_I, _VII, _IV, _I), (_I, _IV, _V, _IV), (_vi, _IV, _I, _V), (_I, _IV, _vi, _V)),
        chord_beats=4,
        kit=(
            {"kick": "x.......x.x.....", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
            {"kick": "x.x.....x.x...x.", "snare": "....x.......x...", "open": "x...x...x...x..."},
        ),
        bass=(_EIGHTHS, ((0, 0.45, 0), (0.5, 0.45, 0), (1.5, 0.9, 0), (2.5, 0.45, 0), (3, 0.45, 7), (3.5, 0.45, 12))),
        tracks=(
            ("drums", "drums", ("kit",)),
            ("bass", "bass", ("picked",)),
            ("rhythm guitar", "guitar", ("crunch",)),
            ("voice", "voice", ("voice",)),
        ),
        optional=(
            ("acoustic guitar", "guitar", ("acoustic",)),
            ("organ", "keys", ("organ",)),
            ("lead", "lead", ("synth lead",)),
        ),
        melody=((0.5, 0.5, 0.5, 0.5, 1, 1), (1.5, 0.5, 1, -1), (0.5, 1, 0.5, 1, 1)),
    ),
    "electronic": Style(
        tempo=(118, 132),
        scale=MINOR,
        progressions=((_i, _VI, _III, _VII), (_i, _III, _VII, _iv), (_i, _v, _VI, _iv)),
        chord_beats=4,
        kit=(
            {
                "kick": "x...x...x...x...",
                "clap": "....x.......x...",
                "open": "..x...x...x...x.",
                "hat": "xoxoxoxoxoxoxoxo",
            },
            {"kick": "x...x...x...x..o", "clap": "....x.......x.o.", "hat": "..x.o.x...x.o.xo"},
        ),
        bass=(
            tuple((k + 0.5, 0.4, 0) for k in range(4)),
            tuple((k / 4, 0.22, 12 * (k % 4 == 2)) for k in range(16) if k % 4),
        ),
        tracks=(
            ("drums", "drums", ("kit",)),
            ("bass", "bass", ("synth bass",)),
            ("synth keys", "keys", ("pluck",)),
            ("lead", "lead", ("synth lead",)),
        ),
        optional=(
            ("pad", "strings", ("pad",)),
            ("shaker", "other", ("shaker",)),
            ("voice", "voice", ("voice",)),
        ),
        melody=((0.75, 0.75, 0.5, 0.75, 0.75, 0.5), (0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 1), (1.5, 0.5, 1.5, -0.5)),
    ),
    "ballad": Style(
        tempo=(62, 80),
        scale=MAJOR,
        progressions=((_I, _V, _vi, _IV), (_I, _iii, _IV, _V), (_vi, _IV, _I, _V), (_I, _vi, _ii, _V)),
        chord_beats=2,
        kit=(
            {"kick": "x.........x.....", "snare": "....o.......o...", "hat": "o.o.o.o.o.o.o.o."},
            {"kick": "x.......x.......", "snare": "........o.......", "hat": "o...o...o...o..."},
        ),
        bass=(((0, 1.9, 0), (2, 1.9, 0)), ((0, 1.4, 0), (1.5, 0.45, 0), (2, 1.9, 0))),
        tracks=(
            ("drums", "drums", ("kit",)),
            ("bass", "bass", ("picked",)),
            ("piano", "keys", ("piano", "electric piano")),
            ("voice", "voice", ("voice",)),
        ),
        optional=(("strings", "strings", ("pad",)), ("guitar", "guitar", ("acoustic",))),
        melody=((1, 0.5, 0.5, 2), (1.5, 0.5, 1, -1), (-1, 1, 0.5, 0.5, 1)),
    ),
}


def plan(style: str, seconds: float, rng: np.random.Generator) -> Score:
    """Draw a song's tempo, key, chords, patterns, tracks (4 to 6) and the bars in which each track plays."""
    recipe = SCORES[style]
    tempo = float(np.round(rng.uniform(*recipe.tempo), 1))
    bars = int(np.ceil(seconds * tempo / 240))
    extra = sorted(rng.choice(len(recipe.optional), rng.integers(0, 3), replace=False))
    chosen = recipe.tracks + tuple(recipe.optional[k] for k in extra)
    tracks = tuple((name, role, str(rng.choice(kinds))) for name, role, kinds in chosen)
    progression = recipe.progressions[rng.integers(len(recipe.progressions))]
    slots = bars * 4 // recipe.chord_beats
    plays = []
    for index in range(len(tracks)):
        active = np.ones(bars, bool)
        if bars >= 3 and index != 2:  # the chords play from the start, so that no song begins with nothing
            if rng.random() < (0.35 if index > 2 else 0.15):
                active[: rng.integers(1, max(bars // 2, 2))] = False
            if rng.random() < 0.3:
                active[rng.integers(1, bars - 1)] = False
        plays.append(tuple(np.flatnonzero(active).tolist()))
    return Score(
        style=style,
        tempo=tempo,
        key=int(rng.integers(-5, 7)),
        bars=bars,
        chords=tuple(progression[k % len(progression)] for k in range(slots)),
        kit=recipe.kit[rng.integers(len(recipe.kit))],
        bass=recipe.bass[rng.integers(len(recipe.bass))],
        tracks=tracks,
        plays=tuple(plays),
    )


def _chord(score: Score, beat: float) -> tuple[int, str]:
    return score.chords[int(beat // SCORES[score.style].chord_beats) % len(score.chords)]


def _voicing(score: Score, beat: float, low: int) -> list[int]:
    """The chord's three notes, folded into the octave above `low`, from low to high."""
    root, quality = _chord(score, beat)
    tones = (0, 4 if quality == "M" else 3, 7)
    return sorted(low + (score.key + root + tone - low) % 12 for tone in tones)


def drum_part(score: Score, track: int, rng: np.random.Generator) -> list[tuple[str, float, float]]:
    """Hits (drum, beat, velocity): the kit's pattern, a crash at the start, a fill at the end of every fourth bar."""
    instrument = score.tracks[track][2]
    pattern = score.kit if instrument == "kit" else {"shaker": "xoxoxoxoxoxoxoxo"}
    hits = []
    for bar in score.plays[track]:
        fill = instrument == "kit" and bar % 4 == 3
        for name, steps in pattern.items():
            for step, mark in enumerate(steps):
                if mark != "." and not (fill and step >= 12 and name != "kick"):
                    hits.append((name, bar * 4 + step / 4, 1.0 if mark == "x" else 0.45))
        if fill:
            hits += [
                ("snare", bar * 4 + 3 + k / 4, 0.5 + 0.15 * k) for k in range(4) if k % 2 == 0 or rng.random() < 0.6
            ]
        if instrument == "kit" and bar % 4 == 0 and score.style != "ballad":
            hits.append(("crash", bar * 4.0, 0.7))
    return hits


def bass_line(score: Score, track: int, rng: np.random.Generator) -> list[Note]:
    """The style's pattern on the root of the chord, between E1 and D#2 (an octave up where the pattern says so)."""
    notes = []
    for bar in score.plays[track]:
        for place, length, above in score.bass:
            beat = bar * 4 + place
            root = 28 + (score.key + _chord(score, beat)[0] - 28) % 12
            notes.append(Note(beat, length, root + above, rng.uniform(0.8, 1.0)))
    return notes


def chord_part(score: Score, track: int, rng: np.random.Generator) -> list[Note]:
    """Chords as the instrument plays them: held, struck, strummed or broken."""
    instrument = score.tracks[track][2]
    low = {"acoustic": 52, "crunch": 40, "pad": 60, "organ": 55, "pluck": 60}.get(instrument, 55)
    step = SCORES[score.style].chord_beats
    pulse = 0.5 if rng.random() < 0.5 else 1.0
    shape = rng.permutation(4)
    notes = []
    for bar in score.plays[track]:
        for beat in np.arange(bar * 4.0, bar * 4 + 4, step):
            tones = _voicing(score, beat, low)
            if instrument == "crunch":  # power chord: root, fifth, octave, in eighths
                root = low + (score.key + _chord(score, beat)[0] - low) % 12
                for k in range(step * 2):
                    tight = 0.9 if k % 2 == 0 else 0.6
                    notes += [Note(beat + k / 2, 0.42, root + up, tight) for up in (0, 7, 12)]
            elif instrument in ("pad", "organ"):
                notes += [Note(beat, step, tone, 0.9) for tone in (tones[0] - 12, *tones)]
            elif instrument == "pluck":  # an arpeggio in sixteenths
                for k in range(step * 4):
                    tone = (*tones, tones[0] + 12)[shape[k % 4]]
                    notes.append(Note(beat + k / 4, 0.25, tone, 1.0 if k % 4 == 0 else 0.7))
            elif instrument == "acoustic":  # strummed: strings 12 ms apart, down then up
                for k in np.arange(0, step, pulse):
                    strings = (tones[0], tones[1], tones[2], tones[0] + 12)
                    order = strings if (k / pulse) % 2 == 0 else strings[::-1]
                    notes += [
                        Note(beat + k + 0.02 * n, pulse * 1.2, tone, 0.9 - 0.1 * (k % 1 > 0))
                        for n, tone in enumerate(order)
                    ]
            elif score.style == "ballad":  # a broken chord over a held low root
                notes.append(Note(beat, step, tones[0] - 12, 0.8))
                notes += [Note(beat + k / 2, 1.0, tones[k % 3], 0.6 + 0.2 * (k == 0)) for k in range(step * 2)]
            else:
                for k in np.arange(0, step, 2 * pulse):
                    notes += [Note(beat + k, 1.8 * pulse, tone, 0.9) for tone in (tones[0] - 12, *tones)]
    return notes


def melody(score: Score, track: int, rng: np.random.Generator) -> list[Note]:
    """A line that walks the scale, meets the chord on strong beats and breathes at the end of every second bar."""
    recipe = SCORES[score.style]
    low, high = (57, 74) if score.tracks[track][1] == "voice" else (62, 81)
    ladder = [pitch for pitch in range(low, high) if (pitch - score.key) % 12 in recipe.scale]
    place, notes = len(ladder) // 2, []
    for bar in score.plays[track]:
        beat = bar * 4.0
        for length in recipe.melody[rng.integers(len(recipe.melody))]:
            rests = length < 0 or (bar % 2 == 1 and beat >= bar * 4 + 3)
            if not rests:
                place = int(np.clip(place + rng.choice([-2, -1, -1, 0, 1, 1, 2]), 0, len(ladder) - 1))
                if beat % 2 == 0:  # strong beat: the nearest note of the chord
                    chord = {pitch % 12 for pitch in _voicing(score, beat, low)}
                    place = min(range(len(ladder)), key=lambda k: (ladder[k] % 12 not in chord, abs(k - place), k))
                notes.append(Note(beat, length * 0.92, ladder[place], rng.uniform(0.75, 1.0)))
            beat += abs(length)
    return notes
