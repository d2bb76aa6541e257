"""How far a mix is from an engineer's. Chapter 12; a later chapter judges distributions of mixes."""

import torch
from scipy.stats import bootstrap
from torch import Tensor

from ..audio import amplitude, loudness
from ..errors import UserError
from ..mel import log_mel_of

NAT_DB = 4.342944819032518  # one nat of power in dB: 10 / ln 10
MATCHED_LUFS = -20.0


def match_loudness(mix: Tensor, sample_rate: int) -> Tensor:
    """The mix (2, samples) at -20 LUFS by one gain (BS.1770-4); silence as it is."""
    own = loudness(mix, sample_rate)
    return mix * amplitude(MATCHED_LUFS - own) if own > -70 else mix


def view(mix: Tensor, sample_rate: int, matched: bool = True) -> Tensor:
    """What :func:`distance` compares: log-mels (2, T, F) of a mix (2, samples), loudness matched or as it is."""
    return log_mel_of(sample_rate)(match_loudness(mix, sample_rate) if matched else mix)


def distance(x: Tensor, y: Tensor) -> float:
    """Mean absolute difference of two views (2, T, F) in dB; the smaller of as they are and with the sides swapped."""
    return NAT_DB * float(min((x - y).abs().mean(), (x.flip(0) - y).abs().mean()))


def log_mel_distance(mix: Tensor, reference: Tensor, sample_rate: int, matched: bool = True) -> float:
    """Mean absolute difference of the log-mels of left and right, in dB: 0 for equal mixes, and for mirrored ones.

    A mirrored mix is as good as the mix: which side is left is a coin's choice.

    Args:
        mix, reference: (2, samples) of equal length.
        sample_rate: Hz.
        matched: bring both to the same loudness first, so that the volume knob does not count.

    Raises:
        UserError: if the shapes differ.
    """
    if mix.shape != reference.shape:
        raise UserError(
            f"mix: shape {tuple(mix.shape)} differs from the reference's {tuple(reference.shape)}; cut them alike"
        )
    return distance(view(mix, sample_rate, matched), view(reference, sample_rate, matched))


def mean_and_interval(values: list[float], seed: int = 0) -> tuple[float, float, float]:
    """Mean of one value a song, and its 95 % interval by bootstrap over songs (SciPy, percentile method)."""
    sample = torch.tensor(values, dtype=torch.float64).numpy()
    if len(sample) < 2:
        raise UserError("values: an interval needs at least two songs")
    interval = bootstrap(
        (sample,), lambda x, axis: x.mean(axis), method="percentile", random_state=seed
    ).confidence_interval
    return float(sample.mean()), float(interval.low), float(interval.high)
