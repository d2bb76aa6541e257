"""How well single latent units stand for single factors: MIG, DCI, SAP and the FactorVAE score. Chapter 06.

Each function takes ``codes`` (n, latent) and ``factors`` (n, k), n observations of what the encoder said and of what
was true, as arrays or tensors of finite numbers, and gives numbers that are 1 for a perfect code and near 0
(FactorVAE score: near 1 / k) for a useless one. None depends on the order, the sign or the scale of the units.
Factors are numbers: a category without an order suits ``mig`` and ``factor_vae`` only.

All raise UserError for shapes that do not fit, fewer than 40 observations, numbers that are not finite, or a constant
factor.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import train_test_split

from ..errors import UserError

FEWEST = 40  # observations


class Dci(NamedTuple):
    """Disentanglement and completeness, each 0 to 1, and informativeness, R² on observations held out (at most 1)."""

    disentanglement: float
    completeness: float
    informativeness: float


def mig(codes: ArrayLike, factors: ArrayLike, bins: int = 20) -> float:
    """Mutual information gap (Chen et al. 2018, equation 6), 0 to 1.

    For each factor: the mutual information with the unit that knows most of it, less that with the second, over the
    factor's entropy; then the mean over factors. Mutual information is counted in ``bins`` bins of equally many
    observations (a column with at most ``bins`` different values keeps them), so it needs many more than bins²
    observations, or fewer bins.
    """
    codes, factors = _checked(codes, factors)
    codes, factors = (np.stack([_binned(column, bins) for column in x.T]) for x in (codes, factors))
    gaps = []
    for factor in factors:
        information = sorted(_information(factor, code) for code in codes)
        gaps.append(_gap(information) / _information(factor, factor))
    return float(np.mean(gaps))


def sap(codes: ArrayLike, factors: ArrayLike) -> float:
    """Separated attribute predictability (Kumar et al. 2018, section 3), 0 to 1.

    For each factor: R² of its linear regression on the best single unit, less that on the second best; then the mean
    over factors. This is the paper's score for continuous factors, used here for all.
    """
    codes, factors = _checked(codes, factors)
    codes, factors = (x - x.mean(0) for x in (codes, factors))
    both = np.outer((codes**2).sum(0), (factors**2).sum(0))
    # With one regressor R² is the squared correlation; a constant unit has none.
    r2 = np.divide((codes.T @ factors) ** 2, both, out=np.zeros_like(both), where=both > 0)
    return float(np.mean([_gap(sorted(column)) for column in r2.T]))


def dci(codes: ArrayLike, factors: ArrayLike, seed: int = 0, trees: int = 40) -> Dci:
    """Disentanglement, completeness, informativeness (Eastwood and Williams 2018, section 2).

    A random forest predicts each factor from all units; disentanglement and completeness are what
    :func:`separation` makes of its importances. Informativeness is the forest's R² on a quarter of the observations
    held out, the mean over factors (the paper gives an error in its place). ``seed`` fixes forest and split; ``trees``
    is the size of a forest, which takes as much longer as it is larger.
    """
    codes, factors = _checked(codes, factors)
    train_x, test_x, train_y, test_y = train_test_split(codes, factors, test_size=0.25, random_state=seed)
    importances, scores = [], []
    for target, truth in zip(train_y.T, test_y.T, strict=True):
        forest = RandomForestRegressor(trees, min_samples_leaf=2, random_state=seed).fit(train_x, target)
        importances.append(forest.feature_importances_)
        scores.append(forest.score(test_x, truth))
    return Dci(*separation(np.stack(importances, axis=1)), float(np.mean(scores)))


def separation(importances: ArrayLike) -> tuple[float, float]:
    """Disentanglement and completeness, each 0 to 1, of a matrix (latent, k): how much each unit counts for each
    factor (Eastwood and Williams 2018, section 2).

    Disentanglement is 1 less the entropy, to base k, of each unit's share in the factors, weighted by the unit's
    share in the matrix; completeness is 1 less the entropy, to base latent, of each factor's share in the units, the
    mean over factors, where a factor that no unit counts for has 0. With one factor or one unit the entropy has no
    base, and the score is 1. Of a matrix of zeros both are 0.

    Raises UserError for a matrix of another shape, or with numbers that are negative or not finite.
    """
    r = np.asarray(importances, dtype=np.float64)
    if r.ndim != 2 or not r.size or not np.isfinite(r).all() or (r < 0).any():
        raise UserError(f"importances: have shape {r.shape}; give (units, factors) of finite numbers, none below 0")
    if r.sum() == 0:
        return 0.0, 0.0
    return float(np.average(_purity(r), weights=r.sum(1))), float(_purity(r.T).mean())


def factor_vae(codes: ArrayLike, factors: ArrayLike, votes: int = 400, share: float = 0.05, seed: int = 0) -> float:
    """The FactorVAE score (Kim and Mnih 2018, section 4): accuracy from 1 / k by chance to 1.

    In the paper each vote draws a batch of new data with one factor **fixed**; the unit whose variance in the batch,
    over its variance in all data, is least votes for that factor; a majority vote names the factor from the unit.
    Here nothing new can be drawn: the batch is the ``share`` of the given observations (at least 8) whose value of
    the factor is nearest to that of a random observation. So a continuous factor is not fixed but confined, to about
    ``share`` of its distribution, and factors that go together in the data stay together in the batch. Constant units
    never vote.

    ``votes`` train the majority vote and as many others, drawn like them, measure its accuracy; ``seed`` draws both.
    """
    codes, factors = _checked(codes, factors)
    codes = codes[:, codes.std(0) > 0]
    (n, latent), k = codes.shape, factors.shape[1]
    if latent == 0:
        return 1 / k
    rng = np.random.default_rng(seed)
    scaled, size = codes / codes.std(0), max(8, round(share * n))
    tallies = np.zeros((2, latent, k))  # of training and of test: how often which unit voted for which factor
    for tally in tallies:
        for vote in range(votes):
            j = vote % k
            distance = np.abs(factors[:, j] - factors[rng.integers(n), j])
            batch = np.lexsort((rng.random(n), distance))[:size]  # nearest first, ties by lot
            tally[scaled[batch].var(0).argmin(), j] += 1
    training, test = tallies
    return float(test[np.arange(latent), training.argmax(1)].sum() / votes)


def _checked(codes: ArrayLike, factors: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 (n, columns)."""
    codes, factors = np.asarray(codes, dtype=np.float64), np.asarray(factors, dtype=np.float64)
    for name, x in (("codes", codes), ("factors", factors)):
        if x.ndim != 2 or x.shape[1] == 0:
            raise UserError(f"{name}: have shape {x.shape}; give (observations, columns)")
        if not np.isfinite(x).all():
            raise UserError(f"{name}: hold NaN or infinite numbers; look for a training that diverged")
    if len(codes) != len(factors):
        raise UserError(
            f"codes: have {len(codes)} observations and factors {len(factors)}; give both for the same ones"
        )
    if len(codes) < FEWEST:
        raise UserError(f"codes: {len(codes)} observations are too few to judge; give at least {FEWEST}")
    if (np.ptp(factors, axis=0) == 0).any():
        column = int((np.ptp(factors, axis=0) == 0).argmax())
        raise UserError(f"factors: column {column} is constant; leave it out, or let it vary")
    return codes, factors


def _binned(column: np.ndarray, bins: int) -> np.ndarray:
    """Bin numbers: different values where there are few, else bins of equally many observations."""
    values, number = np.unique(column, return_inverse=True)
    if len(values) <= bins:
        return number
    edges = np.quantile(column, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, column, side="right")


def _information(a: np.ndarray, b: np.ndarray) -> float:
    """Mutual information of two columns of bin numbers, in nats."""
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1 / len(a))
    apart, seen = np.outer(joint.sum(1), joint.sum(0)), joint > 0
    return float((joint[seen] * np.log(joint[seen] / apart[seen])).sum())


def _gap(ascending: list[float]) -> float:
    """The best less the second best; a second unit that is not there knows nothing."""
    return ascending[-1] - (ascending[-2] if len(ascending) > 1 else 0.0)


def _purity(r: np.ndarray) -> np.ndarray:
    """1 less the entropy of each row's shares, to the base of their number: 1 where one entry has all, 0 where none has
    anything."""
    if r.shape[1] == 1:
        return np.ones(len(r))
    p = r / np.maximum(r.sum(1, keepdims=True), 1e-12)
    logs = np.log(p, where=p > 0, out=np.zeros_like(p))
    return np.where(r.sum(1) > 0, 1 + (p * logs).sum(1) / np.log(r.shape[1]), 0.0)
