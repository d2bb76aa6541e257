"""What chapter 07 says, equation by equation and number by number."""

import math

import pytest
import torch
from torch.distributions import Normal

from tfrgan_lite import losses
from tfrgan_lite.config import Preset
from tfrgan_lite.discriminator import build_discriminator, mid_side
from tfrgan_lite.mel import LogMel
from tfrgan_lite.studio import taste

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


def test_eq_07_hinge_optimal():
    logits = torch.linspace(-3, 3, 601)
    for data, made in ((0.7, 0.3), (0.2, 0.5), (0.1, 0.9)):
        cost = data * (1 - logits).clamp_min(0) + made * (1 + logits).clamp_min(0)
        assert logits[cost.argmin()] == pytest.approx(math.copysign(1, data - made), abs=1e-3)


def test_eq_07_cvae():
    """With a linear G and the true posterior the loss is -log p(y), less the constant; with any other it is more."""
    sigma, slope, y = 0.05, 0.8, 0.6
    posterior = Normal(slope * y / (slope**2 + sigma**2), sigma / math.sqrt(slope**2 + sigma**2))

    def loss(q: Normal) -> float:
        error = (y - slope * q.mean) ** 2 + (slope * q.stddev) ** 2  # its expectation over z
        kl = torch.distributions.kl_divergence(q, Normal(0.0, 1.0))
        return float(error / (2 * sigma**2) + kl)

    constant = math.log(sigma * math.sqrt(2 * math.pi))
    truth = -float(Normal(0.0, math.sqrt(slope**2 + sigma**2)).log_prob(torch.tensor(y)))
    assert loss(posterior) + constant == pytest.approx(truth, abs=1e-4)
    for other in (Normal(0.0, 1.0), Normal(0.7, 0.0625), Normal(0.75, 0.2)):
        assert loss(other) + constant > truth


def test_eq_07_bicycle():
    """The chapter's terms on linear maps: what is right there and back costs nothing, a collapsed G pays."""
    z, y = torch.randn(256, 1, generator=torch.Generator().manual_seed(0)), torch.linspace(-0.9, 0.9, 256)[:, None]
    a = 0.8

    def there_and_back(g, mu):
        return 10 * (y - g(mu(y))).abs().mean() + 0.5 * (z - mu(g(z))).abs().mean()

    assert there_and_back(lambda z: a * z, lambda x: x / a) < 1e-5
    collapsed = there_and_back(lambda z: 0 * z + a, lambda x: x / a)
    assert collapsed > 10 * (y - a).abs().mean()  # and the noise cannot be read back


def test_eq_07_swap():
    mix = torch.randn(2, 4410, generator=torch.Generator().manual_seed(0))
    x, swapped = (LogMel(44100)(mid_side(sound[:, None])[:, 0]) for sound in (mix, mix.flip(0)))
    torch.testing.assert_close(x, swapped)
    silent_side = LogMel(44100)(mid_side(mix[:1].expand(2, -1)[:, None])[:, 0])
    assert (silent_side[1] - x[1]).abs().max() > 1  # width does show


def style_densities() -> torch.Tensor:
    """Densities (5, X) of five styles on the grid."""
    return torch.stack([0.5 * bell(-2 + s, 0.4) + 0.5 * bell(s, 0.7) for s in range(5)])


def test_eq_07_conditional():
    """Style by style the ratio beats a D that does not know the style."""
    data, made = style_densities(), style_densities().roll(1, 0)
    best, blind = data / (data + made), data.mean(0) / (data.mean(0) + made.mean(0))
    with_label = sum(value(best[s].clamp(1e-12, 1 - 1e-12), data[s], made[s]) for s in range(5)) / 5
    without = sum(value(blind, data[s], made[s]) for s in range(5)) / 5
    assert without == pytest.approx(-math.log(4), abs=1e-4) and with_label > without + 0.1


def test_eq_07_mismatch():
    p = style_densities()
    wrong = (p.sum(0) - p) / 4
    best = (p / (p + wrong)).clamp(1e-12, 1 - 1e-12)
    top = sum(value(best[s], p[s], wrong[s]) for s in range(5))
    for seed in range(3):
        shift = 0.1 * torch.randn(best.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert sum(value((best + shift).clamp(1e-3, 1 - 1e-3)[s], p[s], wrong[s]) for s in range(5)) < top
    torch.testing.assert_close(p.mean(0), wrong.mean(0))  # without the label: one crowd, so 1/2 everywhere


def test_the_perceptron_is_deaf_to_order_within_16_frames_and_the_convolutions_are_not():
    x = torch.randn(1, 2, 64, 80, generator=torch.Generator().manual_seed(0))
    order = torch.cat([16 * i + torch.arange(16).flip(0) for i in range(4)])
    style, change = torch.zeros(1, dtype=torch.long), {}
    for kind in ("mlp", "spectral"):
        torch.manual_seed(0)
        d = build_discriminator(kind, 64, 80)
        change[kind] = float((d(x, style) - d(x[:, :, order], style)).detach().abs().max())
    assert change["mlp"] < 1e-6 and change["spectral"] > 1e-3
    assert 16 * 0.01 == pytest.approx(1 / 6, abs=0.01)  # frames of 10 ms: "a sixth of a second"


def test_a_patch_sees_37_frames_and_37_bands():
    x = torch.randn(1, 2, 200, 80, generator=torch.Generator().manual_seed(0)).requires_grad_()
    patch = build_discriminator("spectral", 200, 80)(x, torch.zeros(1, dtype=torch.long)).view(25, 10)[12, 5]
    seen = torch.autograd.grad(patch, x)[0][0].abs().sum(0) > 0
    assert (int(seen.any(1).sum()), int(seen.any(0).sum())) == (37, 37)


def test_a_style_shifts_the_odds_of_the_rooms_and_the_chapters_density_is_their_tastes():
    """What `settings` of the chapter assumes of the studio: windows of 5 dB, and 0.5 in the log of the decay."""
    for style in range(5):
        likes = [taste.draw(5 * i + style, style) for i in range(400)]
        wet, decay = ([getattr(one, name) for one in likes] for name in ("wet_db", "decay"))
        assert -2.5 <= min(wet) < -2.3 and 2.3 < max(wet) <= 2.5
        assert -0.25 <= math.log(min(decay)) < -0.23 and 0.23 < math.log(max(decay)) <= 0.25
        for kind, shares in taste.ROOM_SHARES.items():
            assert sum(one.kind == kind for one in likes) / 400 == pytest.approx(shares[style], abs=0.08)


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
