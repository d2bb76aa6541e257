"""q(z | dry, wet): which taste made a mix, as the generator's noise would have to say it. Training only. Chapter 08."""

import torch
from torch import Tensor, nn

from .beta_vae import Noise, kl_to_standard_normal, normal_like, reparameterise
from .labels import ROLES, STYLES
from .mel import FLOOR


class Posterior(nn.Module):
    """Reads a taste from the change of each track's mean spectrum (conditional VAE, Sohn et al. 2015).

    Each track's change, role and style go through one MLP; the tracks' mean gives mean and variance of z. So any number
    of tracks in any order can be read.
    """

    def __init__(self, mels: int, z: int, width: int = 96):
        super().__init__()
        self.z = z
        self.change = nn.Linear(4 * mels, width)
        self.role, self.style = nn.Embedding(len(ROLES), width), nn.Embedding(len(STYLES), width)
        self.track = nn.Sequential(nn.GELU(), nn.Linear(width, width), nn.GELU())
        self.out = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2 * z))

    def forward(
        self,
        dry_power: Tensor,
        wet_power: Tensor,
        roles: Tensor,
        style: Tensor,
        present: Tensor,
        noise: Noise = None,
    ) -> tuple[Tensor, Tensor]:
        """Mean mel powers (B, N, 4, F) of the dry and of the engineer's wet tracks -> z and its KL in nats, (B, z)."""
        change = torch.log(wet_power + FLOOR) - torch.log(dry_power + FLOOR)
        h = self.track(self.change(change.flatten(2)) + self.role(roles) + self.style(style)[:, None])
        h = (h * present[..., None]).sum(1) / present.sum(1, keepdim=True).clamp_min(1)
        mu, logvar = self.out(h).chunk(2, dim=-1)
        logvar = logvar.clamp(-10, 10)
        return reparameterise(mu, logvar, normal_like(mu, noise)), kl_to_standard_normal(mu, logvar)


class Prior(nn.Module):
    """In the posterior's place: z is noise, as it is in use, and knows nothing of the mix. Its KL is 0."""

    def __init__(self, z: int):
        super().__init__()
        self.z = z

    def forward(
        self,
        dry_power: Tensor,
        wet_power: Tensor,
        roles: Tensor,
        style: Tensor,
        present: Tensor,
        noise: Noise = None,
    ) -> tuple[Tensor, Tensor]:
        """Called as :class:`Posterior` -> z (B, z) and zeros (B, z)."""
        nothing = dry_power.new_zeros(len(dry_power), self.z)
        return normal_like(nothing, noise), nothing
