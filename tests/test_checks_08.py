"""The checks of chapter 08: the solution passes, and typical wrong answers get their hint."""

from math import e

import pytest
import torch

from tfrgan_lite.lesson.checks_08 import check_08_moved, check_08_sides, check_08_wet
from tfrgan_lite.sides import arrangements, exponents
from tfrgan_lite.studio.console import pan_gains


def solution(S, R, gain_db, pan, send_db):
    fader, send = 10 ** (gain_db / 20), 10 ** (send_db / 20)
    return fader * (pan_gains(torch.tensor(pan))[:, None, None] * S + send * R)


def apart(third):
    """P(tracks 1 and 2 apart) by the package, the third track coupled to both by ``third``."""
    J = torch.tensor([[[0, -1.0, third], [-1.0, 0, third], [third, third, 0]]])
    P = exponents(J, torch.ones(1, 3, dtype=bool))[0].softmax(0)
    return float(P[arrangements(3)[:, 1] < 0].sum())


def most_moved(before, after, gone, size=torch.abs):
    stay = [track for track in range(len(before)) if track != gone]
    row, setting = divmod(int(size(after - before[stay]).argmax()), before.shape[1])
    return stay[row], setting


def short(before, after, gone):
    """The place among those that stay."""
    track, setting = most_moved(before, after, gone)
    return track - (track > gone), setting


def askew(before, after, gone):
    """The last row left out, whoever has left."""
    return divmod(int((after - before[:-1]).abs().argmax()), before.shape[1])


def test_solutions_pass():
    assert check_08_sides(0.88, 0.66)
    assert check_08_sides(apart(0.0), apart(-1.0))
    assert check_08_wet(solution)
    assert check_08_moved(most_moved)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((None, 0.66), "both"),
        ((2.7, 0.66), "between 0 and 1"),
        ((e / (1 + e), 0.66), "by 2"),
        ((0.12, 0.66), "together"),
        ((0.44, 0.66), "either way"),
        ((0.7, 0.66), "all four"),
        ((0.88, 0.88), "the same as before"),
        ((0.88, 0.33), "one of them"),
        ((0.88, 0.5), "three pairs"),
    ],
)
def test_wrong_probabilities_get_their_hint(answer, hint):
    verdict = check_08_sides(*answer)
    assert not verdict and hint in str(verdict)


@pytest.mark.parametrize(
    ("wet", "hint"),
    [
        (lambda S, R, g, p, s: S, "-20 dB"),
        (lambda S, R, g, p, s: solution(S, R, 2 * g, p, s), "twice as far"),
        (lambda S, R, g, p, s: solution(S, R, g, -p, s), "mirrored"),
        (lambda S, R, g, p, s: solution(S + 10 ** (s / 20) * R, 0 * R, g, p, s), "through the pan pot"),
        (lambda S, R, g, p, s: solution(S, 0 * R, g, p, s) + 10 ** (s / 20) * R, "post-fader"),
        (lambda S, R, g, p, s: S[0], "shape"),
    ],
)
def test_wrong_channel_strips_get_their_hint(wet, hint):
    verdict = check_08_wet(wet)
    assert not verdict and hint in str(verdict)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (short, "count as before"),
        (lambda b, a, gone: most_moved(b, a, gone, size=torch.clone), "falls by more"),
        (lambda b, a, gone: most_moved(b, a, gone)[::-1], "exchanged"),
        (askew, "each row meets itself"),
        (lambda b, a, gone: (0, 0), "setting by setting"),
        (lambda b, a, gone: (1, 2, 3), "give track and setting"),
        (lambda b, a, gone: most_moved(b, a, gone)[0], "could not be tried"),
    ],
)
def test_wrong_moves_get_their_hint(answer, hint):
    verdict = check_08_moved(answer)
    assert not verdict and hint in str(verdict)
