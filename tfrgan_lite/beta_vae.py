"""The β-VAE: the module after a feed-forward network (paper, "Deep de-entanglement"), and a model. Chapter 06."""

import torch
from torch import Tensor, nn


def reparameterise(mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """z = μ + σ ε with σ = exp(logvar / 2) and ε a standard normal draw of μ's shape (Kingma and Welling 2014)."""
    return mu + (0.5 * logvar).exp() * noise


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(μ, σ²) || N(0, 1)) = (μ² + σ² - log σ² - 1) / 2 in nats, for each unit: same shape as ``mu``."""
    return 0.5 * (mu.square() + logvar.exp() - logvar - 1)


class SharedNoise:
    """Standard normal draws for a batch of which this process has a share: drawn for all songs, so that every process
    draws alike, and cut to its own.

    Args:
        seed: of the draws.
        device: of the tensors.
        songs: which of the batch's songs are here (local songs,); all of them if None.
        total: songs in the batch.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu", songs: Tensor | None = None, total: int = 0):
        self.source = torch.Generator(device).manual_seed(seed)
        self.songs, self.total = songs, total

    def normal(self, like: Tensor) -> Tensor:
        """A draw (local songs, ...) of the shape, type and device of ``like``."""
        songs = len(like) if self.songs is None else self.total
        draw = torch.randn((songs, *like.shape[1:]), generator=self.source, device=like.device, dtype=like.dtype)
        return draw if self.songs is None else draw[self.songs]


class Stillness:
    """No noise: every latent is its mean, as in use."""

    def normal(self, like: Tensor) -> Tensor:
        """Zeros like ``like``."""
        return torch.zeros_like(like)


Noise = torch.Generator | SharedNoise | Stillness | None


def normal_like(like: Tensor, noise: Noise) -> Tensor:
    """A standard normal draw of the shape, type and device of ``like``, from torch's own source if ``noise`` is
    None."""
    if isinstance(noise, SharedNoise | Stillness):
        return noise.normal(like)
    return torch.randn(like.shape, generator=noise, device=like.device, dtype=like.dtype)


def active_units(kl: Tensor, threshold: float = 0.01) -> int:
    """How many latent units carry information: those whose KL (..., latent), averaged over all else, is above
    ``threshold`` nats.
    """
    return int((kl.flatten(0, -2).mean(0) > threshold).sum())


class BetaVAEModule(nn.Module):
    """The paper's module after the FFN: features are squeezed through a Gaussian latent and rebuilt from it.

    The layer that holds it adds what it returns to the token (:class:`tfrgan_lite.transformer.FeedForwardBetaVAE`).

    Args:
        d_model: width of a token.
        latent: number of latent units.
    """

    def __init__(self, d_model: int, latent: int):
        super().__init__()
        self.encode = nn.Linear(d_model, 2 * latent)
        self.decode = nn.Linear(latent, d_model)
        nn.init.zeros_(self.encode.bias)

    def forward(self, x: Tensor, noise: Noise = None) -> tuple[Tensor, Tensor]:
        """(..., d_model) -> decoded features (..., d_model) and the KL of each unit (..., latent) in nats.

        In training the latent is sampled (from ``noise`` if given); in evaluation it is its mean.
        """
        mu, logvar = self.encode(x).chunk(2, dim=-1)
        logvar = logvar.clamp(-10, 10)  # keeps exp() finite in half precision
        z = reparameterise(mu, logvar, normal_like(mu, noise)) if self.training else mu
        return self.decode(z), kl_to_standard_normal(mu, logvar)


class BetaVAE(nn.Module):
    """A β-VAE of vectors: minimises reconstruction + β KL (Higgins et al. 2017, equation 4).

    Args:
        features: length of a data vector.
        latent: number of latent units.
        hidden: width of the two hidden layers of encoder and decoder.
        beta: weight β of the KL; 1 is the plain VAE.
    """

    def __init__(self, features: int, latent: int = 8, hidden: int = 128, beta: float = 4.0):
        super().__init__()
        self.beta = beta
        self.encoder = nn.Sequential(
            nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, 2 * latent)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, features)
        )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(..., features) -> μ and log σ², each (..., latent)."""
        mu, logvar = self.encoder(x).chunk(2, dim=-1)
        return mu, logvar

    def decode(self, z: Tensor) -> Tensor:
        """(..., latent) -> (..., features)."""
        return self.decoder(z)

    def forward(self, x: Tensor, noise: Noise = None) -> tuple[Tensor, Tensor, Tensor]:
        """(..., features) -> reconstruction (..., features), μ and log σ² (..., latent). Samples z in training, else z
        = μ.
        """
        mu, logvar = self.encode(x)
        z = reparameterise(mu, logvar, normal_like(mu, noise)) if self.training else mu
        return self.decode(z), mu, logvar

    def loss(self, x: Tensor, noise: Noise = None) -> tuple[Tensor, Tensor, Tensor]:
        """(batch, features) -> total, reconstruction (half the squared error, summed over features) and KL, means over
        the batch.

        Half the squared error is the negative log-likelihood of a Gaussian decoder of variance 1, up to a constant.
        """
        reconstruction, mu, logvar = self(x, noise)
        error = 0.5 * (reconstruction - x).square().sum(-1).mean()
        kl = kl_to_standard_normal(mu, logvar).sum(-1).mean()
        return error + self.beta * kl, error, kl
