"""tfrgan_lite.beta_vae: the KL against torch and Monte Carlo, the posterior's samples, a model that learns."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from tfrgan_lite.beta_vae import BetaVAE, BetaVAEModule, active_units, kl_to_standard_normal, reparameterise


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def train(model: BetaVAE, x: torch.Tensor, steps: int = 300) -> None:
    optimiser, noise = torch.optim.Adam(model.parameters(), 3e-3), generator()
    for _ in range(steps):
        loss, _, _ = model.loss(x[torch.randint(len(x), (64,), generator=noise)], noise)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def two_factors(n: int = 512) -> torch.Tensor:
    """Vectors (n, 12) that two numbers explain, all but a little noise."""
    draw = generator(1)
    return torch.randn(n, 2, generator=draw) @ torch.randn(2, 12, generator=draw) + 0.1 * torch.randn(
        n, 12, generator=draw
    )


def test_kl_equals_torch_distributions():
    mu, logvar = torch.randn(5, 3, generator=generator(1)), torch.randn(5, 3, generator=generator(2))
    expected = kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_to_standard_normal(mu, logvar), expected)


def test_kl_by_hand():
    # N(1, 1): half of 1². N(0, e²): half of e² - 2 - 1. N(0, 1): nothing.
    kl = kl_to_standard_normal(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 2.0, 0.0]))
    torch.testing.assert_close(kl, torch.tensor([0.5, (torch.e**2 - 3) / 2, 0.0]))


def test_kl_equals_monte_carlo_on_samples_of_the_posterior():
    mu, logvar = torch.tensor([0.8, -0.3]), torch.tensor([-1.0, 0.5])
    z = reparameterise(mu, logvar, torch.randn(200_000, 2, generator=generator()))
    ratio = Normal(mu, (0.5 * logvar).exp()).log_prob(z) - Normal(0.0, 1.0).log_prob(z)
    torch.testing.assert_close(ratio.mean(0), kl_to_standard_normal(mu, logvar), atol=0.01, rtol=0)


def test_samples_have_the_posteriors_mean_and_variance_and_pass_gradients():
    mu, logvar = torch.tensor([2.0], requires_grad=True), torch.tensor([-1.0], requires_grad=True)
    z = reparameterise(mu, logvar, torch.randn(100_000, 1, generator=generator()))
    assert z.mean().item() == pytest.approx(2, abs=0.01)
    assert z.var().item() == pytest.approx(torch.tensor(-1.0).exp().item(), rel=0.02)
    z.square().mean().backward()  # E z² = μ² + σ²: d/dμ = 2 μ, d/dlogvar = σ²
    assert mu.grad.item() == pytest.approx(4, rel=0.02)
    assert logvar.grad.item() == pytest.approx(torch.tensor(-1.0).exp().item(), rel=0.05)


def test_active_units_counts_those_above_the_threshold():
    kl = torch.tensor([[0.0, 0.02, 3.0], [0.0, 0.0, 1.0]])
    assert active_units(kl) == 1  # the second's mean is 0.01, not above
    assert active_units(kl, threshold=0.009) == 2
    assert active_units(kl.expand(4, 2, 3), threshold=0.009) == 2


def test_module_samples_in_training_and_takes_the_mean_in_evaluation():
    module, x = BetaVAEModule(6, 3), torch.randn(2, 5, 6, generator=generator())
    one, kl = module(x, generator(1))
    assert one.shape == (2, 5, 6) and kl.shape == (2, 5, 3) and (kl >= 0).all()
    torch.testing.assert_close(module(x, generator(1))[0], one)
    assert not torch.equal(module(x, generator(2))[0], one)
    module.eval()
    y, _ = module(x)
    torch.testing.assert_close(module(x)[0], y)
    torch.testing.assert_close(y, module.decode(module.encode(x)[..., :3]))


def test_module_is_finite_for_extreme_features():
    module = BetaVAEModule(4, 2)
    y, kl = module(1e4 * torch.randn(3, 4, generator=generator()), generator())
    assert y.isfinite().all() and kl.isfinite().all()


def test_loss_is_half_the_squared_error_plus_beta_times_the_kl():
    model, x = BetaVAE(12, latent=2, hidden=16, beta=7.0), two_factors(32)
    total, error, kl = model.loss(x, generator())
    reconstruction, mu, logvar = model(x, generator())
    assert error.item() == pytest.approx(((reconstruction - x) ** 2).sum().item() / 2 / 32, rel=1e-5)
    assert kl.item() == pytest.approx(kl_to_standard_normal(mu, logvar).sum().item() / 32, rel=1e-5)
    assert total.item() == pytest.approx(error.item() + 7 * kl.item(), rel=1e-5)


def test_trained_for_a_second_it_beats_the_mean_and_finds_two_units():
    torch.manual_seed(0)
    x, model = two_factors(), BetaVAE(12, latent=5, hidden=32, beta=1.0)
    train(model, x)
    model.eval()
    reconstruction, mu, logvar = model(x)
    assert (reconstruction - x).square().mean() < 0.2 * (x.mean(0) - x).square().mean()
    assert active_units(kl_to_standard_normal(mu, logvar), 0.1) == 2


def test_a_huge_beta_kills_every_unit():
    torch.manual_seed(0)
    x, model = two_factors(), BetaVAE(12, latent=5, hidden=32, beta=1000.0)
    train(model, x)
    model.eval()
    reconstruction, mu, logvar = model(x)
    assert active_units(kl_to_standard_normal(mu, logvar)) == 0
    assert reconstruction.std(0).max() < 0.1 * x.std(0).max()  # it says the same whatever it hears
