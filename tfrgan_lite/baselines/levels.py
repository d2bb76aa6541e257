"""Baselines that set nothing but levels."""

import math

import torch
import torch.nn.functional as functional
from scipy.signal import lfilter
from torch import Tensor

from ..audio import amplitude, check_stems, limit_true_peak, loudness

TRACK_LUFS = -23.0
BLOCK_MS, SHARING_MS = 10, 100  # of Dugan's levels: how often they are read, and their time constant


def raw_sum(stems: Tensor, sample_rate: int, roles: tuple[str, ...] | None = None) -> tuple[Tensor, Tensor]:
    """The faders left alone: stems (N, 1 or 2, samples) -> their sum (2, samples) and the stems (N, 2, samples).

    Args:
        sample_rate: Hz.
        roles: not needed by this rule; all baselines take it, so that they can be called alike.
    """
    wet = check_stems(stems, sample_rate).clone()
    return wet.sum(0), wet


def equal_loudness(stems: Tensor, sample_rate: int, roles: tuple[str, ...] | None = None) -> tuple[Tensor, Tensor]:
    """Every track at the same integrated loudness of -23 LUFS (BS.1770-4), the oldest rule of automatic mixing.

    Args:
        stems: (N, 1 or 2, samples).
        sample_rate: Hz.
        roles: not needed by this rule.

    Returns:
        The mix (2, samples), true peak at most -1 dBTP, and the wet stems (N, 2, samples). A silent track stays silent.
    """
    wet = trimmed_to_loudness(check_stems(stems, sample_rate), sample_rate)
    return limit_true_peak(wet.sum(0), wet, sample_rate)


def dugan(stems: Tensor, sample_rate: int, roles: tuple[str, ...] | None = None) -> tuple[Tensor, Tensor]:
    """Gain sharing: each track is turned down by as many dB as it lies below all tracks together (Dugan 1975).

    With the powers P of the tracks, trimmed to equal loudness as the inputs of his mixer are, the gain of track k is
    sqrt(P_k / sum_j P_j). The squared gains add up to 1 at any moment: as much as one open microphone. Who pauses is
    closed; of two tracks that are equally loud, each loses 3 dB. Powers are smoothed with a time constant of 100 ms.

    Args:
        stems: (N, 1 or 2, samples).
        sample_rate: Hz.
        roles: not needed by this rule.

    Returns:
        The mix (2, samples), true peak at most -1 dBTP, and the wet stems (N, 2, samples). A silent track stays silent.
    """
    trimmed = trimmed_to_loudness(check_stems(stems, sample_rate), sample_rate)
    samples, block = trimmed.shape[-1], sample_rate * BLOCK_MS // 1000
    blocks = functional.pad(trimmed, (0, -samples % block)).unflatten(-1, (-1, block))
    pole = math.exp(-BLOCK_MS / SHARING_MS)
    power = torch.from_numpy(lfilter([1 - pole], [1, -pole], blocks.square().mean((1, 3)).double().numpy()))
    gain = (power / power.sum(0).clamp_min(1e-12)).sqrt().float()
    gain = functional.interpolate(gain[:, None], scale_factor=block, mode="linear")[..., :samples]
    wet = trimmed * gain
    return limit_true_peak(wet.sum(0), wet, sample_rate)


def trimmed_to_loudness(stems: Tensor, sample_rate: int) -> Tensor:
    """Stems (N, 2, samples) at -23 LUFS each; silence as it is."""
    measured = loudness(stems, sample_rate)
    return stems * torch.where(measured > -70, amplitude(TRACK_LUFS - measured), 1.0)[:, None, None]
