"""Checks of chapter 05: the solutions pass, typical mistakes are told what they are, nothing raises."""

import pytest
import torch

from tfrgan_lite.lesson.checks_05 import check_05_attend, check_05_induction, check_05_row


def solution(q, k, v, allowed):
    scores = q @ k.mT / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
    return weights.masked_fill(~allowed.any(-1, keepdim=True), 0.0) @ v


def scores_of(q, k):
    return q @ k.mT / q.shape[-1] ** 0.5


def spoil(q, k, v, allowed):
    result = solution(q, k, v, allowed)
    q.zero_()
    return result


def test_solutions_pass():
    assert check_05_row(0.881, 0.119, 0)
    assert check_05_row(0.88, 0.12, 0.0)
    assert check_05_attend(solution)
    assert check_05_attend(lambda q, k, v, a: scores_of(q, k).masked_fill(~a, -torch.inf).softmax(-1).nan_to_num() @ v)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((None, 0.1, 0.2), "in place of None"),
        ((0.665, 0.09, 0.245), "The mask is missing"),
        ((0.665, 0.09, 0), "before the softmax"),
        ((0.787, 0.107, 0.107), "not 0"),
        ((0.982, 0.018, 0), "root of d_k"),
        ((0.119, 0.881, 0), "not the bass's"),
        ((0.5, 0.4, 0.3), "yours to 1.20"),
        ((0.5, 0.5, 0), "Scores 4 and 0"),
        (("a", "b", "c"), "could not be tried"),
    ],
)
def test_wrong_numbers_are_told_why(answer, hint):
    verdict = check_05_row(*answer)
    assert not verdict and hint in verdict.says


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda q, k, v, a: None, "returns None"),
        (lambda q, k, v, a: v, "is (5, 3)"),
        (lambda q, k, v, a: solution(3 * q, k, v, a), "not divided"),
        (lambda q, k, v, a: solution(q, k, v, torch.ones_like(a)), "Nothing is masked"),
        (lambda q, k, v, a: solution(q, k, v, ~a), "turned"),
        (lambda q, k, v, a: scores_of(q, k).softmax(-1) * a @ v, "do not sum to 1"),
        (lambda q, k, v, a: (scores_of(q, k) * a).softmax(-1) @ v, "minus infinity"),
        (lambda q, k, v, a: scores_of(q, k).masked_fill(~a, -torch.inf).softmax(0) @ v, "last axis"),
        (lambda q, k, v, a: scores_of(q, k).masked_fill(~a, -torch.inf).softmax(-1) @ v, "NaN"),
        (lambda q, k, v, a: solution(q, k, v, a | ~a.any(-1, keepdim=True)), "must receive zeros"),
        (lambda q, k, v, a: solution(q, k, 2 * v, a), "should be"),
        (spoil, "changes what it is given"),
        (lambda q, k, v: v, "could not be tried"),
        (3, "could not be tried"),
    ],
)
def test_wrong_functions_are_told_why(answer, hint):
    verdict = check_05_attend(answer)
    assert not verdict and hint in verdict.says


def look(steps, choose=max, ahead=1):
    before = [[j for j in range(t) if steps[j] == step] for t, step in enumerate(steps)]
    return [choose(places) + ahead if places else -1 for places in before]


def test_a_place_to_look_at_is_right_in_any_form():
    assert check_05_induction(look)
    assert check_05_induction(lambda steps: torch.tensor(look(steps)))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda steps: None, "returns None"),
        (lambda steps: look(steps)[1:], "6 places for 7 steps"),
        (lambda steps: look(steps, ahead=0), "where the step was played"),
        (lambda steps: look(steps, ahead=-1), "what came before it"),
        (lambda steps: look(steps, min), "the first time"),
        (lambda steps: [t + 1 for t in range(len(steps))], "not an earlier time of itself"),
        (lambda steps: [place + 2 for place in look(steps)], "in the future"),
        (lambda steps: [max(place, 0) for place in look(steps)], "was not played before"),
        (lambda steps: [-1 for step in steps], "it should be [-1, -1, -1, 1, 2, -1, 4]"),
        (lambda steps: [None for step in steps], "could not be tried"),
    ],
)
def test_wrong_places_are_told_why(answer, hint):
    verdict = check_05_induction(answer)
    assert not verdict and hint in verdict.says, verdict
