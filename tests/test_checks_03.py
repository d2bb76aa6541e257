"""The checks of chapter 03: solutions pass, typical mistakes are named, nonsense gets a verdict."""

import math

import pytest
import torch

from tfrgan_lite.lesson.checks_03 import check_03_count, check_03_fader, check_03_rebuild
from tfrgan_lite.mel import LogMel


def test_count_accepts_the_solution():
    assert check_03_count(window=1200, frames=751, tokens=235)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((None, None, None), "all three"),
        ((1102, 751, 235), "44.1 kHz"),
        ((480, 751, 235), "the hop"),
        ((1000, 751, 235), "25 ms are asked for"),
        ((1200, 750, 235), "round up"),
        ((1200, 301, 235), "overlap"),
        ((1200, 752, 235), "T = ceil"),
        ((1200, 751, 234), "padded patches"),
        ((1200, 751, 47), "in time"),
        ((1200, 751, 751), "times ceil"),
        (("many", 751, 235), "could not be tried"),
    ],
)
def test_count_says_why_not(answer, hint):
    verdict = check_03_count(*answer)
    assert not verdict and hint in verdict.says


def solution(X, gain_db):
    power = (X.exp() - 1e-5).clamp_min(0)
    return torch.log(power * 10 ** (gain_db / 10) + 1e-5)


def test_fader_accepts_the_solution():
    assert check_03_fader(solution)


@pytest.mark.parametrize(
    ("fader", "hint"),
    [
        (lambda X, g: X, "does not change"),
        (lambda X, g: X + g, "decibels themselves"),
        (lambda X, g: X + g * math.log(10) / 20, "half as far"),
        (lambda X, g: X + g * math.log(10) / 10, "silence is ln"),
        (lambda X, g: X - g * math.log(10) / 10, "Loud bands move|loud bands move"),
        (lambda X, g: torch.log((X.exp() - 1e-5).clamp_min(0) * 10 ** (g / 10)), "put the floor back"),
        (lambda X, g: torch.log(X), "not finite"),
        (lambda X, g: X[:5], "shape"),
        (lambda X, g: "louder", "must return a tensor"),
        (None, "could not be tried"),
    ],
)
def test_fader_says_why_not(fader, hint):
    verdict = check_03_fader(fader)
    assert not verdict and any(part in verdict.says for part in hint.split("|"))


def rebuilt(x, log_mel, root=True, clamp=True, exp=True, undo=torch.linalg.pinv, phase=torch.angle):
    S, X = log_mel.stft(x), log_mel(x)
    power = (X.exp() - 1e-5 if exp else X).clamp_min(0) @ undo(log_mel.filters)
    power = power.clamp_min(0) if clamp else power
    return log_mel.stft.inverse(torch.polar(power.sqrt() if root else power, phase(S)), len(x))


def test_rebuild_accepts_the_solution():
    assert check_03_rebuild(rebuilt)


@pytest.mark.parametrize(
    ("rebuild", "hint"),
    [
        (lambda x, m: x, "x itself"),
        (lambda x, m: None, "as long as x"),
        (lambda x, m: rebuilt(x, m)[:-1], "as long as x"),
        (lambda x, m: rebuilt(x, m, clamp=False), "not finite"),
        (lambda x, m: rebuilt(x, m, root=False), "square root"),
        (lambda x, m: rebuilt(x, m, undo=lambda bank: bank.mT), "use M⁺"),
        (lambda x, m: rebuilt(x, m, exp=False), "a logarithm"),
        (lambda x, m: rebuilt(x, m, phase=lambda S: torch.zeros(S.shape)), "phase is zero"),
        (lambda x, m: 2 * rebuilt(x, m), "is another"),
        (lambda x, m: rebuilt(x, LogMel(44100, 80)), "With 20 bands"),
        (None, "could not be tried"),
    ],
)
def test_rebuild_says_why_not(rebuild, hint):
    verdict = check_03_rebuild(rebuild)
    assert not verdict and hint in verdict.says
