"""The checks of chapter 02: solutions pass, typical mistakes are named, nonsense gets a verdict."""

import pytest
import torch

from tfrgan_lite.lesson.checks_02 import check_02_by_hand, check_02_floor, check_02_own


def test_by_hand_accepts_the_solution():
    assert check_02_by_hand(weaker_db=-7.0, attack_ms=16, same_side=0.25)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((None, 16, 0.25), "all three"),
        ((float("nan"), 16, 0.25), "finite"),
        ((7, 16, 0.25), "sign"),
        ((-14, 16, 0.25), "square root"),
        ((-6.02, 16, 0.25), "both together"),
        ((-0.97, 16, 0.25), "stronger"),
        ((-3, 16, 0.25), "1 of 5"),
        ((-7, 1.6, 0.25), "squared already"),
        ((-7, 50.6, 0.25), "its square"),
        ((-7, 184, 0.25), "release"),
        ((-7, 10, 0.25), "divide 160"),
        ((-7, 16, 0.125), "on the right"),
        ((-7, 16, 0.5), "two coins"),
        ((-7, 16, 0.75), "agree with the first"),
        (("soft", 16, 0.25), "could not be tried"),
    ],
)
def test_by_hand_says_why_not(answer, hint):
    verdict = check_02_by_hand(*answer)
    assert not verdict and hint in verdict.says


def roots(power, axis=0):
    return (power / power.sum(axis, keepdim=True)).sqrt()


def test_floor_accepts_the_solution():
    assert check_02_floor(lambda power, db: roots(power).clamp_min(10 ** (db / 20)))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda power, db: torch.ones_like(power), "nothing is shared"),
        (lambda power, db: roots(power), "does nothing"),
        (lambda power, db: roots(power).square().clamp_min(10 ** (db / 20)), "square root of the share"),
        (lambda power, db: roots(power).square().clamp_min(10 ** (db / 20)).sqrt(), "root first"),
        (lambda power, db: roots(power).clamp_min(10 ** (db / 10)), "amplitude"),
        (lambda power, db: roots(power).clamp_max(10 ** (db / 20)), "least, not the most"),
        (lambda power, db: roots(power, 1).clamp_min(10 ** (db / 20)), "share each block"),
        (lambda power, db: roots(power) * torch.nan, "zero by zero"),
        (lambda power, db: 0.5 * roots(power), "below"),
        (lambda power, db: roots(power).clamp_min(0.9), "not the shares' roots"),
        (lambda power, db: power[0], "shape"),
        (lambda power, db: "open", "must return a tensor"),
        (None, "could not be tried"),
    ],
)
def test_floor_says_why_not(answer, hint):
    verdict = check_02_floor(answer)
    assert not verdict and hint in verdict.says, verdict


WITHOUT = [3.0, 3.4, 2.6, 3.9, 3.1, 2.9]


def changed(*by):
    return [before + step for before, step in zip(WITHOUT, by, strict=True)]


NEARER, UNSURE = changed(-0.2, -0.1, -0.3, -0.2, -0.1, -0.2), changed(-0.5, 0.4, -0.3, 0.6, -0.2, 0.1)


def test_own_accepts_what_the_songs_tell():
    assert check_02_own(WITHOUT, NEARER, "nearer")
    assert check_02_own(NEARER, WITHOUT, "farther")
    assert check_02_own(WITHOUT, UNSURE, "tie")


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((WITHOUT, None, "tie"), "Give the distances"),
        ((WITHOUT, NEARER[:5], "nearer"), "the same songs twice"),
        ((WITHOUT[:3], NEARER[:3], "nearer"), "five or more"),
        ((WITHOUT, [-0.2] * 6, "nearer"), "not their differences"),
        ((WITHOUT, list(WITHOUT), "tie"), "nobody had read"),
        ((WITHOUT, NEARER, "better"), "not 'better'"),
        ((WITHOUT, UNSURE, "farther"), "these songs cannot tell"),
        ((WITHOUT, NEARER, "tie"), "song by song"),
        ((WITHOUT, NEARER, "farther"), "a distance that falls is nearer"),
        ((3.0, 2.8, "nearer"), "could not be tried"),
    ],
)
def test_own_says_why_not(answer, hint):
    verdict = check_02_own(*answer)
    assert not verdict and hint in verdict.says, verdict
