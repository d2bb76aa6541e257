"""The checks of chapter 00: the solution passes, and typical wrong answers get their hint."""

import pytest

from tfrgan_lite.lesson.checks_00 import check_00_blind, check_00_width, check_00_wire


def parts(mix):
    left, right = mix
    return (left + right) / 2, (left - right) / 2


def solution(mix):
    m, s = parts(mix)
    energy = m.square().sum() + s.square().sum()
    return float(s.square().sum() / energy) if energy > 0 else 0.0


def of_amplitudes(mix):
    m, s = parts(mix)
    return s.abs().sum() / (m.abs().sum() + s.abs().sum())


def exchanged(mix):
    m, s = parts(mix)
    return m.square().sum() / (m.square().sum() + s.square().sum())


def over_the_middle(mix):
    m, s = parts(mix)
    return s.square().sum() / m.square().sum()


def without_silence(mix):
    m, s = parts(mix)
    return s.square().sum() / (m.square().sum() + s.square().sum())


def of_one_channel(mix):
    return mix[1].square().sum() / mix.square().sum()


def test_solutions_pass():
    assert check_00_wire(0.4, 0.2, 0.2)
    assert check_00_width(solution)
    assert check_00_blind(["raw", "generator", "rule"])


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((None, 0.2, 0.2), "all three"),
        ((0.8, 0.4, 0.4), "not the whole"),
        ((0.4, -0.2, 0.2), "left minus right"),
        ((0.4, 0.2, 0.4), "does change"),
        ((0.4, 0.2, -0.2), "now -0.2"),
        ((0.3, 0.2, 0.2), "add left and right"),
        ((0.4, 0.3, 0.2), "subtract"),
    ],
)
def test_wrong_numbers_get_their_hint(answer, hint):
    verdict = check_00_wire(*answer)
    assert not verdict and hint in str(verdict)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (of_amplitudes, "Amplitudes"),
        (exchanged, "exchanged"),
        (over_the_middle, "Divide by both"),
        (without_silence, "Silence"),
        (of_one_channel, "all is middle"),
        (lambda mix: 0.5, "all is middle"),
    ],
)
def test_wrong_widths_get_their_hint(answer, hint):
    verdict = check_00_width(answer)
    assert not verdict and hint in str(verdict)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (None, "for each song"),
        ("engineer", "not a single one"),
        (["a", "engineer", "d"], "a, d is a letter"),
        (["engineer", "Dugan", "raw"], "'Dugan' has mixed nothing"),
        (["engineer", "engineer"], "2 of 3 songs"),
    ],
)
def test_wrong_blind_tests_get_their_hint(answer, hint):
    verdict = check_00_blind(answer)
    assert not verdict and hint in str(verdict)


@pytest.mark.parametrize(
    ("best", "of_100"), [(["engineer"] * 3, 2), (["engineer", "engineer", "raw"], 16), (["rule"] * 3, 100)]
)
def test_a_blind_test_is_told_what_guessing_does(best, of_100):
    """By hand, with a chance of 1/4 for each song: 1/64, 1/64 + 9/64, and always."""
    assert f" {of_100} of 100 such tests" in str(check_00_blind(best))
