"""Checks of chapter 06: the solutions pass, typical mistakes are told what they are, nothing raises."""

import math

import pytest
import torch

from tfrgan_lite.lesson.checks_06 import check_06_alive, check_06_kl, check_06_nats


def solution(mu, sigma, prior_mu, prior_sigma):
    ratio = sigma / prior_sigma
    return 0.5 * (((mu - prior_mu) / prior_sigma) ** 2 + ratio**2 - 2 * ratio.log() - 1)


def test_solutions_pass():
    assert check_06_nats(2) and check_06_nats(torch.tensor(2.0))
    assert check_06_kl(solution)
    assert check_06_alive(4, 3.45) and check_06_alive(4, torch.tensor(3.45))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (None, "in place of None"),
        (4, "halved"),
        (2.5, "-1 in the bracket"),
        (1, "squared"),
        (2 / math.log(2), "bits"),
        (7, "Put mean 2"),
        ("two", "could not be tried"),
        ({}, "could not be tried"),
    ],
)
def test_wrong_numbers_are_told_why(answer, hint):
    verdict = check_06_nats(answer)
    assert not verdict and hint in verdict.says


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda m, s, pm, ps: None, "returns None"),
        (lambda m, s, pm, ps: 2 * solution(m, s, pm, ps), "halved"),
        (lambda m, s, pm, ps: -solution(m, s, pm, ps), "sign"),
        (lambda m, s, pm, ps: solution(pm, ps, m, s), "order matters"),
        (lambda m, s, pm, ps: solution(m, s.sqrt(), pm, ps.sqrt()), "standard deviation"),
        (lambda m, s, pm, ps: solution(m, s, 0 * pm, ps / ps), "N(0, 1) only"),
        (lambda m, s, pm, ps: solution(m, s, pm, ps) + 0.5, "constant"),
        (lambda m, s, pm, ps: solution(m, s, pm, ps).mean(), "shape ()"),
        (lambda m, s, pm, ps: m, "you say"),
        (lambda m, s: m, "could not be tried"),
        (2, "could not be tried"),
    ],
)
def test_wrong_functions_are_told_why(answer, hint):
    verdict = check_06_kl(answer)
    assert not verdict and hint in verdict.says


@pytest.mark.parametrize(
    ("units", "nats", "hint"),
    [
        (None, None, "in place of None"),
        (4, None, "in place of None"),
        (0, 0.0, "roots"),
        (6, 3.45, "above β"),
        (4, 6.91, "halved"),
        (4, 4.98, "bits"),
        (4, 10.26, "β = 1"),
        (4, 1.84, "A dead unit"),
        (4, 1.70, "first unit alone"),
        (4, 9.0, "Add log"),
        (4, "many", "could not be tried"),
    ],
)
def test_wrong_counts_of_living_units_are_told_why(units, nats, hint):
    verdict = check_06_alive(units, nats)
    assert not verdict and hint in verdict.says
