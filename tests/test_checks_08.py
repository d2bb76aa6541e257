"""The checks of chapter 08: the solution passes, typical wrong answers get their hint, nonsense gets a verdict."""

import pytest
import torch

from tfrgan_lite.generator import pan_gains
from tfrgan_lite.lesson.checks_08 import check_08_tokens, check_08_wet


def solution(S, R, gain_db, pan, send_db):
    fader, send = 10 ** (gain_db / 20), 10 ** (send_db / 20)
    return fader * (pan_gains(torch.tensor(pan))[:, None, None] * S + send * R)


def test_solutions_pass():
    assert check_08_tokens(33, 160)
    assert check_08_wet(solution)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [((32, 160), "before the first"), ((512, 160), "frames"), ((33, 165), "only the decoder"), ((33, 32), "all five")],
)
def test_wrong_tokens_get_their_hint(answer, hint):
    verdict = check_08_tokens(*answer)
    assert not verdict and hint in str(verdict)


@pytest.mark.parametrize(
    ("wet", "hint"),
    [
        (lambda S, R, g, p, s: S, "0 dB|-20 dB"),
        (lambda S, R, g, p, s: solution(S, R, 2 * g, p, s), "twice as far"),
        (lambda S, R, g, p, s: solution(S, R, g, -p, s), "mirrored"),
        (lambda S, R, g, p, s: solution(S + 10 ** (s / 20) * R, 0 * R, g, p, s), "through the pan pot"),
        (lambda S, R, g, p, s: solution(S, 0 * R, g, p, s) + 10 ** (s / 20) * R, "post-fader"),
        (lambda S, R, g, p, s: S[0], "shape"),
    ],
)
def test_wrong_channel_strips_get_their_hint(wet, hint):
    verdict = check_08_wet(wet)
    assert not verdict and any(part in str(verdict) for part in hint.split("|"))


@pytest.mark.parametrize("nonsense", [None, 3, "x", lambda: 1])
def test_nonsense_gets_a_verdict(nonsense):
    assert not check_08_wet(nonsense)
    assert not check_08_tokens(nonsense, nonsense)
