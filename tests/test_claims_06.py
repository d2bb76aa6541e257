"""What chapter 06 says, equation by equation and number by number."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from tfrgan_lite.beta_vae import BetaVAE, kl_to_standard_normal, reparameterise
from tfrgan_lite.discriminator import mid_side
from tfrgan_lite.metrics.disentanglement import mig
from tfrgan_lite.studio import console
from tfrgan_lite.transformer import FeedForwardBetaVAE


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("x", [-2.0, 0.3, 1.0])
@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (0.5, 0.5), (-1.0, 3.0)])
def test_eq_06_elbo(x, mean, variance):
    """p(z) = N(0, 1), p(x | z) = N(z, 1): the ELBO, by draws, and the gap add up to the evidence."""
    q, evidence = Normal(mean, variance**0.5), Normal(0.0, 2**0.5).log_prob(torch.tensor(x))
    z = mean + variance**0.5 * torch.randn(400_000, generator=generator())
    elbo = Normal(z, 1.0).log_prob(torch.tensor(x)).mean() - kl_divergence(q, Normal(0.0, 1.0))
    gap = kl_divergence(q, Normal(x / 2, 0.5**0.5))
    assert gap >= 0
    torch.testing.assert_close(elbo + gap, evidence, atol=0.03, rtol=0)


def test_eq_06_reparameterise():
    mu, logvar, noise = torch.tensor([1.0, -2.0]), torch.tensor([0.0, math.log(9)]), torch.tensor([0.5, -1.0])
    torch.testing.assert_close(reparameterise(mu, logvar, noise), torch.tensor([1.5, -5.0]))


def test_eq_06_kl():
    mu, variance = torch.tensor([1.0, 0.0, 0.0, 2.0]), torch.tensor([1.0, 0.25, 1.0, 1.0])
    kl = kl_to_standard_normal(mu, variance.log())
    torch.testing.assert_close(kl, torch.tensor([0.5, 0.318, 0.0, 2.0]), atol=5e-4, rtol=0)
    torch.testing.assert_close(kl, kl_divergence(Normal(mu, variance.sqrt()), Normal(0.0, 1.0)))
    assert 2 / math.log(2) == pytest.approx(2.9, abs=0.05)  # the exercise's 2 nats, in bits


def test_eq_06_beta():
    model, x = BetaVAE(10, latent=3, hidden=8, beta=5.0), torch.randn(7, 10, generator=generator(1))
    total, _, _ = model.loss(x, generator())
    mu, logvar = model.encode(x)
    decoded = model.decode(mu + (0.5 * logvar).exp() * torch.randn(7, 3, generator=generator()))
    each = 0.5 * ((x - decoded) ** 2).sum(1) + 5 * (0.5 * (mu**2 + logvar.exp() - logvar - 1)).sum(1)
    torch.testing.assert_close(total, each.mean())
    # Half the squared error is the Gaussian's negative log-likelihood, up to a constant.
    likelihood = -Normal(decoded, 1.0).log_prob(x).sum(1) - 5 * math.log(2 * math.pi)
    torch.testing.assert_close(0.5 * ((x - decoded) ** 2).sum(1), likelihood, atol=1e-4, rtol=1e-4)


def test_eq_06_mig():
    """Two factors of two and four values: information and entropy counted by hand from the joint table."""
    a, b = (x.ravel() for x in np.meshgrid(np.arange(2), np.arange(4), indexing="ij"))
    a, b = np.tile(a, 10), np.tile(b, 10)
    codes = np.stack([b, a, b // 2], axis=1)
    # Of b (2 bits): unit 0 knows 2, unit 2 knows 1. Of a (1 bit): unit 1 knows 1, the others nothing.
    assert mig(codes, np.stack([a, b], axis=1)) == pytest.approx(((1 - 0) / 1 + (2 - 1) / 2) / 2)


def test_eq_06_module():
    torch.manual_seed(0)
    layer, h = FeedForwardBetaVAE(8, 3), torch.randn(4, 8, generator=generator(1))
    out, kl = layer(h, generator(2))
    middle = h + layer.ffn(layer.norm_ffn(h))
    mu, logvar = layer.vae.encode(layer.norm_vae(middle)).chunk(2, -1)
    z = mu + (0.5 * logvar).exp() * torch.randn(4, 3, generator=generator(2))
    torch.testing.assert_close(out, middle + layer.vae.decode(z))
    torch.testing.assert_close(kl, kl_to_standard_normal(mu, logvar))


def test_the_power_of_the_side_does_not_tell_left_from_right():
    sound = torch.randn(1, 500, generator=generator())
    sides = [mid_side(console.pan(sound, 44100, place)[:, None])[1] for place in (-0.6, 0.6)]
    torch.testing.assert_close(sides[0].square(), sides[1].square())


def test_the_orthogonal_shapes_have_nothing_in_common():
    shapes = torch.cos(math.pi * torch.arange(1, 6)[:, None] * (torch.arange(80) + 0.5) / 80)
    gram = shapes @ shapes.T
    torch.testing.assert_close(gram, 40 * torch.eye(5), atol=1e-3, rtol=0)


def test_a_dead_models_means_still_carry_what_its_draws_do_not():
    """Why the chapter judges draws: means that move by a hair score well, draws of the same units do not."""
    factors = torch.rand(2000, 2, generator=generator())
    means = 1e-3 * factors
    draws = means + torch.randn(2000, 2, generator=generator(1))
    assert kl_to_standard_normal(means, torch.zeros_like(means)).max() < 1e-6  # nats: dead
    assert mig(means, factors, bins=10) > 0.9 and mig(draws, factors, bins=10) < 0.05


def test_features_of_a_larger_scale_buy_a_unit():
    """The last exercise: whether a factor is coded depends on the size of its trace."""
    torch.manual_seed(0)
    factors = torch.randn(512, 2, generator=generator())
    heard = {}
    for size in (0.2, 3.0):
        x = factors @ torch.diag(torch.tensor([3.0, size])) @ torch.eye(2).repeat_interleave(2, 1)
        model, noise = BetaVAE(4, latent=3, hidden=16, beta=4.0), generator(1)
        optimiser = torch.optim.Adam(model.parameters(), 5e-3)
        for _ in range(250):
            optimiser.zero_grad()
            model.loss(x[torch.randint(512, (64,), generator=noise)], noise)[0].backward()
            optimiser.step()
        with torch.no_grad():
            reconstruction = model.eval()(x)[0]
        heard[size] = float((reconstruction - x)[:, 2:].var() / x[:, 2:].var())  # 1 if the factor is lost
    assert heard[0.2] > 0.9 and heard[3.0] < 0.4
