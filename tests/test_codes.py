"""tfrgan_lite.codes: each of many models is the one that it would be alone, and each loss does what it is for."""

import pytest
import torch

from tfrgan_lite.beta_vae import BetaVAE
from tfrgan_lite.codes import BATCH, HIDDEN, VAE_RATE, beta_vaes, factor_vaes, info_gans, shuffled
from tfrgan_lite.errors import UserError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def data() -> torch.Tensor:
    """Two factors that go together, in six features; standard deviation 1, mean 0."""
    factors = torch.randn(400, 2, generator=generator()) @ torch.tensor([[1.0, 0.8], [0.0, 0.6]])
    x = factors @ torch.randn(2, 6, generator=generator(1)) + 0.05 * torch.randn(400, 6, generator=generator(2))
    x = x - x.mean(0)
    return x / x.std()


def correlation(z: torch.Tensor) -> float:
    """Total correlation of a Gaussian with the correlations of z (n, latent), in nats."""
    return float(-0.5 * torch.logdet(torch.corrcoef(z.T) + 1e-4 * torch.eye(z.shape[1])))


def test_one_of_many_is_the_beta_vae_that_a_plain_loop_trains(data):
    many = beta_vaes(data, (1.0, 4.0), (3, 5), steps=12, latent=3)
    torch.manual_seed(5)
    model, draw = BetaVAE(6, 3, HIDDEN, beta=4.0), generator(5)
    optimiser = torch.optim.Adam(model.parameters(), VAE_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 12)
    for _ in range(12):
        optimiser.zero_grad()
        model.loss(data[torch.randint(len(data), (BATCH,), generator=draw)], draw)[0].backward()
        optimiser.step()
        schedule.step()
    place = many.place(4.0, 5)
    mu, logvar = many.encode(data)
    assert place == 3 and mu.shape == (4, 400, 3)
    expected = model.encode(data)
    torch.testing.assert_close((mu[place], logvar[place]), expected, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(many.decode(mu)[place], model.decode(expected[0]), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(many.decode(mu[place]), many.decode(mu[place].expand(4, -1, -1)))


@pytest.mark.parametrize("train", [beta_vaes, factor_vaes, info_gans])
def test_a_model_does_not_notice_the_others(train, data):
    many, alone = train(data, (0.5, 3.0), (0, 7), 6, latent=3), train(data, (3.0,), (7,), 6, latent=3)
    torch.testing.assert_close(many.encode(data)[0][many.place(3.0, 7)], alone.encode(data)[0][0], atol=1e-4, rtol=1e-3)
    assert not torch.allclose(many.encode(data)[0][0], many.encode(data)[0][1])  # seeds differ
    assert not torch.allclose(many.encode(data)[0][0], many.encode(data)[0][2])  # and strengths do


@pytest.mark.parametrize("train", [beta_vaes, factor_vaes, info_gans])
def test_the_global_source_of_random_numbers_is_left_alone(train, data):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    train(data, (1.0,), (3,), 1)
    assert torch.equal(before, torch.get_rng_state())


def test_shuffling_keeps_each_unit_and_cuts_what_units_know_of_each_other(data):
    z = data[None, :, :3].repeat(2, 1, 1)
    other = shuffled(z, torch.rand(z.shape, generator=generator()))
    torch.testing.assert_close(other.sort(1).values, z.sort(1).values)
    assert not torch.equal(other[0], other[1])
    assert correlation(z[0]) > 1 and correlation(other[0]) < 0.05


def test_a_dearer_nat_buys_fewer(data):
    many = beta_vaes(data, (0.1, 2.0, 1000.0), (0,), 150, latent=3)
    mu, logvar = many.encode(data)
    nats = (0.5 * (mu.square() + logvar.exp() - logvar - 1)).sum(-1).mean(-1)
    error = (many.decode(mu) - data).square().mean((1, 2))
    assert nats[0] > nats[1] > nats[2] < 0.1
    assert error[0] < error[1] < error[2] == pytest.approx(1, abs=0.1)  # of no code at all: the variance


def test_factor_vae_pays_for_what_units_know_of_each_other(data):
    many = factor_vaes(data, (0.0, 20.0), (0, 1), 300, latent=2)
    mu, logvar = many.encode(data)
    z = mu + (0.5 * logvar).exp() * torch.randn(mu.shape, generator=generator())
    free, paid = (sum(correlation(z[many.place(gamma, seed)]) for seed in (0, 1)) for gamma in (0.0, 20.0))
    assert paid < 0.5 * free
    error = (many.decode(mu) - data).square().mean((1, 2))
    assert error[2:].mean() < 0.2  # and still says what the data are


def test_info_gan_makes_data_whose_code_can_be_read():
    factor = 2 * torch.rand(400, 1, generator=generator()) - 1
    x = torch.cat([factor, -factor, factor**3], 1)
    many = info_gans(x - x.mean(0), (0.0, 1.0), (0,), 300, latent=1)
    mu, logvar = many.encode(x - x.mean(0))
    unread, read = (abs(float(torch.corrcoef(torch.stack([unit[:, 0], factor[:, 0]]))[0, 1])) for unit in mu)
    assert read > 0.9 and read > unread
    code = torch.linspace(-0.9, 0.9, 50)[:, None]
    told = many.encode(many.decode(code)[1])[0][1]  # what Q reads in what G made of it
    assert float((told - code).square().mean().sqrt()) < 0.3
    assert logvar.min() >= -8


@pytest.mark.parametrize("train", [beta_vaes, factor_vaes, info_gans])
@pytest.mark.parametrize(
    ("x", "strengths", "seeds", "named"),
    [
        (torch.zeros(5), (1.0,), (0,), "x: is"),
        (torch.zeros(5, 2, dtype=torch.long), (1.0,), (0,), "x: is"),
        (torch.full((5, 2), torch.nan), (1.0,), (0,), "x: holds NaN"),
        (torch.randn(5, 2, generator=generator()), (), (0,), "strengths: there are none"),
        (torch.randn(5, 2, generator=generator()), (1.0,), (), "seeds: there are none"),
    ],
)
def test_bad_input_is_one_line_that_names_it(train, x, strengths, seeds, named):
    with pytest.raises(UserError, match=named) as caught:
        train(x, strengths, seeds, 1)
    assert "\n" not in str(caught.value)
