"""The checks of chapter 01: solutions pass, typical mistakes are named, nonsense gets a verdict."""

import pytest
import torch

from tfrgan_lite.lesson.checks_01 import check_01_coin, check_01_levels, check_01_widen


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


def camp(mixes, pans, chosen=lambda pan: pan < 0):
    return mixes[torch.tensor([chosen(pan) for pan in pans])].mean(0)


def test_coin_accepts_the_solution():
    assert check_01_coin(camp)
    assert check_01_coin(lambda mixes, pans: sum(y for y, p in zip(mixes, pans, strict=True) if p < 0) / 2)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda mixes, pans: mixes.mean(0), "coin is still in it"),
        (lambda mixes, pans: camp(mixes, pans, lambda pan: pan > 0), "other camp"),
        (lambda mixes, pans: camp(mixes, pans, lambda pan: pan <= 0), "neither camp"),
        (lambda mixes, pans: camp(mixes, pans) * 2, "not its mean"),
        (lambda mixes, pans: camp(mixes, pans) * 2 / 5, "how many are in the camp"),
        (lambda mixes, pans: mixes[0], "one mix of the camp"),
        (lambda mixes, pans: mixes[torch.tensor(pans) < 0], "take their mean"),
        (lambda mixes, pans: mixes.mean((0, 1)), "shape (100,)"),
        (lambda mixes, pans: 0.5 * camp(mixes, pans), "the first and the third"),
        (lambda mixes, pans: None, "must return a tensor"),
        (lambda mixes, pans: mixes[pans < 0], "could not be tried"),
    ],
)
def test_coin_says_why_not(answer, hint):
    verdict = check_01_coin(answer)
    assert not verdict and hint in verdict.says, verdict
