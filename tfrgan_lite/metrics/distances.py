"""How far a system's mixes are from engineers' mixes as **distributions**: of one song, or of all at once. Chapter 09.

Mixes are points, rows of numbers such as :func:`tfrgan_lite.metrics.features.features`, z-scored by :func:`scale_of`.
"""

from itertools import combinations

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.stats import wasserstein_distance
from torch import Tensor

from ..errors import UserError

LEAST_SCALE = 0.01  # of a number that all engineers agree on to less than this
CENTRE = 0.1  # positions nearer to 0 than this are in the centre


def scale_of(points: Tensor) -> Tensor:
    """Standard deviation of each column over all other axes: (..., n) -> (n,). What engineers all do alike counts as
    0.01, so that nothing is divided by 0.
    """
    return points.reshape(-1, points.shape[-1]).std(0).clamp_min(LEAST_SCALE)


def energy_distance(x: Tensor, y: Tensor) -> float:
    """Energy distance of two samples, unbiased (Székely and Rizzo 2013, equation 2.4, as a U-statistic).

    2 E|X - Y| - E|X - X'| - E|Y - Y'|, each expectation the mean over pairs of **different** rows. Its expectation is
    0 if both samples are drawn from one distribution, and above 0 otherwise; a single value may be below 0. One row is
    a system that always answers this: a point, at distance 0 from its next answer.

    Args:
        x: (S, n), a system's samples of one song.
        y: (E, n), engineers' mixes of it, E at least 2.

    Raises:
        UserError: if E is less than 2, or a number is not finite.
    """
    _check(x, y)
    return float(2 * _between(x, y).mean() - spread(x) - spread(y))


def spread(x: Tensor) -> Tensor:
    """Mean distance between different rows of (S, n); 0 for one row."""
    count = len(x)
    return _between(x, x).sum() / max(count * (count - 1), 1)


def halves(count: int, splits: int = 100, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    """``splits`` random ways to split 0..count-1 into two halves (one is left out of an odd number).

    What engineers' halves give against each other is what a perfect system would give. Over **all** splits the energy
    distance has mean 0 exactly, as every pair is as often across as its share; a single split tells how far chance
    alone leads.
    """
    if count < 2:
        raise UserError(f"count: {count} cannot be split; give at least 2 engineers")
    source = torch.Generator().manual_seed(seed)
    orders = (torch.randperm(count, generator=source) for _ in range(splits))
    return [(order[: count // 2], order[count // 2 : 2 * (count // 2)]) for order in orders]


def kernel_width(points: Tensor) -> float:
    """Median distance between rows (n, d): the usual width of the Gaussian kernel (Gretton et al. 2012, section 8)."""
    return float(torch.pdist(points).median().clamp_min(1e-6))


def mmd(x: Tensor, y: Tensor, width: float) -> float:
    """Squared maximum mean discrepancy, unbiased (Gretton et al. 2012, equation 3), with a Gaussian kernel.

    Mean of k over pairs of different rows of x, plus that of y, less twice the mean across, where
    k(a, b) = exp(-|a - b|² / (2 width²)). Expectation 0 if both are drawn from one distribution, at most 2.

    Args:
        x, y: (m, d) and (n, d), at least 2 rows each: all mixes of all songs, whichever song they are of.
        width: of the kernel, above 0.
    """
    _check(x, y)
    if len(x) < 2:
        raise UserError("x: one row has no spread; give at least 2")
    sums = [gaussian(a, b, width) for a, b in ((x, x), (y, y), (x, y))]
    within = ((k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in sums[:2])
    return float(sum(within) - 2 * sums[2].mean())


def gaussian(x: Tensor, y: Tensor, width: float) -> Tensor:
    """Gaussian kernel of rows (m, d) and (n, d): (m, n), 1 for equal rows."""
    return torch.exp(-_between(x, y).square() / (2 * width**2))


def pan_distance(positions: ArrayLike, references: ArrayLike) -> float:
    """Wasserstein-1 distance of two sets of pan positions in -1..1 (SciPy): 0 for equal histograms, at most 2.

    How far, on average, a track would have to be moved to turn one histogram into the other.
    """
    return float(wasserstein_distance(np.ravel(positions), np.ravel(references)))


def sides_reached(positions: Tensor, references: Tensor) -> bool | None:
    """Whether samples take a song to both sides, as engineers do; None for a song that engineers do not.

    The judged track is the one that engineers place furthest out; both sides are left and right of 0.1.

    Args:
        positions: (S, K) of the system's samples, of the K tracks that may move.
        references: (E, K) of the engineers' mixes.
    """
    if references.shape[1] == 0:
        return None
    widest = int(references.abs().mean(0).argmax())
    reach = [bool(x[:, widest].min() < -CENTRE and x[:, widest].max() > CENTRE) for x in (references, positions)]
    return reach[1] if reach[0] else None


def centred(positions: Tensor, references: Tensor) -> tuple[int, int]:
    """How many track samples lie in the centre, within 0.1, and of how many.

    Of the tracks that every engineer places at least twice as far out. Arguments as :func:`sides_reached`.
    """
    wide = (references.abs() >= 2 * CENTRE).all(0)
    return int((positions[:, wide].abs() < CENTRE).sum()), int(wide.sum() * len(positions))


def gain_error(levels: Tensor, references: Tensor) -> float:
    """Mean absolute difference of tracks' levels in dB, what all tracks have in common taken out: over all pairs.

    Args:
        levels: (S, N) of the samples' wet tracks, dB.
        references: (E, N) of the engineers'.
    """
    difference = levels[:, None] - references
    return float((difference - difference.mean(-1, keepdim=True)).abs().mean())


def pairs(count: int) -> list[tuple[int, int]]:
    """Every two of 0..count-1."""
    return list(combinations(range(count), 2))


def correlation(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's correlation; 0 where one of them never changes, since it follows nothing then."""
    x, y = (np.asarray(values, dtype=np.float64) - np.mean(values) for values in (x, y))
    norm = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / norm) if norm > 1e-9 else 0.0


def _between(x: Tensor, y: Tensor) -> Tensor:
    """Distances of rows, (m, d) and (n, d) -> (m, n): 0 for equal rows, which the usual short cut misses."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _check(x: Tensor, y: Tensor) -> None:
    if len(y) < 2:
        raise UserError("y: one engineer has no spread; give at least 2 mixes")
    for name, points in (("x", x), ("y", y)):
        if not torch.isfinite(points).all():
            raise UserError(f"{name}: holds NaN or infinite numbers; look for where they arise")
