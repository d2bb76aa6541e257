"""How sure a number is that was measured with a few seeds: Student's t. Chapters 04, 06 and 07.

A training with another seed is another draw. Of few draws the spread is itself uncertain, which the t distribution
knows and the normal one does not (Student 1908).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from .errors import UserError


def mean_over_seeds(values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Mean of one number a seed, and half the width of its 95 % interval by Student's t.

    Args:
        values: (seeds, ...), numbers or a tensor without a gradient.

    Returns:
        Two arrays (...), which are floats where ``values`` is (seeds,). Half the width is infinite for a single seed.

    Raises:
        UserError: for no seeds.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 0 or not len(values):
        raise UserError("values: has no seeds; give one number a seed")
    if len(values) == 1:
        return values[0], np.full(values.shape[1:], np.inf)[()]
    return values.mean(0), student.ppf(0.975, len(values) - 1) * values.std(0, ddof=1) / len(values) ** 0.5


def over_seeds(values: ArrayLike) -> tuple[float, float, float]:
    """Mean of one number a seed (seeds,), and the ends of its 95 % interval, infinite for a single seed.

    Raises UserError for no seeds.
    """
    mean, half = mean_over_seeds(values)
    return float(mean), float(mean - half), float(mean + half)
