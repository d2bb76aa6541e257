"""Many small networks trained side by side, one a seed, so that a chapter can say how sure its numbers are."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from ..seeds import mean_over_seeds

__all__ = ["Crowd", "covered", "eight_bells", "mean_over_seeds"]


class Crowd(nn.Module):
    """As many multi-layer perceptrons as there are seeds, with two hidden layers each and nothing in common.

    A loss that is the sum of theirs trains each as if it were alone, since Adam works weight by weight.

    Args:
        inputs, outputs: numbers that each reads and gives.
        seeds: how many networks.
        generator: where the weights are drawn from, as ``nn.Linear`` draws them.
        width: of the hidden layers.
    """

    def __init__(self, inputs: int, outputs: int, seeds: int, generator: torch.Generator, width: int = 64):
        super().__init__()
        sizes = (inputs, width, width, outputs)

        def drawn(rows: int, fan_in: int, fan_out: int) -> nn.Parameter:
            return nn.Parameter((2 * torch.rand(seeds, rows, fan_out, generator=generator) - 1) / math.sqrt(fan_in))

        layers = list(zip(sizes, sizes[1:], strict=False))
        self.weights = nn.ParameterList(drawn(fan_in, fan_in, fan_out) for fan_in, fan_out in layers)
        self.biases = nn.ParameterList(drawn(1, fan_in, fan_out) for fan_in, fan_out in layers)

    def forward(self, x: Tensor) -> Tensor:
        """(seeds, batch, inputs) -> (seeds, batch, outputs), or (batch, inputs), which all read."""
        x = x.expand(self.weights[0].shape[0], *x.shape[-2:])
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, leaky_relu(x, 0.2) if layer else x, weight)
        return x


def eight_bells(*shape: int, generator: torch.Generator) -> Tensor:
    """Points (..., 2), as many as asked for: eight equally likely bells of width 0.05 on the circle of radius 1."""
    angle = torch.randint(8, shape, generator=generator) * (math.pi / 4)
    centre = torch.stack([angle.cos(), angle.sin()], dim=-1)
    return centre + 0.05 * torch.randn(*shape, 2, generator=generator)


def covered(points: Tensor) -> tuple[Tensor, Tensor]:
    """Points (..., n, 2) -> how many of the eight bells have at least a quarter of their share of the points, 0 to 8,
    and the share of points that are within three widths of a bell, 0 to 1; both (...).

    Of the data themselves 8 and 0.989, that is 1 - exp(-9 / 2).
    """
    angle = torch.arange(8) * (math.pi / 4)
    near = torch.cdist(points, torch.stack([angle.cos(), angle.sin()], dim=-1)) <= 0.15
    return (near.float().mean(-2) >= 0.25 / 8).sum(-1), near.any(-1).float().mean(-1)
