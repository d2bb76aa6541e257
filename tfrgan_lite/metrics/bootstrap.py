"""How sure a number is that was measured on some songs: the bootstrap over songs. Chapter 09.

Songs are drawn again, with replacement, as often as there are songs, and the number is computed anew. Its spread over
many such draws is about its spread over many such sets of songs (Efron and Tibshirani 1993, chapters 6 and 13).
"""

from collections.abc import Sequence

import numpy as np

from ..errors import UserError

RESAMPLES = 2000
Interval = tuple[float, float, float]  # the number, and the low and the high end of its 95 % interval


def resamples(songs: int, count: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Which songs are drawn: (1 + count, songs) of song numbers; the first row is every song once.

    One table for all systems makes a paired comparison: a draw with many hard songs is hard for each of them.
    Raises UserError for fewer than two songs.
    """
    if songs < 2:
        raise UserError("values: an interval needs at least two songs")
    drawn = np.random.default_rng([seed, songs]).integers(songs, size=(count, songs))
    return np.concatenate([np.arange(songs)[None], drawn])


def interval(values: np.ndarray) -> Interval:
    """A number's values (1 + count,) on :func:`resamples` -> the number and its 95 % interval (percentile method)."""
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return float(values[0]), float(low), float(high)


def mean_and_interval(values: Sequence[float], seed: int = 0) -> Interval:
    """Mean of one value a song, and its 95 % interval. Raises UserError for fewer than two songs."""
    values = np.asarray(values, dtype=np.float64)
    return interval(values[resamples(len(values), seed=seed)].mean(1))


def ratio_and_interval(over: Sequence[float], under: Sequence[float], seed: int = 0) -> Interval:
    """Mean of ``over`` divided by the mean of ``under``, one value of each a song, and its 95 % interval.

    Both are drawn together: what makes a song hard for one makes it hard for the other, and cancels.
    Raises UserError for fewer than two songs, or lengths that differ.
    """
    over, under = (np.asarray(values, dtype=np.float64) for values in (over, under))
    if len(over) != len(under):
        raise UserError(f"over, under: {len(over)} and {len(under)} values; give one of each a song")
    drawn = resamples(len(over), seed=seed)
    return interval(over[drawn].mean(1) / under[drawn].mean(1))
