"""The checks of chapter 09: the solutions pass, and typical wrong answers get their hint."""

import pytest
import torch

from tfrgan_lite.lesson.checks_09 import check_09_cheat, check_09_diversity, check_09_energy


def spread(z, count=None):
    return torch.cdist(z, z).sum() / (count or max(len(z) * (len(z) - 1), 1))


def solution(x, y):
    return spread(x) / spread(y)


def test_solutions_pass():
    assert check_09_energy(0.6, 0.6, 1.2 - 8 / 15 - 0.6)
    assert check_09_diversity(solution)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((None, 0.6, 0.1), "all three"),
        ((1.2, 0.6, 0.0667), "own spread"),
        ((0.6, 0.0, 0.0667), "counts twice"),
        ((-0.6, 0.6, 0.0667), "no spread of its own"),
        ((0.3, 0.6, 0.0667), "half of the engineers"),
        ((0.6, 0.3, 0.0667), "centre: not 0.3"),
        ((0.6, 0.6, -0.2), "drawn anew"),
        ((0.6, 0.6, 0.6), "own spread"),
        ((0.6, 0.6, -1), "never negative"),
        ((0.6, 0.6, 0.3), "nine pairs"),
    ],
)
def test_wrong_distances_get_their_hint(answer, hint):
    verdict = check_09_energy(*answer)
    assert not verdict and hint in str(verdict)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x, y: spread(y) / spread(x), "upside down"),
        (lambda x, y: spread(x, len(x) ** 2) / spread(y, len(y) ** 2), "not S²"),
        (lambda x, y: spread(x, 1) / spread(y, 1), "sums over pairs"),
        (lambda x, y: x.std(0).mean() / y.std(0).mean(), "standard deviations"),
        (lambda x, y: spread(x), "divide it"),
        (lambda x, y: 0.123, "you say 0.123"),
        (lambda x, y: torch.cdist(x, x).sum() / (len(x) * (len(x) - 1)) / spread(y), "One take"),
        (lambda x, y: solution(x, y) if len(x) == 5 or len(x) == 8 else 1.0, "Four equal takes"),
        (lambda x, y: solution(x, y) if len(x) < 8 else 2.0, "must have a ratio of 1"),
    ],
)
def test_wrong_ratios_get_their_hint(answer, hint):
    verdict = check_09_diversity(answer)
    assert not verdict and hint in str(verdict)


FLOOR = {
    "matched_db": (2.0, 1.8, 2.2),
    "energy": (0.1, -0.2, 0.4),
    "diversity": (1.0, 0.9, 1.1),
    "pan": (0.2, 0.1, 0.3),
}
AVERAGER = {
    "matched_db": (1.5, 1.4, 1.6),
    "energy": (4.0, 3.0, 5.0),
    "diversity": (0.0, 0.0, 0.0),
    "pan": (0.3, 0.2, 0.4),
}


def test_a_cheat_is_found_out_by_one_measure_and_not_by_another():
    assert check_09_cheat(AVERAGER, FLOOR, "matched_db", "energy")
    assert check_09_cheat(AVERAGER, FLOOR, "pan", "diversity")


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((AVERAGER, None, "pan", "energy"), "four answers"),
        ((AVERAGER, FLOOR, "width", "energy"), "fooled: 'width' is not in both"),
        ((FLOOR, FLOOR, "pan", "energy"), "both rows are the same"),
        ((AVERAGER, FLOOR, "energy", "energy"), "cannot do both"),
        ((AVERAGER, FLOOR, "diversity", "energy"), "tells your machine from an engineer"),
        ((AVERAGER, FLOOR, "matched_db", "pan"), "gives nobody away"),
        ((AVERAGER, FLOOR, "pan", "matched_db"), "That is praise"),
        ((1.5, 2.0, "pan", "energy"), "could not be tried"),
    ],
)
def test_wrong_verdicts_on_a_cheat_get_their_hint(answer, hint):
    verdict = check_09_cheat(*answer)
    assert not verdict and hint in str(verdict), verdict
