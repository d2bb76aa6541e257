"""Chapter 04: every numbered equation, and every quantitative sentence of its prose."""

import itertools
import math

import pytest
import torch
from torch import nn

from tfrgan_lite.attention import MultiHeadAttention
from tfrgan_lite.labels import ROLES
from tfrgan_lite.positional import TrackTimePosition, sinusoidal
from tfrgan_lite.transformer import FeedForward


@pytest.mark.parametrize("kind", ["full", "linear"])
def test_eq_04_equivariance(kind):
    torch.manual_seed(0)
    layers = [MultiHeadAttention(16, 4, kind), FeedForward(16), nn.LayerNorm(16), MultiHeadAttention(16, 4, kind)]

    def f(x):
        for layer in layers:
            x = x + layer(x)
        return x

    x, order = torch.randn(2, 9, 16), torch.randperm(9)
    torch.testing.assert_close(f(x[:, order]), f(x)[:, order])
    torch.testing.assert_close(f(x.flip(1)).mean(1), f(x).mean(1))
    placed = x + sinusoidal(9, 16)
    gap = f(x.flip(1) + sinusoidal(9, 16)).mean(1) - f(placed).mean(1)
    assert float(gap.detach().abs().max()) > 1e-2


def test_eq_04_sin():
    encoding = sinusoidal(50, 8)
    for pos, i in itertools.product((0, 1, 49), range(4)):
        assert float(encoding[pos, 2 * i]) == pytest.approx(math.sin(pos / 10000 ** (2 * i / 8)), abs=1e-6)
    assert sinusoidal(2, 4)[1, 0::2].tolist() == pytest.approx([0.8415, 0.0100], abs=1e-4)


def test_eq_04_cos():
    encoding = sinusoidal(50, 8)
    for pos, i in itertools.product((0, 1, 49), range(4)):
        assert float(encoding[pos, 2 * i + 1]) == pytest.approx(math.cos(pos / 10000 ** (2 * i / 8)), abs=1e-6)
    assert sinusoidal(2, 4)[1, 1::2].tolist() == pytest.approx([0.5403, 1.0000], abs=1e-4)


def test_eq_04_wavelength():
    """A clock is back after one wavelength: the angle per token times the wavelength is a full turn."""
    encoding = sinusoidal(2, 64).double()
    for i in range(32):
        angle = math.atan2(float(encoding[1, 2 * i]), float(encoding[1, 2 * i + 1]))
        assert angle * 2 * math.pi * 10000 ** (2 * i / 64) == pytest.approx(2 * math.pi, rel=1e-4)
    assert 2 * math.pi == pytest.approx(6.3, abs=0.02)


def test_eq_04_rotation():
    encoding = sinusoidal(300, 16)
    for pos, k, i in itertools.product((0, 5, 200), (1, 4, 64), range(8)):
        angle = k * 10000 ** (-2 * i / 16)
        turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        pair = slice(2 * i, 2 * i + 2)
        torch.testing.assert_close(turn @ encoding[pos, pair], encoding[pos + k, pair], rtol=0, atol=1e-5)


def test_eq_04_dot():
    encoding = sinusoidal(200, 64).double()
    for p, q in ((0, 0), (10, 14), (14, 10), (100, 104), (199, 3)):
        want = sum(math.cos((p - q) * 10000 ** (-2 * i / 64)) for i in range(32))
        assert float(encoding[p] @ encoding[q]) == pytest.approx(want, abs=1e-4)


def test_the_dot_product_is_symmetric_largest_at_zero_and_not_even():
    encoding = sinusoidal(200, 64).double()
    product = encoding[100] @ encoding[60:141].mT
    torch.testing.assert_close(product, product.flip(0), rtol=0, atol=1e-4)
    assert int(product.argmax()) == 40
    assert (product[40:].diff() > 0).any()  # on the way out it rises again in places


def test_length_of_a_sinusoid():
    torch.testing.assert_close(sinusoidal(100, 64).norm(dim=1), torch.full((100,), math.sqrt(64 / 2)))


@pytest.mark.parametrize("steps", [16, 17, 24, 64])
def test_eq_04_ceiling(steps):
    """The best answer for every pair of rows, by counting all pairs of places."""
    row = [min(place, 15) for place in range(steps)]
    pairs = list(itertools.permutations(range(steps), 2))  # (kick, snare)
    right = 0.0
    for rows in {(row[kick], row[snare]) for kick, snare in pairs}:
        answers = [kick < snare for kick, snare in pairs if (row[kick], row[snare]) == rows]
        right += max(sum(answers), len(answers) - sum(answers))
    assert right / len(pairs) == pytest.approx(1 - (steps - 15) * (steps - 16) / (steps * (steps - 1)) / 2)


def test_eq_04_tracktime():
    position = TrackTimePosition(8, max_tokens=3)
    nn.init.normal_(position.time.weight)
    tokens, roles = torch.zeros(2, 5, 8), torch.tensor([ROLES.index("bass"), ROLES.index("keys")])
    out = position(tokens, roles)
    for n, t in itertools.product(range(2), range(5)):
        want = position.role.weight[roles[n]] + position.time.weight[min(t, 2)] + sinusoidal(5, 8)[t]
        torch.testing.assert_close(out[n, t], want)


def test_role_starts_about_as_long_as_the_sinusoid():
    torch.manual_seed(0)
    position = TrackTimePosition(64, 32)
    assert float(position.role.weight.detach().norm(dim=1).mean()) == pytest.approx(math.sqrt(64 / 2), rel=0.5)
    assert float(position.time.weight.detach().abs().max()) == 0  # "the table starts at zero"


def test_the_exercise_of_the_clocks():
    tokens = 30 / 0.16
    turns = [2 * math.pi * 10000 ** (2 * i / 64) for i in range(32)]
    assert tokens == 187.5
    assert next(i for i, turn in enumerate(turns) if turn > tokens) == 12
    assert sum(turn > tokens for turn in turns) == 20
    assert 32 * math.log(187.5 / (2 * math.pi)) / math.log(10000) == pytest.approx(11.8, abs=0.05)


def test_the_wrong_axis_gives_every_step_of_a_song_one_vector():
    x = torch.zeros(5, 7, 32)  # (batch, steps, width)
    wrong, right = x + sinusoidal(x.shape[0], 32)[:, None], x + sinusoidal(x.shape[1], 32)
    assert wrong.shape == right.shape
    assert float(wrong.std(1).max()) == 0 and float(right.std(1).max()) > 0


def test_guessing_costs_ln_2():
    answers = torch.tensor([0.0, 1.0, 1.0])
    loss = nn.functional.binary_cross_entropy_with_logits(torch.zeros(3), answers)
    assert float(loss) == pytest.approx(math.log(2))
