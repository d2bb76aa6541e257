"""The studio's instruments: how far each plays, how it lets a note go, and a kit of synthesised drums.

All others sound from the bank of samples, where they have the same name.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter

from . import bank

RATE = bank.RATE
DRUMS = {"kick": 36, "side": 37, "snare": 38, "clap": 39, "hat": 42, "pedal": 44, "open": 46, "low tom": 43, "tom": 45}
DRUMS |= {"high tom": 48, "crash": 49, "ride": 51, "bell": 53, "tambourine": 54, "cowbell": 56, "slap": 62}
DRUMS |= {"conga": 63, "low conga": 64, "maracas": 70, "claves": 75, "shaker": 82}
# Where the drums of a kit stand that is recorded in stereo, -1 (left) to 1; the others in the middle.
SEATS = {"hat": 0.7, "pedal": 0.7, "open": 0.7, "high tom": 0.5, "low tom": -0.7, "crash": -0.8, "ride": -0.9}
SEATS |= {"bell": -0.9, "tambourine": 0.5, "shaker": -0.5, "maracas": -0.5, "conga": 0.4, "low conga": -0.4}


class Instrument(NamedTuple):
    """release_s: seconds in which a note fades when it is let go; low, high: MIDI pitches that parts may use;
    spread: how far its notes stand apart when it is recorded in stereo, 0 (never) to 1.
    """

    release_s: float
    low: int
    high: int
    spread: float = 0.0


_BASS, _GUITAR, _WIND = Instrument(0.06, 28, 52), Instrument(0.12, 40, 79), Instrument(0.07, 56, 80)
_KIT = Instrument(0.04, 36, 82, 0.5)
INSTRUMENTS = {
    **dict.fromkeys(("fingered bass", "picked bass", "upright bass", "synth bass", "deep synth bass"), _BASS),
    **dict.fromkeys(("steel guitar", "nylon guitar", "clean guitar", "jazz guitar"), _GUITAR),
    **dict.fromkeys(("alto sax", "trumpet", "muted trumpet"), _WIND),
    **dict.fromkeys(("standard kit", "room kit", "power kit", "electronic kit", "808 kit"), _KIT),
    **dict.fromkeys(("jazz kit", "brush kit", "club kit", "percussion"), _KIT),
    "piano": Instrument(0.2, 36, 84, 0.5),
    "electric piano": Instrument(0.15, 40, 84, 0.4),
    "organ": Instrument(0.05, 44, 82),
    "rock organ": Instrument(0.05, 44, 82),
    "distorted guitar": Instrument(0.06, 40, 68),
    "overdriven guitar": Instrument(0.1, 52, 84),
    "strings": Instrument(0.3, 46, 84),
    "synth strings": Instrument(0.3, 46, 84),
    "warm pad": Instrument(0.4, 46, 84),
    "pluck": Instrument(0.12, 50, 86),
    "saw lead": Instrument(0.08, 58, 84),
    "square lead": Instrument(0.08, 58, 84),
    "tenor sax": Instrument(0.07, 50, 76),
    "flute": Instrument(0.08, 62, 88),
    "vibraphone": Instrument(0.3, 55, 86, 0.6),
    "oohs": Instrument(0.12, 50, 78),
    "aahs": Instrument(0.3, 50, 78),
    "lead voice": Instrument(0.1, 50, 78),
}


def note(instrument: str, pitch: int) -> np.ndarray:
    """One note of an instrument as `bank.note` gives it: (1 or 2, samples) int16."""
    return _club(pitch) if instrument == "club kit" else bank.note(instrument, pitch)


@cache
def place(instrument: str, pitch: int) -> float:
    """Where a note lies between left (-1) and right (1): a drum in its seat, other notes from low to high."""
    if INSTRUMENTS[instrument] is _KIT:
        return next((seat for drum, seat in SEATS.items() if DRUMS[drum] == pitch), 0.0)
    return min(max((pitch - 60) / 20, -1.0), 1.0)


@cache
def _club(key: int) -> np.ndarray:
    """The electronic kit with synthesised kick, snare, clap and hi-hats, as loud as those that they replace."""
    recorded = bank.note("electronic kit", key)
    make = {36: kick, 38: snare, 39: clap, 42: hat, 46: lambda rng, hard: hat(rng, hard, open_s=0.12)}.get(key)
    if make is None:
        return recorded
    hit = make(np.random.default_rng(key), 0.8)
    return np.rint(hit * (np.abs(recorded).max() / np.abs(hit).max())).astype(np.int16)[None]


def _noise(seconds: float, decay_s: float, rng: np.random.Generator) -> np.ndarray:
    samples = int(seconds * RATE)
    envelope = np.exp(-np.arange(samples, dtype=np.float32) / (decay_s * RATE))
    return rng.standard_normal(samples, dtype=np.float32) * envelope


def _high_pass(x: np.ndarray, hz: float) -> np.ndarray:
    pole = np.exp(-2 * np.pi * hz / RATE)
    scale = (1 + pole) / 2
    return lfilter([scale, -scale], [1, -pole], x).astype(np.float32)


def kick(rng: np.random.Generator, hard: float) -> np.ndarray:
    """A sine that falls in pitch, and a click; `hard` in 0..1 makes it shorter, higher and clickier."""
    time = np.arange(int(0.35 * RATE)) / RATE
    low, sweep = 46 + 10 * rng.random(), 90 + 120 * hard
    phase = low * time + sweep * 0.03 * (1 - np.exp(-time / 0.03))
    body = np.sin(2 * np.pi * phase) * np.exp(-time / (0.13 - 0.05 * hard)) * np.minimum(time / 0.001, 1)
    body = np.tanh((1.5 + 2 * hard) * body)  # a driven head: more to hear in the middle of the spectrum, less peak
    body[: int(0.02 * RATE)] += (0.1 + 0.4 * hard) * _noise(0.02, 0.003, rng)
    body[-500:] *= np.linspace(1, 0, 500)
    return body.astype(np.float32)


def snare(rng: np.random.Generator, hard: float) -> np.ndarray:
    """Two drum modes and the rattle of the wires."""
    time = np.arange(int(0.3 * RATE)) / RATE
    pitch = 175 + 40 * rng.random()
    modes = (np.sin(2 * np.pi * pitch * time) + 0.5 * np.sin(2 * np.pi * 1.6 * pitch * time)) * np.exp(-time / 0.05)
    wires = _high_pass(_noise(0.3, 0.05 + 0.05 * hard, rng), 1200)
    return (0.7 * modes + (0.3 + 0.3 * hard) * wires[: len(modes)]).astype(np.float32)


def clap(rng: np.random.Generator, hard: float) -> np.ndarray:
    """Four bursts of noise within 30 ms, then a tail."""
    out = np.zeros(int(0.3 * RATE), np.float32)
    for delay in (0.0, 0.009, 0.019, 0.028):
        burst = _noise(0.2, 0.006 if delay < 0.028 else 0.04 + 0.04 * hard, rng)
        out[int(delay * RATE) :][: len(burst)] += burst
    return _high_pass(out, 900) * 0.6


def hat(rng: np.random.Generator, hard: float, open_s: float = 0.03) -> np.ndarray:
    """Noise above 7 kHz; `open_s` is its decay time."""
    return _high_pass(_high_pass(_noise(6 * open_s, open_s, rng), 7000), 7000) * (0.35 + 0.2 * hard)
