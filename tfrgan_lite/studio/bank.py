"""The bank of one-shot notes that travels with the package: any note of any instrument, at 44.1 kHz.

`samples/` holds a recorded note every few semitones (`index.json` says where; `tools/make_bank.py` made it from the
sound font Fluid R3, licence beside it). A note between two of them is the nearer one, resampled.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ..errors import UserError

RATE = 44100
FULL_SCALE = 32767
FOLDER = Path(__file__).with_name("samples")
KEPT_NOTES = 600  # at most 250 MB, were they the longest of the bank
RISE = np.linspace(0, 1, 16, dtype=np.float32)  # where coding has smeared an attack over its beginning


@cache
def index() -> dict[str, dict]:
    """Instruments by name: `file`, and `notes`, by MIDI pitch: `start`, `length` in samples, `level` in 0..1.

    A kit's pitches are drums of General MIDI, which lie in `drums.flac`. Raises UserError where the file is missing or
    damaged.
    """
    try:
        found = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
        return {
            name: {"file": entry["file"], "notes": {int(pitch): place for pitch, place in entry["notes"].items()}}
            for name, entry in found.items()
        }
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise _broken("index.json") from error


def is_kit(instrument: str) -> bool:
    """Whether the instrument's pitches are drums, which are never transposed."""
    return _entry(instrument)["file"] == "drums.flac"


@lru_cache(maxsize=KEPT_NOTES)
def note(instrument: str, pitch: int) -> np.ndarray:
    """One note, from its attack to its end: (1 or 2, samples) int16 at 44.1 kHz, read-only, +-32767 is full scale.

    `pitch` is a MIDI note number within the instrument's range, or a drum that a kit has. The notes of an instrument
    keep their balance. Raises UserError for an unknown instrument, a pitch out of its range, a missing or damaged file.
    """
    entry = _entry(instrument)
    notes = entry["notes"]
    if not (pitch in notes if is_kit(instrument) else min(notes) <= pitch <= max(notes)):
        raise UserError(f"pitch: {instrument} has no {pitch}; it goes from {min(notes)} to {max(notes)}")
    nearest = min(notes, key=lambda other: (abs(other - pitch), other))
    place = notes[nearest]
    try:
        audio, rate = soundfile.read(
            FOLDER / entry["file"], frames=place["length"], start=place["start"], dtype="float32", always_2d=True
        )
    except (OSError, soundfile.SoundFileError, RuntimeError) as error:
        raise _broken(entry["file"]) from error
    if rate != RATE or len(audio) != place["length"]:
        raise _broken(entry["file"])
    if pitch != nearest:
        audio = soxr.resample(audio, RATE, RATE * 2 ** ((nearest - pitch) / 12))
    audio[: len(RISE)] *= RISE[:, None]
    scaled = np.clip(audio.T * (place["level"] * FULL_SCALE), -FULL_SCALE, FULL_SCALE)
    kept = np.ascontiguousarray(np.rint(scaled), dtype=np.int16)
    kept.setflags(write=False)
    return kept


def _entry(instrument: str) -> dict:
    if instrument not in index():
        raise UserError(f"instrument: the bank has no {instrument!r}; choose one of {', '.join(index())}")
    return index()[instrument]


def _broken(name: str) -> UserError:
    return UserError(
        f"{FOLDER / name}: this file of the bank of samples is missing or damaged; install tfrgan-lite again"
    )
