"""Two baselines that set nothing but levels."""

import torch
from torch import Tensor

from ..audio import amplitude, check_stems, limit_true_peak, loudness

TRACK_LUFS = -23.0


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
    stems = check_stems(stems, sample_rate)
    measured = loudness(stems, sample_rate)
    gain = torch.where(measured > -70, amplitude(TRACK_LUFS - measured), 1.0)
    wet = stems * gain[:, None, None]
    return limit_true_peak(wet.sum(0), wet, sample_rate)
