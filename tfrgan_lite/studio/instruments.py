"""Synthesised instruments: every function returns one mono note or drum hit as float32 at `RATE`.

Pitched instruments are additive: an instrument is a table of harmonic amplitudes over time, (rows, harmonics), one row
every `ROW_S` seconds. `_render` turns each row into one period of the waveform by an inverse FFT and reads the periods
along the note's phase, so that a note of any timbre costs the same and no harmonic starts above `TOP_HZ`.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

RATE = 44100
ROW_S = 0.02
TOP_HZ = 14000.0
MAX_HARMONICS = 80
PERIOD_BITS = 9
PERIOD = 2**PERIOD_BITS  # samples of one tabulated period


def _grid(freq: float, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Harmonic numbers (1, H) and row times (rows, 1) of a note."""
    count = int(np.clip(TOP_HZ / freq, 1, MAX_HARMONICS))
    rows = int(np.ceil(seconds / ROW_S)) + 2
    return np.arange(1, count + 1, dtype=np.float32)[None], (np.arange(rows, dtype=np.float32) * ROW_S)[:, None]


def _render(
    freq: float,
    seconds: float,
    amplitudes: np.ndarray,
    rng: np.random.Generator,
    *,
    attack_s: float = 0.004,
    release_s: float = 0.03,
    vibrato: float = 0.0,
    scoop: float = 0.0,
) -> np.ndarray:
    """Read a table of harmonic amplitudes (rows, H) along the phase of a note.

    `vibrato` is its depth as a share of the frequency (5.5 Hz, fading in); `scoop` starts the note flat by that share.
    """
    samples = max(int(seconds * RATE), 2)
    row = int(ROW_S * RATE)
    rows = -(-samples // row)
    # Phase in units of 2^-32 cycles: unsigned integers wrap round by themselves.
    phase = np.arange(rows * row, dtype=np.uint32) * np.uint32(freq / RATE * 2**32) + np.uint32(rng.integers(2**32))
    if vibrato or scoop:
        time = np.arange(rows * row, dtype=np.float32) / RATE
        wave = np.minimum(time / 0.4, 1.0) * np.cos(2 * np.pi * 5.5 * time)
        bend = freq * (scoop * 0.05 * np.exp(-time / 0.05) - vibrato / (2 * np.pi * 5.5) * wave)
        phase += (bend * 2.0**32).astype(np.int64).astype(np.uint32)
    spectrum = np.zeros((len(amplitudes), PERIOD // 2 + 1), np.complex64)
    angles = np.exp(2j * np.pi * rng.random(amplitudes.shape[1])).astype(np.complex64)
    spectrum[:, 1 : amplitudes.shape[1] + 1] = amplitudes * angles
    table = np.fft.irfft(spectrum, PERIOD, axis=1).astype(np.float32) * (PERIOD / 2)
    slope = np.roll(table, -1, axis=1) - table
    # Bilinear reading: between neighbours in a period, and between this row's period and the next row's.
    column = (phase >> (32 - PERIOD_BITS)).astype(np.intp).reshape(rows, row)
    column += PERIOD * np.arange(rows)[:, None]
    place = (phase << PERIOD_BITS).astype(np.float32).reshape(rows, row) * np.float32(2.0**-32)
    here = table.take(column) + slope.take(column) * place
    column += PERIOD
    after = table.take(column) + slope.take(column) * place
    after -= here
    after *= np.linspace(0, 1, row, endpoint=False, dtype=np.float32)
    wave = (here + after).ravel()[:samples]
    rise, fall = min(int(attack_s * RATE), samples // 2), min(int(release_s * RATE), samples // 2)
    if rise:
        wave[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    if fall:
        wave[-fall:] *= np.linspace(1, 0, fall, dtype=np.float32)
    return wave


def _low_pass(hz: np.ndarray, cutoff: np.ndarray | float, slope: float = 4.0) -> np.ndarray:
    """Magnitude of a low pass at frequencies `hz`; `slope` 4 falls by 24 dB an octave."""
    return 1.0 / np.sqrt(1.0 + (hz / cutoff) ** (2 * slope))


def piano(freq: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A struck string: the hammer at 1/8 of its length, high harmonics dying first."""
    h, t = _grid(freq, seconds + 0.25)
    strike = np.abs(np.sin(np.pi * h / 8)) + 0.05
    decay = 0.9 * (freq / 261.6) ** 0.6 * (1 + 0.35 * (h - 1))
    amplitudes = (
        strike * h**-1.0 * _low_pass(h * freq, 3500, 1.5) * (0.8 * np.exp(-decay * t) + 0.2 * np.exp(-0.3 * decay * t))
    )
    return _render(freq, seconds + 0.25, amplitudes, rng, release_s=0.2)


def electric_piano(freq: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A tine: a strong fundamental, a bell-like overtone that dies at once, slow tremolo."""
    h, t = _grid(freq, seconds + 0.15)
    body = (h == 1) + 0.35 * (h == 2) + 0.12 * (h == 3) + 0.05 * (h == 4)
    bell = 0.25 * (h == 7) * np.exp(-9 * t) + 0.1 * (h == 11) * np.exp(-14 * t)
    tremolo = 1 + 0.2 * np.sin(2 * np.pi * 4.5 * t)
    return _render(freq, seconds + 0.15, (body * np.exp(-1.4 * t) + bell) * tremolo, rng, release_s=0.12)


def organ(freq: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Drawbars 1, 2, 3, 4, 6, 8 held as long as the key."""
    h, t = _grid(freq, seconds)
    bars = 0.9 * (h == 1) + 0.8 * (h == 2) + 0.5 * (h == 3) + 0.35 * (h == 4) + 0.25 * (h == 6) + 0.2 * (h == 8)
    return _render(freq, seconds, bars * (1 + 0.15 * np.sin(2 * np.pi * 6.2 * t)), rng, attack_s=0.01, release_s=0.05)


def string_pluck(freq: float, seconds: float, rng: np.random.Generator, bright: float = 1.0) -> np.ndarray:
    """Karplus and Strong (1983), solved: each period is the last one through a two-point average.

    A harmonic of frequency f loses the factor cos(pi f / rate) in each period, so every row is known at once. The
    string runs at a rate of 26 kHz: the lower that is, the faster its harmonics die.
    """
    h, t = _grid(freq, seconds + 0.1)
    excitation = rng.rayleigh(0.8, h.shape).astype(np.float32) * h**-0.5 * _low_pass(h * freq, 5000 * bright, 1.0)
    loss = np.maximum(np.cos(np.pi * np.minimum(h * freq / 26000, 0.49)), 1e-3) * 0.996
    return _render(freq, seconds + 0.1, excitation * loss ** (freq * t), rng, attack_s=0.002, release_s=0.08)


def picked_bass(freq: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """An electric bass: a plucked string through a dark pickup."""
    h, t = _grid(freq, seconds)
    pickup = (np.abs(np.sin(np.pi * h * 0.22)) + 0.1) * h**-0.7 * _low_pass(h * freq, 900, 1.5)
    return _render(freq, seconds, pickup * np.exp(-(0.8 + 0.35 * h) * t), rng, attack_s=0.006, release_s=0.03)


def synth_bass(freq: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A saw wave through a low pass that closes."""
    h, t = _grid(freq, seconds)
    cutoff = 300 + 2400 * np.exp(-7 * t)
    return _render(freq, seconds, h**-1.0 * _low_pass(h * freq, cutoff, 2.0), rng, attack_s=0.003)


def synth_pluck(freq: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A square wave through a low pass that shuts in a tenth of a second."""
    h, t = _grid(freq, seconds + 0.2)
    cutoff = 500 + 5500 * np.exp(-12 * t)
    amplitudes = (h % 2 + 0.25) / h * _low_pass(h * freq, cutoff, 2.0) * np.exp(-4 * t)
    return _render(freq, seconds + 0.2, amplitudes, rng, attack_s=0.002, release_s=0.1)


def pad(freq: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Bowed strings or a pad: a saw wave that swells, a little out of tune; call once for each channel."""
    h, t = _grid(freq, seconds + 0.3)
    amplitudes = h**-1.1 * _low_pass(h * freq, 1800 + 1200 * np.minimum(t, 1), 1.5)
    detune = 1 + rng.uniform(-0.004, 0.004)
    return _render(freq * detune, seconds + 0.3, amplitudes, rng, attack_s=0.25, release_s=0.3, vibrato=0.003)


def synth_lead(freq: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A saw wave with an open filter, vibrato and a scooped start."""
    h, t = _grid(freq, seconds)
    amplitudes = h**-0.9 * _low_pass(h * freq, 2500 + 3500 * np.exp(-5 * t), 2.0)
    return _render(freq, seconds, amplitudes, rng, attack_s=0.01, release_s=0.06, vibrato=0.006, scoop=0.02)


VOWELS = {  # formant frequencies in Hz and their levels
    "a": ((750, 1.0), (1200, 0.5), (2600, 0.22), (3300, 0.14)),
    "e": ((480, 1.0), (1850, 0.4), (2550, 0.25), (3400, 0.12)),
    "o": ((480, 1.0), (850, 0.5), (2500, 0.12), (3200, 0.08)),
}


def voice(freq: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A sung vowel that glides into another: a glottal pulse through formants, with breath and vibrato."""
    h, t = _grid(freq, seconds)
    start, end = (VOWELS[name] for name in rng.choice(list(VOWELS), 2))
    glide = np.minimum(t / max(seconds, 0.1), 1.0)
    filtered = np.float32(0.02)
    for (hz_from, gain_from), (hz_to, gain_to) in zip(start, end, strict=True):
        centre = hz_from + (hz_to - hz_from) * glide
        filtered = filtered + (gain_from + (gain_to - gain_from) * glide) / (
            1 + ((h * freq - centre) / (0.09 * centre + 40)) ** 2
        )
    shape = {"attack_s": 0.05, "release_s": 0.08, "vibrato": 0.012, "scoop": 0.03}
    note = _render(freq, seconds, h**-0.6 * filtered, rng, **shape)
    breath = rng.standard_normal(len(note), dtype=np.float32)
    breath = np.diff(breath, prepend=breath[:1]) * np.exp(-np.arange(len(note), dtype=np.float32) / (0.06 * RATE))
    return note + 0.03 * breath


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


def crash(rng: np.random.Generator, hard: float) -> np.ndarray:
    """A cymbal: bright noise that rings."""
    return _high_pass(_noise(1.6, 0.4, rng), 4000) * (0.3 + 0.1 * hard)


def shaker(rng: np.random.Generator, hard: float) -> np.ndarray:
    """A grain of bright noise with a soft start."""
    grain = _high_pass(_noise(0.12, 0.03, rng), 5000) * (0.4 + 0.2 * hard)
    return grain * np.minimum(np.arange(len(grain), dtype=np.float32) / (0.015 * RATE), 1)
