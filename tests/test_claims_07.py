"""What chapter 07 says, equation by equation and number by number."""

import math

import pytest
import torch
from torch.distributions import Normal

from tfrgan_lite import losses
from tfrgan_lite.config import Preset

X = torch.linspace(-12, 12, 4801, dtype=torch.float64)
STEP = X[1] - X[0]


def bell(mean: float, width: float) -> torch.Tensor:
    mean, width = (torch.tensor(x, dtype=torch.float64) for x in (mean, width))
    return Normal(mean, width).log_prob(X).exp()


P_DATA, P_MODEL = 0.5 * bell(-1.5, 0.5) + 0.5 * bell(1.5, 0.5), bell(0.0, 1.5)


def integral(values: torch.Tensor) -> float:
    return float(values.sum() * STEP)


def value(d: torch.Tensor, p: torch.Tensor, q: torch.Tensor) -> float:
    """V(D, G) for densities p and q and a D given on the grid."""
    return integral(p * d.log() + q * (1 - d).log())


def jsd(p: torch.Tensor, q: torch.Tensor) -> float:
    m = (p + q) / 2
    return 0.5 * integral(p * (p / m).log()) + 0.5 * integral(q * (q / m).log())


def test_eq_07_regression():
    a = 0.8
    y = torch.tensor([-a, a])
    answers = torch.linspace(-1, 1, 201)
    squared = (answers[:, None] - y).square().mean(1)
    torch.testing.assert_close(squared, answers.square() + a**2)
    assert answers[squared.argmin()] == pytest.approx(0, abs=1e-6)
    between = answers.abs() <= a
    torch.testing.assert_close((answers[between, None] - y).abs().mean(1), torch.full((int(between.sum()),), a))


def test_eq_07_value():
    real, fake = torch.tensor([0.9, 0.6]).logit(), torch.tensor([0.2, 0.5]).logit()
    expected = (math.log(0.9) + math.log(0.6)) / 2 + (math.log(0.8) + math.log(0.5)) / 2
    assert -losses.discriminator_log_loss(real, fake).item() == pytest.approx(expected)


def test_eq_07_optimal_d():
    best = P_DATA / (P_DATA + P_MODEL)
    top = value(best.clamp(1e-12, 1 - 1e-12), P_DATA, P_MODEL)
    for seed in range(5):  # any other D does worse
        shift = 0.2 * torch.randn(len(X), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert value((best + shift).clamp(1e-3, 1 - 1e-3), P_DATA, P_MODEL) < top
    y = torch.linspace(0.001, 0.999, 999)
    assert y[(0.3 * y.log() + 0.1 * (1 - y).log()).argmax()] == pytest.approx(0.3 / 0.4, abs=1e-3)


def test_eq_07_jsd():
    best = (P_DATA / (P_DATA + P_MODEL)).clamp(1e-300, 1 - 1e-16)
    assert value(best, P_DATA, P_MODEL) == pytest.approx(-math.log(4) + 2 * jsd(P_DATA, P_MODEL), abs=1e-6)
    assert jsd(P_DATA, P_DATA) == pytest.approx(0, abs=1e-9)
    apart = jsd(bell(-6, 0.5) + 1e-300, bell(6, 0.5) + 1e-300)
    assert apart == pytest.approx(math.log(2), abs=1e-6)


def test_eq_07_equilibrium():
    half = torch.full_like(X, 0.5)
    assert value(half, P_DATA, P_DATA) == pytest.approx(-math.log(4), abs=1e-6)
    assert -math.log(4) == pytest.approx(-1.386, abs=5e-4)
    constant = torch.linspace(0.01, 0.99, 99)  # the best constant D on equal densities
    assert constant[(constant.log() + (1 - constant).log()).argmax()] == pytest.approx(0.5)
    assert math.exp(0.5) > 1  # log D = 0.5 is no probability


def test_eq_07_gradients():
    logit = torch.linspace(-5, 5, 11, requires_grad=True)
    d = logit.sigmoid()
    (saturating,) = torch.autograd.grad(torch.log(1 - d).sum(), logit, retain_graph=True)
    torch.testing.assert_close(saturating, -d)
    (other,) = torch.autograd.grad(-torch.log(d).sum(), logit)
    torch.testing.assert_close(other, -(1 - d))
    for loss, expected in (
        (losses.generator_minimax_loss, saturating),
        (losses.generator_non_saturating_loss, other),
    ):
        (gradient,) = torch.autograd.grad(loss(logit), logit)
        torch.testing.assert_close(gradient * len(logit), expected)


def test_eq_07_r1():
    x = torch.randn(16, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    logits = (x**3).sum(1, keepdim=True)
    expected = 0.5 * (3 * x.detach() ** 2).square().sum(1).mean()
    torch.testing.assert_close(losses.gradient_penalty(logits, x), expected)


def test_eq_07_hinge():
    real, fake = torch.tensor([2.0, 0.25, -1.0]), torch.tensor([-3.0, -0.5, 1.0])
    expected = (0 + 0.75 + 2) / 3 + (0 + 0.5 + 2) / 3
    assert losses.discriminator_hinge_loss(real, fake).item() == pytest.approx(expected)
    assert losses.generator_hinge_loss(fake).item() == pytest.approx(2.5 / 3)


def test_the_mixer_uses_hinge_by_default():
    assert Preset("any").adversarial == "hinge"


def test_the_credulous_discriminator_of_the_exercise():
    told = torch.full((5,), 0.8).logit()
    assert -losses.discriminator_log_loss(told, told).item() == pytest.approx(-1.833, abs=1e-3)
    assert (math.log(0.8), math.log(0.2)) == (pytest.approx(-0.223, abs=5e-4), pytest.approx(-1.609, abs=5e-4))


def test_a_generator_that_moves_too_often_collapses_and_a_balanced_one_does_not():
    """The chapter's two trainings, at the size of the ci preset."""
    spreads = {}
    for moves, r1 in ((1, 0.1), (10, 0.0)):
        torch.manual_seed(0)
        draw = torch.Generator().manual_seed(0)
        g, d = (torch.nn.Sequential(torch.nn.Linear(n, 64), torch.nn.LeakyReLU(0.2), torch.nn.Linear(64, 64),
                                    torch.nn.LeakyReLU(0.2), torch.nn.Linear(64, 1)) for n in (4, 1))  # fmt: skip
        g_step, d_step = (torch.optim.Adam(player.parameters(), 1e-3, betas=(0.5, 0.99)) for player in (g, d))
        for _ in range(150):
            side = torch.randint(0, 2, (128, 1), generator=draw) * 2.0 - 1
            real = (0.8 * side + 0.05 * torch.randn(128, 1, generator=draw)).requires_grad_()
            logits = d(real)
            loss = losses.discriminator_log_loss(logits, d(g(torch.randn(128, 4, generator=draw)).detach()))
            d_step.zero_grad()
            (loss + r1 * losses.gradient_penalty(logits, real)).backward()
            d_step.step()
            for _ in range(moves):
                g_step.zero_grad()
                losses.generator_non_saturating_loss(d(g(torch.randn(128, 4, generator=draw)))).backward()
                g_step.step()
        spreads[moves] = g(torch.randn(2000, 4, generator=draw)).std().item()
    assert spreads[1] > 0.6 and spreads[10] < 0.4
