"""What the generator hears of a song: stems at one level, dry and through a room, and who is there. Chapter 08."""

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as functional
from torch import Tensor

from .audio import check_stems
from .labels import check_roles, role_index
from .mel import log_mel_of, power_of
from .studio.console import impulse_response, reverb

LEVEL = 0.1  # RMS of every track as the generator hears it: -20 dBFS
ROOM_DECAY_S = 1.2  # of the one room that the generator can send to
SILENCE = 10 ** (-70 / 20)  # a track of lower RMS, the absolute gate of BS.1770, holds noise at most: do not raise it
REFERENCE_WINDOW = 1102  # samples of the 25 ms window at 44.1 kHz


@dataclass
class Heard:
    """A song ready for the generator."""

    dry: Tensor  # (N, 2, samples), each track at RMS -20 dBFS
    reverb: Tensor  # (N, 2, samples), the tracks' mid through the package's room
    roles: Tensor  # (N,) indices into ROLES
    present: Tensor  # (N,) bool, False for a silent track, one below -70 dBFS


def active_level(stems: Tensor, sample_rate: int) -> Tensor:
    """RMS amplitude of each track while it plays: (N, 2, samples) -> (N,); 0 for silence.

    As the relative gate of BS.1770 does, blocks of 100 ms more than 10 dB below the mean of all blocks do not count,
    so that a track that enters late has the level of its playing.
    """
    block = sample_rate // 10
    power = stems.square().mean(-2)
    power = functional.pad(power, (0, -power.shape[-1] % block)).unflatten(-1, (-1, block)).mean(-1)  # (N, blocks)
    gate = power >= 0.1 * power.mean(-1, keepdim=True)
    return ((power * gate).sum(-1) / gate.sum(-1)).sqrt()


def hear(stems: Tensor, sample_rate: int, roles: tuple[str, ...] | None = None) -> Heard:
    """Bring stems to the form that the generator takes.

    Args:
        stems: (N, 1 or 2, samples), N from 1 to 16.
        sample_rate: Hz.
        roles: one of ROLES for each track; ``other`` for all if None.

    Raises:
        UserError: as :func:`tfrgan_lite.audio.check_stems`, or for an unknown role.
    """
    stems = check_stems(stems, sample_rate)
    roles = check_roles(roles, len(stems))
    level = active_level(stems, sample_rate)
    present = level > SILENCE
    dry = stems * torch.where(present, LEVEL / level.clamp_min(1e-9), 0.0)[:, None, None]
    wet = reverb(dry.mean(-2, keepdim=True), sample_rate, room(sample_rate))
    return Heard(dry, wet, torch.tensor([role_index(role) for role in roles]), present)


@lru_cache(maxsize=8)
def room(sample_rate: int) -> Tensor:
    """The fixed stereo impulse response (2, taps) of the generator's reverb send."""
    return impulse_response(sample_rate, "plate", decay_s=ROOM_DECAY_S, seed=0)


def spectrum_to_log_mel(spectrum: Tensor, sample_rate: int, mels: int = 80) -> Tensor:
    """Complex spectra (..., T, K) -> log-mel (..., T, F) at the level that 44.1 kHz windows would give, whatever the
    rate.

    The power of a window's FFT grows with its length, hence with the sample rate; the network shall not hear that.
    """
    front = log_mel_of(sample_rate, mels)
    return front.of_power(power_of(spectrum), REFERENCE_WINDOW / front.stft.win_length)


def track_log_mel(dry: Tensor, sample_rate: int, mels: int = 80) -> Tensor:
    """X of each track, its two channels' mean: (..., 2, samples) -> (..., T, F)."""
    return spectrum_to_log_mel(log_mel_of(sample_rate, mels).stft(dry.mean(-2)), sample_rate, mels)
