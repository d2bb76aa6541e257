"""The checks of chapter 09's exercises."""

from collections.abc import Callable

import torch
from torch import Tensor

from .verdict import Verdict, check, right, wrong

# Measures of which less is not simply better: an engineer has neither the least nor the most.
_TARGETS = {"diversity", "width_sd", "covered", "style", "keys", "both_sides"}


@check
def check_09_energy(always_right: float | None, centre: float | None, thirds: float | None) -> Verdict:
    """Exercise 1: energy distances of three systems from engineers who pan to -0.6 or 0.6, as often."""
    if always_right is None or centre is None or thirds is None:
        return wrong("Give all three energy distances.")

    def near(x: float, value: float) -> bool:
        return abs(float(x) - value) < 0.005

    for name, value in (("always_right", always_right), ("centre", centre)):
        if near(value, 1.2):
            return wrong(f"{name}: 1.2 is the first term; the engineers' own spread, 0.6, must still come off.")
        if near(value, 0):
            return wrong(f"{name}: the first term counts twice: 2 times 0.6, less 0 and less 0.6.")
    if near(always_right, -0.6) or near(always_right, 0.0):
        return wrong("always_right: one answer has no spread of its own: E|X - X'| is 0.")
    if not near(always_right, 0.6):
        return wrong(
            f"always_right: not {always_right}; half of the engineers are 1.2 away, half are at 0.6 themselves."
        )
    if not near(centre, 0.6):
        return wrong(f"centre: not {centre}; every engineer is 0.6 away from the centre.")
    if near(thirds, -0.2):
        return wrong("thirds: X' is drawn anew and may be the same as X: one time in three it is.")
    if near(thirds, 0.6):
        return wrong("thirds: this system varies; its own spread comes off as well.")
    if float(thirds) < 0:
        return wrong("thirds: an energy distance of two distributions is never negative; only an estimate may be.")
    if not near(thirds, 1 / 15):
        return wrong(f"thirds: not {thirds}; E|X - X'| over nine pairs: three times 0, four times 0.6, twice 1.2.")
    return right("0.6, 0.6 and 0.067: always one side is as wrong as the centre, and a little noise is nearly right.")


@check
def check_09_diversity(diversity: Callable[[Tensor, Tensor], float]) -> Verdict:
    """Exercise 2: ``diversity(x, y)`` of samples (S, n) against engineers' mixes (E, n)."""
    source = torch.Generator().manual_seed(0)
    x, y = torch.randn(5, 3, generator=source), 2 * torch.randn(8, 3, generator=source)

    def spread(z: Tensor, pairs: int) -> float:
        return float((z[:, None] - z).square().sum(-1).sqrt().sum() / pairs)

    given, expected = float(diversity(x.clone(), y.clone())), spread(x, 20) / spread(y, 56)
    mistakes = {
        1 / expected: "The ratio is upside down: the system's spread over the engineers'.",
        spread(x, 25) / spread(y, 64): "A mix is not compared with itself: there are S (S - 1) pairs, not S².",
        spread(x, 1)
        / spread(y, 1): "These are sums over pairs; take means, since there are more engineers than takes.",
        float(x.std(0).mean() / y.std(0).mean()): "These are standard deviations; take distances between whole mixes.",
        spread(x, 20): "This is the system's spread; divide it by the engineers'.",
    }
    for mistake, hint in mistakes.items():
        if abs(given - mistake) < 1e-4 * abs(mistake):
            return wrong(hint)
    if abs(given - expected) > 1e-4:
        return wrong(f"For five takes and eight engineers you say {given:.3f}; mean over pairs of different rows.")
    if abs(float(diversity(x[:1].expand(4, -1), y))) > 1e-4:
        return wrong("Four equal takes have no diversity: the answer must be 0.")
    if not abs(float(diversity(x[:1], y))) < 1e-4:
        return wrong("One take has no pair: say 0, and mind the division by S - 1.")
    if abs(float(diversity(y, y)) - 1) > 1e-4:
        return wrong("Engineers against themselves must have a ratio of 1.")
    return right("1 for a system that varies as engineers do, 0 for one that always says the same.")


@check
def check_09_cheat(
    row: dict[str, tuple] | None, floor: dict[str, tuple] | None, fooled: str | None, caught: str | None
) -> Verdict:
    """Exercise 3: a machine's row of the table, that of another engineer, a measure that takes the machine for an
    engineer, and one that does not; each measure is value, low and high end of its interval.
    """
    if row is None or floor is None or fooled is None or caught is None:
        return wrong("Give four answers: row, floor, and the names of the measures fooled and caught.")
    for name, measure in (("fooled", fooled), ("caught", caught)):
        if measure not in row or measure not in floor:
            return wrong(
                f"{name}: {measure!r} is not in both rows; they share {', '.join(sorted(row.keys() & floor))}."
            )
    if all(tuple(row[measure]) == tuple(floor[measure]) for measure in row.keys() & floor.keys()):
        return wrong("row: both rows are the same; give results['systems'] of your machine's name.")
    if fooled == caught:
        return wrong("fooled, caught: one measure cannot do both.")

    def told(measure: str) -> str:
        (value, low, high), (_, *engineer) = row[measure], floor[measure]
        return f"{value:.2f} ({low:.2f} to {high:.2f}) against {engineer[0]:.2f} to {engineer[1]:.2f}"

    apart = {m: row[m][1] > floor[m][2] or row[m][2] < floor[m][1] for m in (fooled, caught)}
    nearer = {m: m not in _TARGETS and row[m][0] < floor[m][0] for m in (fooled, caught)}
    if apart[fooled] and not nearer[fooled]:
        return wrong(f"fooled: {told(fooled)}: {fooled} tells your machine from an engineer.")
    if not apart[caught]:
        return wrong(f"caught: {told(caught)}: the intervals overlap, so {caught} gives nobody away.")
    if nearer[caught]:
        return wrong(f"caught: {told(caught)}: it is nearer than an engineer. That is praise: {caught} is fooled.")
    return right(f"{fooled} is fooled, and {caught} is not: {told(caught)}.")
