"""What chapter 06 says, equation by equation and number by number."""

import ast
import math

import numpy as np
import pytest
import torch
from prose import cells
from scipy.stats import sem
from scipy.stats import t as student
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from tfrgan_lite import prepare
from tfrgan_lite.beta_vae import BetaVAE, BetaVAEModule, active_units, kl_to_standard_normal, reparameterise
from tfrgan_lite.codes import beta_vaes, shuffled
from tfrgan_lite.config import PRESETS
from tfrgan_lite.data import mixed_song
from tfrgan_lite.generator import Generator
from tfrgan_lite.labels import STYLES
from tfrgan_lite.mel import LogMel
from tfrgan_lite.metrics.disentanglement import dci, factor_vae, mig, sap, separation
from tfrgan_lite.seeds import over_seeds
from tfrgan_lite.studio import console, ears, song
from tfrgan_lite.transformer import FeedForwardBetaVAE


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def engineered():
    """Three songs, each with its engineer's mix."""
    return [(raw, mix) for raw, [mix] in (mixed_song(k, style, 3.0, 1) for k, style in enumerate(STYLES[:3]))]


@pytest.fixture(scope="module")
def chapter(notebooks):
    """The functions of chapter 06 and the numbers that they need, as it defines them, by name."""
    code = ast.parse("\n".join(cells(notebooks["06_beta_vae_disentanglement"], "code"))).body
    numbers = {"rate", "KNEE_DB", "DB", "NAMES", "(LOW, HIGH)", "small", "BINS", "snippet_samples"}
    wanted = [node for node in code if isinstance(node, ast.FunctionDef)]
    wanted += [node for node in code if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in numbers]
    names = {"torch": torch, "np": np, "math": math, "console": console, "LogMel": LogMel, "student": student}
    names |= {"ROOM": console.impulse_response(44100, decay_s=0.8, seed=0), "draw": generator(), "mig": mig}
    names |= {"kl_to_standard_normal": kl_to_standard_normal, "config": PRESETS["ci"]}
    exec(compile(ast.Module(wanted, []), "chapter 06", "exec"), names)
    return names


@pytest.fixture(scope="module")
def tracks(chapter, engineered):
    """Settings (tracks, 6), as the chapter reads them from the consoles."""
    return torch.cat(
        [chapter["settings"](mix, prepare.hear(raw.stems, raw.sample_rate, raw.roles)) for raw, mix in engineered]
    )


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


def test_claim_06_story():
    """Bayes' rule, at any x and z."""
    x, z = torch.randn(2, 100, generator=generator(), dtype=torch.float64)
    joint = Normal(0.0, 1.0).log_prob(z) + Normal(z, 1.0).log_prob(x)
    torch.testing.assert_close(joint, Normal(0.0, 2**0.5).log_prob(x) + Normal(x / 2, 0.5**0.5).log_prob(z))


def test_eq_06_reparameterise():
    mu, logvar, noise = torch.tensor([1.0, -2.0]), torch.tensor([0.0, math.log(9)]), torch.tensor([0.5, -1.0])
    torch.testing.assert_close(reparameterise(mu, logvar, noise), torch.tensor([1.5, -5.0]))


def test_eq_06_kl():
    mu, variance = torch.tensor([1.0, 0.0, 0.0, 2.0]), torch.tensor([1.0, 0.25, 1.0, 1.0])
    kl = kl_to_standard_normal(mu, variance.log())
    torch.testing.assert_close(kl, kl_divergence(Normal(mu, variance.sqrt()), Normal(0.0, 1.0)))


def test_claim_06_by_hand():
    mu, variance = torch.tensor([1.0, 0.0, 0.0, 2.0]), torch.tensor([1.0, 0.25, 1.0, 1.0])
    kl = kl_to_standard_normal(mu, variance.log())
    torch.testing.assert_close(kl, torch.tensor([0.5, 0.318, 0.0, 2.0]), atol=5e-4, rtol=0)
    assert -math.log(1 / 4) == pytest.approx(1.386, abs=5e-4)
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


@pytest.fixture(scope="module")
def cloud():
    """The variances (6,) of a Gaussian cloud's axes, the cloud (2000, 6), and a β-VAE that has learned it at β = 30."""
    axes = torch.tensor([400.0, 150, 60, 20, 4, 1])
    points = torch.randn(2000, 6, generator=generator()) * axes.sqrt()
    points -= points.mean(0)
    return axes, points, beta_vaes(points, (30.0,), (0,), 400, latent=5)


def test_eq_06_alive(cloud):
    """One axis: any encoder z = a x + noise s with the best linear decoder, tried on a grid; then trained models."""
    variance = 40.0
    a, s = torch.meshgrid(torch.linspace(0, 0.3, 301), torch.linspace(0.05, 1.2, 231), indexing="ij")
    for beta in (1.0, 10.0, 39.0, 41.0, 200.0):
        error = 0.5 * variance * s**2 / (a**2 * variance + s**2)
        kl = 0.5 * (a**2 * variance + s**2 - 2 * s.log() - 1)
        least = (error + beta * kl).min()
        expected = min(1.0, beta / variance)
        assert float(least) == pytest.approx(variance / 2 * expected - beta / 2 * math.log(expected), rel=0.01)
    axes, points, codes = cloud
    kl = kl_to_standard_normal(*codes.encode(points))[0].mean(0)
    assert int((kl > 0.05).sum()) == 3
    assert float(kl.sum()) == pytest.approx(float(0.5 * (axes[:3] / 30).log().sum()), rel=0.15)


def test_claim_06_shrunk(cloud):
    axes, points, codes = cloud
    back = codes.decode(codes.encode(points)[0])[0]
    share = (back * points).sum(0) / points.square().sum(0)  # the slope of what comes back on what was
    torch.testing.assert_close(share, (1 - 30 / axes).clamp(min=0), atol=0.1, rtol=0)  # after 400 steps


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


def test_claim_06_shapes():
    shapes = torch.cos(math.pi * torch.arange(1, 7)[:, None] * (torch.arange(120) + 0.5) / 120)
    torch.testing.assert_close(shapes @ shapes.T, 60 * torch.eye(6), atol=1e-3, rtol=0)
    assert (2 * torch.rand(100_000, generator=generator()) - 1).var() == pytest.approx(1 / 3, abs=0.01)
    # A factor of variance 1/3 times the root of size / 20: its shape adds size dB² up, over all features.
    assert 1 / 3 * (2500 / 20) * 60 == pytest.approx(2500)


@pytest.mark.parametrize("squeeze_db", [0.0, 6.0, 14.0])
def test_claim_06_squeeze(engineered, squeeze_db):
    """A tone's peak, and the make-up of the studio's engineers."""
    tone = 0.5 * torch.sin(torch.arange(44100) * 0.2)[None]
    threshold_db = 20 * math.log10(0.5) - 18
    ratio = torch.tensor(18 / (18 - squeeze_db))
    out = console.compress(tone, 44100, threshold_db, ratio, 5.0, 100.0, squeeze_db / 2)
    level_db = 20 * torch.log10(out[0, -4410:].abs().max() / 0.5)
    assert float(level_db) == pytest.approx(-squeeze_db / 2, abs=0.1)
    for raw, mix in engineered:
        peak_db = ears.listen(ears.by_width(raw.stems), raw.sample_rate).peak_db.numpy()
        names = ("threshold_db", "ratio", "makeup_db")
        threshold, ratio, makeup = (np.array([strip[name] for strip in mix.console]) for name in names)
        np.testing.assert_allclose(makeup, (peak_db - threshold) * (1 - 1 / ratio) / 2, rtol=1e-4)


def test_claim_06_tilt(tracks):
    assert float(torch.corrcoef(tracks[:, 2:4].T)[0, 1]) < -0.9


def test_claim_06_engineers(chapter, tracks):
    """Drawn with a little noise, knobs still go together; the snippet lasts 0.3 s."""
    drawn = chapter["drawn"](tracks, 2000)
    assert float((drawn.std(0) / tracks.std(0) - 1).abs().max()) < 0.1
    assert float((torch.corrcoef(drawn.T) - torch.corrcoef(tracks.T)).abs().max()) < 0.12
    assert chapter["snippet_samples"] / chapter["rate"] == pytest.approx(0.3)


def test_claim_06_design(chapter, tracks):
    drawn = chapter["drawn"](tracks, 2000)
    design = chapter["unlinked"](drawn)
    assert torch.equal(design.sort(0).values, drawn.sort(0).values)
    assert float((torch.corrcoef(design.T) - torch.eye(6)).abs().max()) < 0.1


def test_claim_06_features(chapter):
    """Left and right, three parts, 20 bands: 120 features, each of which a gain of 1 dB moves by 1."""
    sound = 0.1 * torch.randn(1, 2, 13230, generator=generator())
    heard = [chapter["spectrum"](x) for x in (sound, sound * 10 ** (1 / 20))]
    assert heard[0].shape == (1, 2 * 3 * 20)
    torch.testing.assert_close(heard[1] - heard[0], torch.ones(1, 120), atol=0.02, rtol=0)


def test_claim_06_one_db():
    model, x = BetaVAE(120), torch.randn(5, 120, generator=generator())
    model.decode = lambda z: x + torch.eye(120)[7]  # wrong by 1 dB in one feature
    assert float(model.loss(x)[1].detach()) == pytest.approx(0.5)


def test_claim_06_perfect():
    factors = torch.rand(800, 6, generator=generator()).numpy()
    judged = {}
    for name, code in (("perfect", factors), ("random", np.random.default_rng(1).normal(size=(800, 6)))):
        found = mig(code, factors, bins=10), sap(code, factors), dci(code, factors, trees=10).disentanglement
        judged[name] = *found, factor_vae(code, factors)
    assert judged["perfect"] == pytest.approx((1, 1, 1, 1), abs=0.08)
    assert max(judged["random"][:3]) < 0.1 and judged["random"][3] == pytest.approx(1 / 6, abs=0.08)


def test_claim_06_duplicates():
    factors = torch.rand(800, 6, generator=generator()).numpy()
    twice = np.concatenate([factors, factors], axis=1)
    assert max(mig(twice, factors, bins=10), sap(twice, factors)) < 0.01
    assert min(dci(twice, factors, trees=10).disentanglement, factor_vae(twice, factors)) > 0.9


def test_claim_06_active(chapter, monkeypatch):
    """Two units, whose means spread just so far that they say 0.06 and 0.04 nats."""

    class Codes:
        strengths, seeds = (1.0,), (0,)

        def encode(self, x):
            mu = torch.tensor([0.12, 0.08]).sqrt() * torch.ones(1, len(x), 2)
            return mu, torch.zeros_like(mu)

        def decode(self, z):
            return torch.zeros(1, z.shape[1], 3)

    monkeypatch.setitem(chapter, "scores", lambda codes, factors: (0.0,) * 4)
    row = chapter["judge"](Codes(), torch.ones(50, 3), torch.rand(50, 2, generator=generator()))[0, 0]
    assert row[1] == 1 and row[2] == pytest.approx(0.1, abs=1e-4)


def test_claim_06_interval():
    values = np.random.default_rng(0).normal(size=5)
    assert over_seeds(values)[1:] == pytest.approx(student.interval(0.95, 4, values.mean(), sem(values)))


def test_claim_06_collapse(chapter, tracks, monkeypatch):
    """No axis of the design's spectra has so much variance, and no unit of a model lives."""
    guitar = song(0, "rock", 2.0)
    sound = guitar.stems[guitar.roles.index("guitar"), :1]
    snippet = sound[:, 44100 : 44100 + chapter["snippet_samples"]] * 0.2 / sound.abs().max()
    monkeypatch.setitem(chapter, "snippet", snippet)
    x = chapter["played"](chapter["unlinked"](chapter["drawn"](tracks, 100)))
    x = x - x.mean(0)
    assert 300 < float(torch.linalg.eigvalsh(torch.cov(x.T))[-1]) < 30_000
    kl = kl_to_standard_normal(*beta_vaes(x, (300.0, 30_000.0), (0,), 200, latent=8).encode(x)).mean(1)
    assert active_units(kl[0, None], 0.05) > 0 and active_units(kl[1, None], 0.05) == 0


def test_claim_06_rotation():
    """A line reads the factors from a turned code just as well, and the axes are theirs no more."""
    factors = torch.rand(500, 4, generator=generator(), dtype=torch.float64).numpy()
    factors = (factors - factors.mean(0)) / factors.std(0)
    straight = sap(factors, factors), dci(factors, factors, trees=10).disentanglement
    for seed in range(3):
        turned = factors @ np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))[0]
        np.testing.assert_allclose(turned @ np.linalg.lstsq(turned, factors, rcond=None)[0], factors, atol=1e-9)
        assert sap(turned, factors) < straight[0] - 0.2
        assert dci(turned, factors, trees=10).disentanglement < straight[1] - 0.2


def test_claim_06_four_modules():
    generator = Generator.from_pretrained()
    layers = [*generator.encoder.layers, *generator.decoder.layers]
    assert len(layers) == 4 and all(isinstance(layer.tail.vae, BetaVAEModule) for layer in layers)


def test_claim_06_hair():
    """Why the chapter judges draws: means that move by a hair score well, draws of the same units do not."""
    factors = torch.rand(2000, 2, generator=generator())
    means = 1e-3 * factors
    draws = means + torch.randn(2000, 2, generator=generator(1))
    assert kl_to_standard_normal(means, torch.zeros_like(means)).max() < 1e-6  # nats: dead
    assert mig(means, factors, bins=10) > 0.9 and mig(draws, factors, bins=10) < 0.05


def test_claim_06_loud():
    """Whether a factor is coded depends on the size of its trace."""
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
