"""Songs from a seed: composed in a style, played by sampled instruments, recorded raw.

"Raw" means what a mixing engineer is given: stems at any level, muddy or thin, with a noise floor and loose timing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
from scipy.signal import lfilter

from ..errors import UserError
from ..labels import STYLES, style_index
from . import bank, parts
from .instruments import INSTRUMENTS, note, place
from .score import Score, plan

RATE = bank.RATE
NOMINAL_DB = -28.0  # active RMS level of a stem before its level is drawn, dBFS
LEVEL_DB, TILT_DB = 12.0, 6.0  # half ranges of the raw level and of the raw tilt
NOISE_DB = (-62.0, -50.0)  # of a track's noise floor, against its active RMS level
NOISE_SAMPLES = 2**17  # of the noise that all tracks of a song read, each from a place of its own
STEREO_SHARE = 0.5  # of the instruments that can be recorded in mono or in stereo


@dataclass(frozen=True)
class Song:
    """Dry stems and what is known of them.

    stems: float32 (tracks, 2, samples) in -1..1, a mono track has equal channels; roles: one of `labels.ROLES` per
    track; names: one per track; style: one of `labels.STYLES`; sample_rate in Hz; tempo in beats a minute and seed,
    where the studio made the song; sections: (name, start in seconds), () if unknown; mix: (2, samples), the finished
    mix that came with stems from elsewhere.
    """

    stems: torch.Tensor
    roles: tuple[str, ...]
    style: str
    sample_rate: int
    names: tuple[str, ...] = field(default=())
    tempo: float | None = None
    seed: int | None = None
    sections: tuple[tuple[str, float], ...] = field(default=())
    mix: torch.Tensor | None = None


def song(seed: int, style: str | None = None, seconds: float = 10.0) -> Song:
    """Compose, play and record one song.

    The same `seed`, `style` and `seconds` give the same song bit for bit. `style` None draws one from the seed: it is
    then the same song as with that style named. Returns 2 to 8 stems at 44.1 kHz, `seconds` long, peaks at most 1.
    Raises UserError for a negative seed, an unknown style or a length that is not above zero.
    """
    style, score = compose(seed, style, seconds)
    samples = max(round(seconds * RATE), 1)
    number = style_index(style)
    noise = np.random.default_rng([seed, 3]).standard_normal(NOISE_SAMPLES, dtype=np.float32)
    stems = np.empty((len(score.tracks), 2, samples), np.float32)
    for track in range(len(score.tracks)):
        hand = np.random.default_rng(
            [seed, 2, number, track]
        )  # a stream for each track: no track changes its neighbours
        stems[track] = _record(_perform(score, track, samples, hand), noise, hand)
    return Song(
        stems=torch.from_numpy(stems),
        roles=tuple(track.part.role for track in score.tracks),
        style=style,
        sample_rate=RATE,
        names=tuple(track.part.name for track in score.tracks),
        tempo=score.tempo,
        seed=seed,
        sections=tuple((section.name, section.start * 60 / score.tempo) for section in score.sections),
    )


def compose(seed: int, style: str | None = None, seconds: float = 10.0) -> tuple[str, Score]:
    """The style and the score of `song` with these arguments, without a sound; the same errors."""
    if seed < 0:
        raise UserError(f"seed: {seed} is negative; give 0 or a positive whole number")
    if style is None:
        style = STYLES[int(np.random.default_rng([seed, 0]).integers(len(STYLES)))]
    number = style_index(style)
    if not 0 < seconds <= 3600:
        raise UserError(f"seconds: {seconds} is out of range; give a length above 0 and up to 3600")
    return style, plan(style, seconds, np.random.default_rng([seed, 1, number]))


def _perform(score: Score, track: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Play one track of a score: (1 or 2, samples)."""
    name = score.tracks[track].instrument
    instrument = INSTRUMENTS[name]
    notes = parts.play(score, track, rng)
    beat, loose = 60 / score.tempo * RATE, score.recipe.loose / 1000 * RATE
    late = rng.normal(0, loose)  # this player's habit, then the accidents of each note
    starts = (np.array([one.start for one in notes]) * beat + rng.normal(late, loose, len(notes))).round().astype(int)
    stereo = instrument.spread * (rng.random() < STEREO_SHARE)
    fade = _fade(round(instrument.release_s * RATE))
    out = None
    for one, start in zip(notes, starts.clip(0).tolist(), strict=True):
        wave = note(name, one.pitch)
        if out is None:
            out = np.zeros((2 if stereo else len(wave), samples), np.float32)
        held = max(round(one.length * beat), 1)
        wave = wave[:, : max(min(held + len(fade), samples - start), 0)]
        sound = wave * (
            one.loudness / bank.FULL_SCALE * (_sides(stereo * place(name, one.pitch)) if stereo else np.float32(1))
        )
        if sound.shape[1] > held:
            sound[:, held:] *= fade[: sound.shape[1] - held]
        out[:, start : start + sound.shape[1]] += sound
    return np.zeros((1, samples), np.float32) if out is None else out  # a song too short for this track's first note


@cache
def _fade(samples: int) -> np.ndarray:
    """How a note dies away when it is let go."""
    return np.cos(np.linspace(0, np.pi / 2, samples, dtype=np.float32)) ** 2


@cache
def _sides(position: float) -> np.ndarray:
    """Constant-power gains (2, 1) for a place between left (-1) and right (1)."""
    angle = np.pi / 4 * (1 + position)
    return np.array([[np.cos(angle)], [np.sin(angle)]], np.float32)


def _active_rms(audio: np.ndarray) -> float:
    """RMS of the 50 ms blocks that are within 30 dB of the loudest one."""
    block = min(2205, audio.shape[-1])
    blocks = audio[..., : audio.shape[-1] // block * block].reshape(len(audio), -1, block)
    power = np.einsum("cbs,cbs->b", blocks, blocks) / (len(audio) * block)
    return float(np.sqrt(power[power >= power.max() * 1e-3].mean()))


def _record(audio: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make a clean track raw: tilt about 1 kHz, noise floor, level. Takes and gives (1 or 2, samples)."""
    tilt = 10 ** (rng.uniform(-TILT_DB, TILT_DB) / 20)
    # First-order tilt H(s) = (g s + w) / (s + g w): 1/g at 0 Hz, g at the top, 1 at w = 1 kHz; bilinear transform.
    w = np.tan(np.pi * 1000 / RATE)
    b, a = np.array([tilt + w, w - tilt]) / (1 + tilt * w), np.array([1, (tilt * w - 1) / (1 + tilt * w)])
    audio = lfilter(b.astype(np.float32), a.astype(np.float32), audio, axis=-1)
    level = 10 ** ((NOMINAL_DB + rng.uniform(-LEVEL_DB, LEVEL_DB)) / 20)
    rms = max(_active_rms(audio), 1e-6)
    floor = np.float32(rms * 10 ** (rng.uniform(*NOISE_DB) / 20)) * noise
    for channel in audio:
        start, place = 0, int(rng.integers(NOISE_SAMPLES))
        while start < len(channel):  # round and round
            stretch = min(NOISE_SAMPLES - place, len(channel) - start)
            channel[start : start + stretch] += floor[place : place + stretch]
            start, place = start + stretch, 0
    # A level that would clip is turned down instead, as at a recording.
    peak = max(float(audio.max()), -float(audio.min()), 1e-6)
    audio *= np.float32(min(level / rms, 0.99 / peak))
    return audio
