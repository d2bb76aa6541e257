"""Who stands left and who right: a distribution over the sides of all tracks that knows no left from right. Chapter 08.

Mixing is symmetric: with the sides swapped, a mix is as good. And the sides belong together: two tracks that mask each
other are put apart. Both is said by an Ising model, P(s) ∝ exp(Σ_{j<k} J_jk s_j s_k) with s_k = -1 (left) or 1 (right):
swapping all signs changes no product, and J_jk < 0 draws tracks apart. At 16 tracks at most, all 2^15 arrangements that
differ by more than a swap can be counted, so likelihood and draws are exact.
"""

from functools import lru_cache
from math import log

import torch
from torch import Tensor, nn

from .audio import MAX_TRACKS

PANNED = 0.05  # a track nearer to the middle than this has no side


def overlaps(power: Tensor) -> Tensor:
    """How much of two tracks lies in the same bands, 0 to 1: (..., N, F) mel powers -> (..., N, N).

    The intersection of the two spectra of amplitude, each of sum 1.
    """
    share = power.sqrt()
    share = share / share.sum(-1, keepdim=True).clamp_min(1e-9)
    return torch.minimum(share[..., :, None, :], share[..., None, :, :]).sum(-1)


class Coupling(nn.Module):
    """J of each pair of tracks: less the more they overlap, and a learned form of what is known about both."""

    def __init__(self, d_model: int, rank: int = 16):
        super().__init__()
        self.features = nn.Linear(d_model, rank)
        self.attracts = nn.Parameter(torch.linspace(-1, 1, rank) / rank**0.5)
        self.masking = nn.Parameter(torch.tensor(4.0))

    def forward(self, h: Tensor, overlap: Tensor) -> Tensor:
        """Tracks h (B, N, d_model) and their overlaps (B, N, N) -> J (B, N, N), symmetric."""
        f = self.features(h)
        return (f * self.attracts) @ f.mT - self.masking * overlap


@lru_cache(maxsize=MAX_TRACKS)
def arrangements(tracks: int) -> Tensor:
    """All ways to set the tracks left or right with the first on the right: (2^(N-1), N) of -1 and 1."""
    bits = torch.arange(2 ** (tracks - 1))[:, None] >> torch.arange(tracks - 1)
    return torch.cat([torch.ones(len(bits), 1), 1.0 - 2 * (bits & 1)], dim=1)


def exponents(coupling: Tensor, panned: Tensor) -> Tensor:
    """Σ_{j<k} J_jk s_j s_k of each arrangement: J (B, N, N), of panned tracks (B, N) bool alone -> (B, 2^(N-1))."""
    pairs = (coupling * panned[:, :, None] * panned[:, None]).triu(1)
    s = arrangements(coupling.shape[1]).to(coupling)
    return torch.einsum("sj,bjk,sk->bs", s, pairs, s)


def negative_log_likelihood(coupling: Tensor, sides: Tensor) -> Tensor:
    """-log P in nats of the sides (B, N): -1 left, 1 right, 0 not panned -> (B,). Both mirror images count as one."""
    panned = sides != 0
    pairs = (coupling * sides[:, :, None] * sides[:, None]).triu(1)
    # Tracks in the middle are free in the sum over arrangements: each doubles it.
    free = torch.minimum((~panned).sum(1), torch.tensor(sides.shape[1] - 1, device=sides.device))
    return exponents(coupling, panned).logsumexp(1) - free * log(2) - pairs.sum((1, 2))


def draw_sides(coupling: Tensor, panned: Tensor, roles: Tensor, temperature: float, source: torch.Generator) -> Tensor:
    """Draw the sides of each song: J (B, N, N), panned (B, N) bool -> (B, N) of -1 and 1.

    Of the two mirror images it is the one that the network was trained on: the first panned track by role stands left.

    Args:
        roles: (B, N) indices into ROLES.
        temperature: of the draw: 1 draws from P, 0 takes the likeliest.
        source: of the draw, on the CPU.
    """
    e = exponents(coupling, panned).cpu()
    # The maximum of the exponents, each with noise of Gumbel's distribution, is a draw from their softmax.
    gumbel = -torch.log(-torch.log(torch.rand(e.shape, generator=source).clamp(1e-20, 1 - 1e-7)))
    best = (e + temperature * gumbel).argmax(1)
    sides = arrangements(coupling.shape[1])[best].to(coupling)
    first = roles.masked_fill(~panned, roles.max() + 1).argmin(1, keepdim=True)
    return -sides * sides.gather(1, first)


def sides_of(dry: Tensor, wet: Tensor, present: Tensor) -> Tensor:
    """The sides that a mix has given its tracks: mean mel powers (B, N, 4, F) of the dry and the wet tracks -> (B, N).

    A track is panned if its balance moved by more than 1 dB: -1 to the left, 1 to the right; else it is 0.
    """
    balance = [10 * torch.log10(x[..., :2, :].sum(-1) + 1e-9) for x in (dry, wet)]
    moved = (balance[1] - balance[0]).diff(dim=-1)[..., 0]
    return moved.sign() * (moved.abs() > 1) * present
