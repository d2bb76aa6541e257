"""What chapter 06 says, equation by equation and number by number."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from tfrgan_lite.beta_vae import BetaVAE, kl_to_standard_normal, reparameterise
from tfrgan_lite.codes import beta_vaes, shuffled
from tfrgan_lite.data import mixed_song
from tfrgan_lite.metrics.disentanglement import mig, separation
from tfrgan_lite.studio import console, ears
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


def test_eq_06_alive():
    """One axis: any encoder z = a x + noise s with the best linear decoder, tried on a grid; then trained models."""
    variance = 40.0
    a, s = torch.meshgrid(torch.linspace(0, 0.3, 301), torch.linspace(0.05, 1.2, 231), indexing="ij")
    for beta in (1.0, 10.0, 39.0, 41.0, 200.0):
        error = 0.5 * variance * s**2 / (a**2 * variance + s**2)
        kl = 0.5 * (a**2 * variance + s**2 - 2 * s.log() - 1)
        least = (error + beta * kl).min()
        expected = min(1.0, beta / variance)
        assert float(least) == pytest.approx(variance / 2 * expected - beta / 2 * math.log(expected), rel=0.01)
    axes = torch.tensor([400.0, 150, 60, 20, 4, 1])
    cloud = torch.randn(2000, 6, generator=generator()) * axes.sqrt()
    codes = beta_vaes(cloud - cloud.mean(0), (30.0,), (0,), 400, latent=5)
    kl = kl_to_standard_normal(*codes.encode(cloud))[0].mean(0)
    assert int((kl > 0.05).sum()) == 3
    assert float(kl.sum()) == pytest.approx(sum(0.5 * math.log(axis / 30) for axis in (400, 150, 60)), rel=0.15)


def test_eq_06_dci():
    r = np.random.default_rng(0).uniform(size=(4, 3)) ** 2
    share = r / r.sum(1, keepdims=True)
    disentanglement = (r.sum(1) / r.sum() * (1 + (share * np.log(share) / np.log(3)).sum(1))).sum()
    assert separation(r)[0] == pytest.approx(disentanglement)


def test_eq_06_factor():
    """For two Gaussian units the ratio is known: E log D / (1 - D) with D = q / (q + q1 q2) is -log(1 - r²) / 2."""
    r, draws = 0.8, generator()
    z = torch.randn(200_000, 2, generator=draws) @ torch.linalg.cholesky(torch.tensor([[1.0, r], [r, 1.0]])).T
    joint = MultivariateNormal(torch.zeros(2), torch.tensor([[1.0, r], [r, 1.0]])).log_prob(z).exp()
    apart = Normal(0.0, 1.0).log_prob(z).sum(-1).exp()
    critic = joint / (joint + apart)
    estimate = (critic / (1 - critic)).log().mean()
    assert float(estimate) == pytest.approx(-0.5 * math.log(1 - r**2), abs=0.01)
    other = shuffled(z[None], torch.rand(1, *z.shape, generator=draws))[0]
    assert abs(float(torch.corrcoef(other.T)[0, 1])) < 0.01
    torch.testing.assert_close(other.std(0), z.std(0))


@pytest.mark.parametrize(("slope", "spread"), [(0.8, 0.2**0.5), (0.8, 1.0), (0.5, 0.2**0.5), (-0.5, 1.0)])
def test_eq_06_info(slope, spread):
    """c from N(0, 1), x = c + noise of variance 1/4: I(c; x) = log(5) / 2, reached by the posterior N(0.8 x, 0.2)."""
    c = torch.randn(200_000, generator=generator())
    x = c + 0.5 * torch.randn(200_000, generator=generator(1))
    bound = Normal(slope * x, spread).log_prob(c).mean() + Normal(0.0, 1.0).entropy()
    information = 0.5 * math.log(5)
    best = (slope, spread) == (0.8, 0.2**0.5)
    assert bound == pytest.approx(information, abs=0.01) if best else bound < information - 0.02


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


def test_the_orthogonal_shapes_have_nothing_in_common():
    shapes = torch.cos(math.pi * torch.arange(1, 7)[:, None] * (torch.arange(120) + 0.5) / 120)
    torch.testing.assert_close(shapes @ shapes.T, 60 * torch.eye(6), atol=1e-3, rtol=0)
    assert (2 * torch.rand(100_000, generator=generator()) - 1).var() == pytest.approx(1 / 3, abs=0.01)
    # A factor of variance 1/3 times the root of size / 20: its shape adds size dB² up, over all features.
    assert 1 / 3 * (2500 / 20) * 60 == pytest.approx(2500)


@pytest.mark.parametrize("squeeze_db", [0.0, 6.0, 14.0])
def test_the_squeeze_takes_the_peak_down_and_gives_half_back(squeeze_db):
    tone = 0.5 * torch.sin(torch.arange(44100) * 0.2)[None]
    threshold_db = 20 * math.log10(0.5) - 18
    ratio = torch.tensor(18 / (18 - squeeze_db))
    out = console.compress(tone, 44100, threshold_db, ratio, 5.0, 100.0, squeeze_db / 2)
    level_db = 20 * torch.log10(out[0, -4410:].abs().max() / 0.5)
    assert float(level_db) == pytest.approx(-squeeze_db / 2, abs=0.1)


def test_the_engineers_tilt_with_both_shelves_and_give_half_of_the_squeeze_back():
    strips, heard = [], []
    for seed, style in enumerate(("pop", "rock", "jazz")):
        raw, [mix] = mixed_song(seed, style, 3.0, 1)
        strips += mix.console
        heard += ears.listen(ears.by_width(raw.stems), raw.sample_rate).peak_db.tolist()
    names = ("low_shelf_db", "high_shelf_db", "threshold_db", "ratio", "makeup_db")
    low, high, threshold, ratio, makeup = (np.array([strip[name] for strip in strips]) for name in names)
    assert np.corrcoef(low, high)[0, 1] < -0.9
    np.testing.assert_allclose(makeup, (np.array(heard) - threshold) * (1 - 1 / ratio) / 2, rtol=1e-4)


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
