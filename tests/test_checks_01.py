"""The checks of chapter 01: solutions pass, typical mistakes are named, nonsense gets a verdict."""

import pytest
import torch

from tfrgan_lite.lesson.checks_01 import check_01_levels, check_01_widen


def test_levels_accepts_the_solution():
    assert check_01_levels(three_db=-15.2, side_db=3.0, out_db=-17)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((None, 3, -17), "all three"),
        ((float("nan"), 3, -17), "finite"),
        ((-60, 3, -17), "multiplies"),
        ((-10.46, 3, -17), "powers add"),
        ((-17, 3, -17), "two tracks"),
        ((-24.8, 3, -17), "louder than each"),
        ((-19, 3, -17), "three times"),
        ((-15.23, 0, -17), "gain in the centre"),
        ((-15.23, 6.02, -17), "linear law"),
        ((-15.23, -3.01, -17), "0 in the centre"),
        ((-15.23, 1, -17), "p = 1"),
        ((-15.23, 3.01, -9), "upwards"),
        ((-15.23, 3.01, -2), "above the threshold"),
        ((-15.23, 3.01, -11), "is what stays"),
        ((-15.23, 3.01, -12), "a quarter"),
        (("loud", 3, -17), "could not be tried"),
    ],
)
def test_levels_says_why_not(answer, hint):
    verdict = check_01_levels(*answer)
    assert not verdict and hint in verdict.says


def widened(mix, side_db, middle_gain=1.0, power=20.0, scale=1.0):
    middle, side = scale * (mix[0] + mix[1]) / 2, scale * (mix[0] - mix[1]) / 2
    side = side * 10 ** (side_db / power)
    return torch.stack([middle_gain * middle + side, middle_gain * middle - side])


def test_widen_accepts_the_solution():
    assert check_01_widen(widened)


@pytest.mark.parametrize(
    ("widen", "hint"),
    [
        (lambda mix, db: mix, "as it went in"),
        (lambda mix, db: mix * 10 ** (db / 20), "whole mix"),
        (lambda mix, db: widened(mix * 10 ** (db / 20), -db), "turned the middle"),
        (lambda mix, db: widened(mix, db, power=10), "twice as far"),
        (lambda mix, db: widened(mix, db, scale=2), "a half is missing"),
        (lambda mix, db: widened(mix, db, scale=0.5), "without another half"),
        (lambda mix, db: widened(mix, db).flip(0), "exchanged"),
        (
            lambda mix, db: torch.stack([(mix[0] + mix[1]) / 2, 10 ** (db / 20) * (mix[0] - mix[1]) / 2]),
            "middle and side themselves",
        ),
        (lambda mix, db: mix + 0.1, "mono sum has changed"),
        (lambda mix, db: widened(mix, db + 1), "the side is not the old one"),
        (lambda mix, db: mix[0], "shape"),
        (lambda mix, db: "wide", "must return a tensor"),
        (None, "could not be tried"),
    ],
)
def test_widen_says_why_not(widen, hint):
    verdict = check_01_widen(widen)
    assert not verdict and hint in verdict.says
