"""D, the discriminator: has it heard a real mix? Chapter 07.

Both read the stereo log-mel of a mix as (batch, 2, T, F), mid and side, and a style label, and return
logits: D = sigmoid.
"""

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .labels import STYLES
from .mel import standardised


def mid_side(audio: Tensor) -> Tensor:
    """Left and right (..., 2, ·, ·) -> mid (L + R) / 2 and side (L - R) / 2, in the same place."""
    left, right = audio.unbind(-3)
    return torch.stack([(left + right) / 2, (left - right) / 2], dim=-3)


class MLPDiscriminator(nn.Module):
    """The paper's discriminator: a multi-layer perceptron on the whole input, here on means of 16 frames.

    Args:
        frames, mels: T and F of the input it is built for.
        width: of its two hidden layers.
    """

    POOL = 16

    def __init__(self, frames: int, mels: int, width: int = 128):
        super().__init__()
        pooled = max(1, frames // self.POOL)
        self.pooled = pooled
        self.style = nn.Embedding(len(STYLES), width)
        self.first = nn.Linear(2 * pooled * mels, width)
        self.rest = nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Linear(width, 1))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """x (batch, 2, T, F) log-mel of mid and side, style (batch,) -> one logit a mix (batch, 1)."""
        x = functional.adaptive_avg_pool2d(standardised(x), (self.pooled, x.shape[-1]))
        return self.rest(self.first(x.flatten(1)) + self.style(style))


class SpectralDiscriminator(nn.Module):
    """A patch critic on the stereo spectrogram: strided convolutions that judge overlapping patches of time and
    frequency.

    Args:
        mels: F, known to the layers as a coordinate channel, so that a patch knows its frequency.
        width: channels of the first layer.
    """

    def __init__(self, mels: int, width: int = 24):
        super().__init__()
        self.register_buffer("height", torch.linspace(-1, 1, mels), persistent=False)
        self.first = nn.Conv2d(3, width, 5, stride=2, padding=2)
        self.style = nn.Embedding(len(STYLES), width)
        self.rest = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 5, stride=2, padding=2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 3, padding=1),
        )

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """x (batch, 2, T, F) log-mel of mid and side, style (batch,) -> logits of the patches (batch, patches)."""
        height = self.height.expand(x.shape[0], 1, x.shape[2], -1)
        x = self.first(torch.cat([standardised(x), height], dim=1))
        return self.rest(x + self.style(style)[..., None, None]).flatten(1)


def build_discriminator(kind: str, frames: int, mels: int) -> nn.Module:
    """The discriminator called ``kind``: "mlp" or "spectral"."""
    if kind == "mlp":
        return MLPDiscriminator(frames, mels)
    if kind == "spectral":
        return SpectralDiscriminator(mels)
    raise ValueError(f"discriminator: {kind!r} is unknown; use mlp or spectral")
