"""Codes of vectors, learned without their causes: VAE and β-VAE, FactorVAE, InfoGAN; many models at once. Chapter 06.

Models of one kind differ in their strength (β, γ or λ) and in their seed. They have one shape, so their weights are
stacked and each step is one batched computation. Each model becomes what it would become alone, and models of one seed
start from the same weights and see the same data and noise, whatever their strength.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import pad, softplus
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from .beta_vae import BetaVAE, kl_to_standard_normal, reparameterise
from .errors import UserError

HIDDEN = 64  # width of the two hidden layers of every network here
BATCH = 64
NOISE = 8  # numbers of InfoGAN's noise, beside its code
BLUR = 0.3  # standard deviation of the noise on what InfoGAN's D sees, of the data's: else it would see too much
VAE_RATE, CRITIC_RATE, GAN_RATE = 5e-3, 2e-3, 3e-3  # of Adam
LOG_VARIANCES = -8.0, 4.0  # of InfoGAN's Q: a unit that is read too well would outshout all others


class Many(nn.Module):
    """Networks of one shape side by side: (models, n, inputs) -> (models, n, outputs), each by its own weights.

    Args:
        networks: one for each model, not changed.
    """

    def __init__(self, networks: Sequence[nn.Module]):
        super().__init__()
        weights, _ = stack_module_state(list(networks))
        self.shape = (networks[0],)  # in a tuple: its own weights are not among this module's
        self.names, self.weights = list(weights), nn.ParameterList(weights.values())

    def forward(self, x: Tensor) -> Tensor:
        """Each network on its own rows."""
        named = dict(zip(self.names, self.weights, strict=True))
        return vmap(lambda weights, rows: functional_call(self.shape[0], weights, (rows,)))(named, x)


@dataclass
class Codes:
    """Models after training, ``len(strengths) * len(seeds)`` of them: first all seeds of the first strength."""

    encoder: Callable[[Tensor], Tensor]  # (models, n, features) -> μ and log σ² side by side (models, n, 2 latent)
    decoder: Callable[[Tensor], Tensor]  # (models, n, latent) -> (models, n, features)
    strengths: tuple[float, ...]
    seeds: tuple[int, ...]

    @torch.no_grad()
    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, features) -> μ and log σ² of every model, each (models, n, latent)."""
        mu, logvar = self.encoder(x.expand(len(self.strengths) * len(self.seeds), *x.shape)).chunk(2, dim=-1)
        return mu, logvar

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """A code for each model (models, n, latent), or one for all (n, latent) -> (models, n, features)."""
        return self.decoder(z.expand(len(self.strengths) * len(self.seeds), *z.shape[-2:]))

    def place(self, strength: float, seed: int) -> int:
        """Where a model stands among the models."""
        return self.strengths.index(strength) * len(self.seeds) + self.seeds.index(seed)


def beta_vaes(x: Tensor, betas: Sequence[float], seeds: Sequence[int], steps: int, latent: int = 8) -> Codes:
    """Train :class:`tfrgan_lite.beta_vae.BetaVAE` (Higgins et al. 2017) for every β and seed; β = 1 is the VAE.

    The networks see the data, and make them, in units of their standard deviation.

    Args:
        x: data (n, features) to draw batches from, centred.
        betas: weights of the KL, 0 or more.
        seeds: of weights, batches and noise.
        steps: of Adam, whose rate falls along a cosine.
        latent: number of latent units.

    Raises:
        UserError: for data of another shape, or numbers that are not finite, or no β or no seed.
    """
    codes, draws, strength, optimiser = _vaes(x, betas, seeds, latent)
    for _ in _falling(steps, optimiser):
        error, kl, _ = _pass(codes, draws, x, latent)
        _step(optimiser, error + strength * kl)
    return codes


def factor_vaes(x: Tensor, gammas: Sequence[float], seeds: Sequence[int], steps: int, latent: int = 8) -> Codes:
    """Train FactorVAE (Kim and Mnih 2018, algorithm 2) for every γ and seed: the VAE's loss, and γ times the total
    correlation of z, as a critic sees it who tells z from :func:`shuffled` z.

    Arguments and errors as of :func:`beta_vaes`.
    """
    codes, draws, strength, optimiser = _vaes(x, gammas, seeds, latent)
    critic = Many([_network(latent, 1, seed) for seed in seeds] * len(gammas))
    critics = Adam(_weights(critic), CRITIC_RATE, (0.5, 0.9))
    for _ in _falling(steps, optimiser, critics):
        error, kl, z = _pass(codes, draws, x, latent)
        total_correlation = critic(z)[..., 0].mean(-1)  # E log(D / (1 - D)), the density ratio of z and shuffled z
        _step(optimiser, error + kl + strength * total_correlation)
        with torch.no_grad():
            other = shuffled(_pass(codes, draws, x, latent)[2], draws.uniform(latent))
        _step(critics, (softplus(-critic(z.detach())) + softplus(critic(other))).mean((1, 2)))
    return codes


def info_gans(x: Tensor, lambdas: Sequence[float], seeds: Sequence[int], steps: int, latent: int = 8) -> Codes:
    """Train InfoGAN (Chen et al. 2016, equation 6) for every λ and seed, on a code of ``latent`` numbers in -1..1.

    Its encoder is Q, a normal distribution for each unit, which shares all but the last layer with D, as in the paper;
    its decoder is G with the noise at 0. G climbs log D (the non-saturating loss), and D sees both kinds of data
    through noise (Sønderby et al. 2017), without which it would win at once.

    Arguments and errors as of :func:`beta_vaes`.
    """
    _check(x, lambdas, seeds)
    size, weight = x.std(), _in_turn(lambdas, seeds)
    judge = Many([_network(x.shape[1], 1 + 2 * latent, seed) for seed in seeds] * len(lambdas))
    maker = Many([_network(latent + NOISE, x.shape[1], seed) for seed in seeds] * len(lambdas))
    judges, makers = (Adam(_weights(each), GAN_RATE, (0.5, 0.999)) for each in (judge, maker))
    draws = _Draws(seeds, len(lambdas))

    def unread(told: Tensor, code: Tensor) -> Tensor:
        """Negative log-likelihood of the code under Q, up to a constant: the bound on what x does not tell of it."""
        mu, logvar = told.chunk(2, dim=-1)
        logvar = logvar.clamp(*LOG_VARIANCES)
        return 0.5 * ((code - mu).square() * (-logvar).exp() + logvar).sum(-1).mean(-1)

    def blurred(rows: Tensor) -> Tensor:
        return rows + BLUR * draws.normal(x.shape[1])

    for _ in _falling(steps, judges, makers):
        code = 2 * draws.uniform(latent) - 1
        made = maker(torch.cat([code, draws.normal(NOISE)], dim=-1))
        real, fake = judge(blurred(draws.rows(x) / size))[..., 0], judge(blurred(made.detach()))
        told_apart = softplus(-real).mean(-1) + softplus(fake[..., 0]).mean(-1)
        _step(judges, told_apart + weight * unread(fake[..., 1:], code))
        fake = judge(blurred(made))
        _step(makers, softplus(-fake[..., 0]).mean(-1) + weight * unread(fake[..., 1:], code))

    def encoder(x: Tensor) -> Tensor:
        mu, logvar = judge(x / size)[..., 1:].chunk(2, dim=-1)
        return torch.cat([mu, logvar.clamp(*LOG_VARIANCES)], dim=-1)

    return Codes(encoder, lambda z: size * maker(pad(z, (0, NOISE))), tuple(lambdas), tuple(seeds))


def shuffled(z: Tensor, lots: Tensor) -> Tensor:
    """Each unit in an order of its own among the rows, by ``lots`` of the same shape (models, n, latent): what is left
    are units that know nothing of each other, each distributed as before."""
    return z.gather(1, lots.argsort(1))


class _Draws:
    """What each seed draws, (models, batch, ...): the same for all strengths."""

    def __init__(self, seeds: Sequence[int], strengths: int):
        self.sources = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.strengths = strengths

    def rows(self, x: Tensor) -> Tensor:
        """Of ``x`` (n, features), with replacement."""
        return self._repeated(lambda source: x[torch.randint(len(x), (BATCH,), generator=source)])

    def normal(self, width: int) -> Tensor:
        return self._repeated(lambda source: torch.randn(BATCH, width, generator=source))

    def uniform(self, width: int) -> Tensor:
        return self._repeated(lambda source: torch.rand(BATCH, width, generator=source))

    def _repeated(self, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        return torch.stack([draw(source) for source in self.sources]).repeat(self.strengths, 1, 1)


def _vaes(
    x: Tensor, strengths: Sequence[float], seeds: Sequence[int], latent: int
) -> tuple[Codes, _Draws, Tensor, Adam]:
    """VAEs before their training, what they draw, their strengths (models,), and the optimiser of their weights."""
    _check(x, strengths, seeds)
    with torch.random.fork_rng(devices=[]):
        alike = []
        for seed in seeds:
            torch.manual_seed(seed)
            alike.append(BetaVAE(x.shape[1], latent, HIDDEN))
    encoder, decoder = (Many([getattr(vae, part) for vae in alike] * len(strengths)) for part in ("encoder", "decoder"))
    size = x.std()
    codes = Codes(lambda x: encoder(x / size), lambda z: size * decoder(z), tuple(strengths), tuple(seeds))
    optimiser = Adam(_weights(encoder, decoder), VAE_RATE)
    return codes, _Draws(seeds, len(strengths)), _in_turn(strengths, seeds), optimiser


def _pass(codes: Codes, draws: _Draws, x: Tensor, latent: int) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of its own through each model: error and KL (models,), as :meth:`BetaVAE.loss` has them, and z."""
    rows = draws.rows(x)
    mu, logvar = codes.encoder(rows).chunk(2, dim=-1)
    z = reparameterise(mu, logvar, draws.normal(latent))
    error = 0.5 * (codes.decoder(z) - rows).square().sum(-1).mean(-1)
    return error, kl_to_standard_normal(mu, logvar).sum(-1).mean(-1), z


def _network(inputs: int, outputs: int, seed: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Linear(inputs, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, outputs)
        return nn.Sequential(*layers)


def _in_turn(strengths: Sequence[float], seeds: Sequence[int]) -> Tensor:
    return torch.tensor(strengths, dtype=torch.float32).repeat_interleave(len(seeds))


def _weights(*networks: Many) -> list[nn.Parameter]:
    return [weight for network in networks for weight in network.parameters()]


def _falling(steps: int, *optimisers: Adam) -> Iterator[int]:
    """Count the steps, and let the rates fall along half a cosine."""
    schedules = [CosineAnnealingLR(optimiser, steps) for optimiser in optimisers]
    for step in range(steps):
        yield step
        for schedule in schedules:
            schedule.step()


def _step(optimiser: Adam, losses: Tensor) -> None:
    """Every model goes down its own loss: Adam takes each weight for itself."""
    optimiser.zero_grad()
    losses.sum().backward()
    optimiser.step()


def _check(x: Tensor, strengths: Sequence[float], seeds: Sequence[int]) -> None:
    if x.ndim != 2 or not x.is_floating_point() or not len(x):
        raise UserError(f"x: is {tuple(x.shape)} {str(x.dtype).removeprefix('torch.')}; give floats (n, features)")
    if not torch.isfinite(x).all():
        raise UserError("x: holds NaN or infinite numbers; look for a logarithm of 0 before it")
    for name, given in (("strengths", strengths), ("seeds", seeds)):
        if not len(given):
            raise UserError(f"{name}: there are none; give at least one")
