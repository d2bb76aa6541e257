"""How far a mix is from an engineer's. Chapter 12; a later chapter judges distributions of mixes."""

import torch
from scipy.stats import bootstrap
from torch import Tensor

from ..audio import amplitude, loudness
from ..errors import UserError
from ..mel import LogMel

NAT_DB = 4.342944819032518  # one nat of power in dB: 10 / ln 10


def match_loudness(mix: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
    """The mix (2, samples) with one gain that brings it to the integrated loudness of the reference; silence as it is."""
    own, wanted = loudness(torch.stack([mix, reference]), sample_rate)
    return mix * amplitude(wanted - own) if own > -70 and wanted > -70 else mix


def log_mel_distance(mix: Tensor, reference: Tensor, sample_rate: int, matched: bool = True) -> float:
    """Mean absolute difference of the log-mels of left and right, in dB; the smaller of as they are and with sides swapped.

    0 for equal mixes. A mirrored mix is as good as the mix, hence the swap.

    Args:
        mix, reference: (2, samples) of equal length.
        sample_rate: Hz.
        matched: bring the mix to the reference's loudness first, so that its volume knob does not count.

    Raises:
        UserError: if the shapes differ.
    """
    if mix.shape != reference.shape:
        raise UserError(f"mix: shape {tuple(mix.shape)} differs from the reference's {tuple(reference.shape)}; cut them alike")
    if matched:
        mix = match_loudness(mix, reference, sample_rate)
    x, y = LogMel(sample_rate)(torch.stack([mix, reference]))
    return NAT_DB * float(min((x - y).abs().mean(), (x.flip(0) - y).abs().mean()))


def mean_and_interval(values: list[float], seed: int = 0) -> tuple[float, float, float]:
    """Mean of one value a song, and its 95 % interval by bootstrap over songs (SciPy, percentile method)."""
    sample = torch.tensor(values, dtype=torch.float64).numpy()
    if len(sample) < 2:
        raise UserError("values: an interval needs at least two songs")
    interval = bootstrap((sample,), lambda x, axis: x.mean(axis), method="percentile", random_state=seed).confidence_interval
    return float(sample.mean()), float(interval.low), float(interval.high)
