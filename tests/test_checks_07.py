"""Checks of chapter 07: the solutions pass, typical mistakes are told what they are, nothing raises."""

import math

import pytest
import torch

from tfrgan_lite.lesson.checks_07 import check_07_optimal_discriminator, check_07_parts, check_07_value


def solution(p_data, p_model):
    total = p_data + p_model
    return torch.where(total > 0, p_data / total.clamp_min(1e-30), 0.5)


def test_solutions_pass():
    assert check_07_value(-1.833)
    assert check_07_value(math.log(0.8) + math.log(0.2))
    assert check_07_optimal_discriminator(solution)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (None, "in place of None"),
        (2 * math.log(0.8), "log(1 - D)"),
        (1.833, "sign"),
        (-0.916, "not their mean"),
        (-0.796, "base 10"),
        (-2.644, "bits"),
        (1.0, "takes the logarithm"),
        (-0.223, "count as well"),
        (-7, "two terms"),
        ("much", "could not be tried"),
        ([1, 2], "could not be tried"),
    ],
)
def test_wrong_values_are_told_why(answer, hint):
    verdict = check_07_value(answer)
    assert not verdict
    assert hint in verdict.says


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda p, q: None, "returns None"),
        (lambda p, q: q / (p + q), "probability of a fake"),
        (lambda p, q: p / q, "above 1"),
        (lambda p, q: torch.full_like(p, 0.5), "only if both densities are equal"),
        (lambda p, q: p, "0.3 log D"),
        (lambda p, q: p / (p + q), "division by zero"),
        (lambda p, q: p.sum(), "shape ()"),
        (lambda p: p, "could not be tried"),
        (3, "could not be tried"),
    ],
)
def test_wrong_functions_are_told_why(answer, hint):
    verdict = check_07_optimal_discriminator(answer)
    assert not verdict and hint in verdict.says


WHOLE = [0.10, 0.12, 0.11, 0.10, 0.12]
WITHOUT = {
    "fool": [0.30, 0.33, 0.29, 0.31, 0.32],
    "there": [0.10, 0.14, 0.09, 0.12, 0.11],
    "kl": [0.05, 0.07, 0.06, 0.04, 0.07],
    "back": [0.11, 0.12, 0.13, 0.09, 0.12],
}


def test_parts_that_seeds_show_to_be_needed_are_right():
    assert "fool is needed" in str(check_07_parts(WHOLE, WITHOUT, ["fool"]))
    assert "no part is needed" in str(check_07_parts(WHOLE, WITHOUT | {"fool": WITHOUT["back"]}, []))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((WHOLE, None, ["fool"]), "three answers"),
        ((WHOLE, {"fool": WITHOUT["fool"]}, ["fool"]), "1 of four parts"),
        ((WHOLE, WITHOUT | {"kl": [0.3]}, ["fool"]), "the same seeds for all"),
        ((WHOLE, WITHOUT | {"kl": [-0.05] * 5}, ["fool"]), "not differences"),
        ((WHOLE, WITHOUT | {"back": WHOLE}, ["fool"]), "as if the part were still there"),
        ((WHOLE, WITHOUT, ["fool", "regression"]), "'regression' is no part"),
        ((WHOLE, WITHOUT, ["fool", "there"]), "0 lies within"),
        ((WHOLE, WITHOUT, ["fool", "kl"]), "it does harm"),
        ((WHOLE, WITHOUT, []), "fool is missing"),
        ((0.1, 0.2, "fool"), "could not be tried"),
    ],
)
def test_parts_that_seeds_do_not_show_are_told_why(answer, hint):
    verdict = check_07_parts(*answer)
    assert not verdict and hint in verdict.says, verdict
