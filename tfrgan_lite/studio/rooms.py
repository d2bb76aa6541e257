"""Rooms to send tracks into: made-up impulse responses of three kinds, and the convolution with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.signal import butter, sosfilt
from torch import Tensor

from ..errors import UserError


@dataclass(frozen=True)
class _Kind:
    """What makes a kind of room: times in s and ms, `high_decay` the part above 4 kHz's share of the decay time."""

    decay_s: float
    predelay_ms: float
    bright_hz: float  # above it, the response falls by 6 dB an octave
    high_decay: float = 1.0
    build_up_ms: float = 0.0
    volume_m3: float = 0.0  # 0: dense at once


KINDS = {
    "room": _Kind(decay_s=0.5, predelay_ms=3.0, bright_hz=5000.0, high_decay=0.6, volume_m3=40.0),
    "plate": _Kind(decay_s=1.2, predelay_ms=0.0, bright_hz=12000.0),
    "hall": _Kind(decay_s=2.2, predelay_ms=28.0, bright_hz=2500.0, high_decay=0.5, build_up_ms=60.0),
}
CROSSOVER_HZ = 4000.0
BASS_HZ = 150.0  # below it, every response falls by 6 dB an octave, to keep the bass of a mix clear
SPEED_OF_SOUND = 343.0  # m/s
FIRST_REFLECTION_S = 0.006  # after the direct sound; the response begins with it


def impulse_response(
    sample_rate: int, kind: str = "room", decay_s: float | None = None, predelay_ms: float | None = None, seed: int = 0
) -> Tensor:
    """A room as filtered, decaying noise: (2, taps), two channels without correlation, each of unit energy.

    =======  ========  =========  ====================================================================================
    kind     decay     pre-delay  character
    =======  ========  =========  ====================================================================================
    room     0.5 s     3 ms       single reflections first: as in a box of 40 m³, 4 pi c³ t² / V of them a second at t
                                  after the direct sound (Kuttruff, Room Acoustics, section 4.1), each 1 / t in level
    plate    1.2 s     0 ms       dense and bright from its first sample, all frequencies decaying alike
    hall     2.2 s     28 ms      dark, and rising for some 60 ms before it falls
    =======  ========  =========  ====================================================================================

    Args:
        sample_rate: Hz.
        kind: room, plate or hall.
        decay_s: time in which sound falls by 60 dB, 0.05 to 30 s, the kind's own if None. Above 4 kHz it is 0.6 of that
            in a room, half in a hall, all in a plate. The response ends where it has fallen by 60 dB.
        predelay_ms: silence before the first reflection, 0 to 1000 ms, the kind's own if None.
        seed: of the noise; the same seed gives the same response.

    Raises:
        UserError: for an unknown kind, a time out of range or a negative seed.
    """
    if kind not in KINDS:
        raise UserError(f"kind: unknown room {kind!r}; choose one of {', '.join(KINDS)}")
    own = KINDS[kind]
    decay_s = own.decay_s if decay_s is None else decay_s
    predelay_ms = own.predelay_ms if predelay_ms is None else predelay_ms
    for name, value, low, high in (("decay_s", decay_s, 0.05, 30), ("predelay_ms", predelay_ms, 0, 1000)):
        if not low <= value <= high:
            raise UserError(f"{name}: {value} is out of range; give {low} to {high}")
    if seed < 0:
        raise UserError(f"seed: {seed} is negative; give 0 or a positive whole number")
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    time = np.arange(round(decay_s * sample_rate), dtype=np.float32) / np.float32(sample_rate)
    noise = rng.standard_normal((2, len(time)), dtype=np.float32)
    if own.volume_m3:
        noise = _reflections(noise, time, sample_rate, own.volume_m3, rng)
    if own.build_up_ms:
        noise *= 1 - np.exp(-(time + time[1]) * (3000 / own.build_up_ms))  # 95 % of the level at its end
    noise = sosfilt(_colour(own.bright_hz, sample_rate), noise).astype(np.float32)
    fall = np.float32(-3 * np.log(10) / decay_s)
    if own.high_decay < 1 and CROSSOVER_HZ < 0.45 * sample_rate:
        low = sosfilt(butter(4, CROSSOVER_HZ, fs=sample_rate, output="sos").astype(np.float32), noise)
        noise = low + (noise - low) * np.exp(time * fall * np.float32(1 / own.high_decay - 1))
    noise *= np.exp(time * fall)
    noise[1] -= noise[0] * (noise[0] @ noise[1] / (noise[0] @ noise[0]))
    noise /= np.sqrt(np.square(noise).sum(-1, keepdims=True))
    return torch.from_numpy(np.pad(noise, ((0, 0), (round(predelay_ms / 1000 * sample_rate), 0))))


def _reflections(
    noise: np.ndarray, time: np.ndarray, sample_rate: int, volume_m3: float, rng: np.random.Generator
) -> np.ndarray:
    """Thin noise (2, taps) out to a room's reflections, until there is one at each sample.

    Fewer ones are stronger, so that the energy of each ms is the noise's: density grows with t², level falls with t.
    """
    rate = 4 * np.pi * SPEED_OF_SOUND**3 / volume_m3 * np.square(time + FIRST_REFLECTION_S)
    chance = np.minimum(rate / sample_rate, 1).astype(np.float32)
    sparse = int((chance < 1).sum())
    here = rng.random((2, sparse), dtype=np.float32) < chance[:sparse]
    here[rng.integers(2), 0] = True
    noise[:, :sparse] = np.where(here, np.sign(noise[:, :sparse]) / np.sqrt(chance[:sparse]), 0)
    return noise


def _colour(bright_hz: float, sample_rate: int) -> np.ndarray:
    """One-pole low pass at `bright_hz` and high pass at `BASS_HZ` as sections for `sosfilt`: (2, 6) float32."""
    low = butter(1, min(bright_hz, 0.45 * sample_rate), fs=sample_rate, output="sos")
    high = butter(1, BASS_HZ, "highpass", fs=sample_rate, output="sos")
    return np.concatenate([low, high]).astype(np.float32)


def reverb(audio: Tensor, sample_rate: int, impulse: Tensor) -> Tensor:
    """The room alone, without the dry sound: (..., 1 or 2, samples) and (2, taps) -> (..., 2, samples).

    Convolution by FFT, the tail cut at the end; differentiable. Each channel of a stereo track excites its own channel
    of the room, a mono track excites both.
    """
    samples = audio.shape[-1]
    impulse = impulse[..., :samples].to(audio.dtype)
    reach = impulse.shape[-1] - 1
    # Overlap-save: blocks of the size that an FFT does fastest, each read with what came `reach` before it.
    size = 2 ** min(max((2 * reach).bit_length(), 12), (samples + reach - 1).bit_length())
    hop = size - reach
    blocks = -(-samples // hop)
    room = torch.fft.rfft(impulse, n=size)[:, None]
    wet = []
    for track in audio.reshape(-1, *audio.shape[-2:]):
        before = torch.nn.functional.pad(track, (reach, blocks * hop - samples)).unfold(-1, size, hop)
        after = torch.fft.irfft(torch.fft.rfft(before) * room, n=size)
        wet.append(after[..., reach:].flatten(-2)[..., :samples])
    return torch.stack(wet).reshape(*audio.shape[:-2], 2, samples)
