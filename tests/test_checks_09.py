"""The checks of chapter 09: the solutions pass, typical wrong answers get their hint, nonsense gets a verdict."""

import pytest
import torch

from tfrgan_lite.lesson.checks_09 import check_09_diversity, check_09_energy


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


@pytest.mark.parametrize("nonsense", ["x", 3, lambda: 1])
def test_nonsense_gets_a_verdict(nonsense):
    assert not check_09_energy(nonsense, nonsense, nonsense)
    assert not check_09_diversity(nonsense)
