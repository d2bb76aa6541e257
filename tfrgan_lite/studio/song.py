"""Songs from a seed: chords, rhythm and melody in a style, played by synthesised instruments, recorded raw.

"Raw" means what a mixing engineer is given: stems at any level, muddy or thin, with a noise floor and loose timing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.signal import lfilter

from ..errors import UserError
from ..labels import STYLES, style_index
from . import instruments as play
from .score import Note, Score, bass_line, chord_part, drum_part, melody, plan

RATE = play.RATE
NOMINAL_DB = -28.0  # active RMS level of a stem before its level is drawn, dBFS
LEVEL_DB, TILT_DB = 12.0, 6.0  # half ranges of the raw level and of the raw tilt


@dataclass(frozen=True)
class Song:
    """Dry stems and what is known of them.

    stems: float32 (tracks, 2, samples) in -1..1; roles: one of `labels.ROLES` per track; names: one per track;
    style: one of `labels.STYLES`; sample_rate in Hz; tempo in beats a minute and seed, where the studio made the song.
    """

    stems: torch.Tensor
    roles: tuple[str, ...]
    style: str
    sample_rate: int
    names: tuple[str, ...] = field(default=())
    tempo: float | None = None
    seed: int | None = None


def song(seed: int, style: str | None = None, seconds: float = 10.0) -> Song:
    """Compose, play and record one song.

    The same `seed`, `style` and `seconds` give the same song bit for bit. `style` None draws one from the seed: it is
    then the same song as with that style named. Returns 4 to 6 stems at 44.1 kHz, `seconds` long, peaks at most 1.
    Raises UserError for a negative seed, an unknown style or a length that is not above zero.
    """
    if seed < 0:
        raise UserError(f"seed: {seed} is negative; give 0 or a positive whole number")
    if style is None:
        style = STYLES[int(np.random.default_rng([seed, 0]).integers(len(STYLES)))]
    style_index(style)
    if not 0 < seconds <= 3600:
        raise UserError(f"seconds: {seconds} is out of range; give a length above 0 and up to 3600")
    rng = np.random.default_rng([seed, 1])
    samples = max(round(seconds * RATE), 1)
    score = plan(style, seconds, rng)
    stems = np.empty((len(score.tracks), 2, samples), np.float32)
    for track in range(len(score.tracks)):
        hand = np.random.default_rng([seed, 2, track])  # a stream for each track: no track changes its neighbours
        stems[track] = _record(_perform(score, track, samples, hand), hand)
    names, roles, _ = zip(*score.tracks, strict=True)
    return Song(torch.from_numpy(stems), roles, style, RATE, names, score.tempo, seed)


def _perform(score: Score, track: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Play one track of a score: (1 or 2, samples)."""
    _, role, instrument = score.tracks[track]
    if instrument in ("kit", "shaker"):
        return _strike(drum_part(score, track, rng), score, samples, rng)
    write = {"bass": bass_line, "lead": melody, "voice": melody}.get(role, chord_part)
    notes = write(score, track, rng)
    make = INSTRUMENTS[instrument]
    if instrument == "pad":  # the one stereo instrument: each channel has its own players
        players = (np.random.default_rng(rng.integers(2**32)) for _ in range(2))
        return np.concatenate([_sound(notes, make, score, samples, player) for player in players])
    audio = _sound(notes, make, score, samples, rng)
    if instrument == "crunch":  # an amplifier that saturates, and its loudspeaker
        audio = np.tanh(audio * (0.9 / max(_active_rms(audio), 1e-6)))
        audio = lfilter([0.3], [1, -0.7], audio, axis=-1).astype(np.float32)
    return audio


def _sound(notes: list[Note], make, score: Score, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Add up notes: (1, samples). Notes of the same pitch and length are synthesised once."""
    out = np.zeros((1, samples), np.float32)
    beat, bank = 60 / score.tempo, {}
    for note in notes:
        start = max(round((note.start * beat + rng.normal(0, 0.006)) * RATE), 0)
        if start >= samples:
            continue
        key = (note.pitch, round(note.length, 3))
        if key not in bank:
            bank[key] = make(440 * 2 ** ((note.pitch - 69) / 12), note.length * beat, rng)
        wave = bank[key][: samples - start]
        out[0, start : start + len(wave)] += wave * np.float32(note.velocity)
    return out


def _strike(hits: list[tuple[str, float, float]], score: Score, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Add up drum hits (drum, beat, velocity): (1, samples). Each drum of a kit is made once per song."""
    out = np.zeros((1, samples), np.float32)
    hard = {"electronic": 0.8, "rock": 0.7, "pop": 0.5, "ballad": 0.2}[score.style]
    kit = {name: make(rng, hard) for name, make in DRUMS.items()}
    for name, place, velocity in hits:
        start = max(round((place * 60 / score.tempo + rng.normal(0, 0.003)) * RATE), 0)
        wave = kit[name][: max(samples - start, 0)]
        out[0, start : start + len(wave)] += wave * np.float32(velocity * rng.uniform(0.85, 1.0))
    return out


def _active_rms(audio: np.ndarray) -> float:
    """RMS of the 50 ms blocks that are within 30 dB of the loudest one."""
    block = min(2205, audio.shape[-1])
    power = np.square(audio[..., : audio.shape[-1] // block * block]).reshape(len(audio), -1, block).mean((0, 2))
    return float(np.sqrt(power[power >= power.max() * 1e-3].mean()))


def _record(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make a clean track raw: tilt about 1 kHz, noise floor, level. Takes (1 or 2, samples), gives (2, samples)."""
    tilt = 10 ** (rng.uniform(-TILT_DB, TILT_DB) / 20)
    # First-order tilt H(s) = (g s + w) / (s + g w): 1/g at 0 Hz, g at the top, 1 at w = 1 kHz; bilinear transform.
    w = np.tan(np.pi * 1000 / RATE)
    b, a = np.array([tilt + w, w - tilt]) / (1 + tilt * w), np.array([1, (tilt * w - 1) / (1 + tilt * w)])
    audio = lfilter(b.astype(np.float32), a.astype(np.float32), audio, axis=-1)
    level = 10 ** ((NOMINAL_DB + rng.uniform(-LEVEL_DB, LEVEL_DB)) / 20)
    noise_level = 10 ** (rng.uniform(-62, -50) / 20)
    audio *= np.float32(1 / max(_active_rms(audio), 1e-6))
    audio += rng.standard_normal(audio.shape, dtype=np.float32) * np.float32(noise_level)
    # A level that would clip is turned down instead, as at a recording.
    return audio * np.float32(min(level, 0.99 / max(float(np.abs(audio).max()), 1e-6)))


INSTRUMENTS = {
    "piano": play.piano,
    "electric piano": play.electric_piano,
    "organ": play.organ,
    "acoustic": play.string_pluck,
    "crunch": lambda freq, seconds, rng: play.string_pluck(freq, seconds, rng, bright=1.6),
    "picked": play.picked_bass,
    "synth bass": play.synth_bass,
    "pluck": play.synth_pluck,
    "pad": play.pad,
    "synth lead": play.synth_lead,
    "voice": play.voice,
}
DRUMS = {
    "kick": play.kick,
    "snare": play.snare,
    "clap": play.clap,
    "hat": play.hat,
    "open": lambda rng, hard: play.hat(rng, hard, open_s=0.12),
    "crash": play.crash,
    "shaker": play.shaker,
}
