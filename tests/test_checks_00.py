"""The checks of chapter 00: the solution passes, typical wrong answers get their hint, nonsense gets a verdict."""

import pytest

from tfrgan_lite.lesson.checks_00 import check_00_width, check_00_wire


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


@pytest.mark.parametrize("nonsense", ["x", [1], lambda: 1])
def test_nonsense_gets_a_verdict(nonsense):
    assert not check_00_wire(nonsense, nonsense, nonsense)
    assert not check_00_width(nonsense)
