"""TFR: Transformer encoder and decoder layers with a β-VAE module after the feed-forward network. Chapters 05 and 06.

Tokens are (batch, N, T, d_model): N tracks of T time steps. Each part of a layer reads the normed tokens and adds to
them (pre-norm residuals, Xiong et al. 2020). Every layer returns the KL of its β-VAE module, (batch, N, T, latent) in
nats.
"""

import torch
from torch import Tensor, nn

from .attention import MultiHeadAttention
from .beta_vae import BetaVAEModule


class FeedForward(nn.Sequential):
    """Two linear maps with a GELU between, four times as wide inside: (..., d_model) -> (..., d_model)."""

    def __init__(self, d_model: int):
        super().__init__(nn.Linear(d_model, 4 * d_model), nn.GELU(), nn.Linear(4 * d_model, d_model))


class FeedForwardBetaVAE(nn.Module):
    """The end of every TFR layer: x + FFN(norm x), then x + β-VAE(norm x)."""

    def __init__(self, d_model: int, latent: int):
        super().__init__()
        self.norm_ffn, self.ffn = nn.LayerNorm(d_model), FeedForward(d_model)
        self.norm_vae, self.vae = nn.LayerNorm(d_model), BetaVAEModule(d_model, latent)

    def forward(self, x: Tensor, noise: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """(..., d_model) -> (..., d_model) and the KL (..., latent) in nats."""
        x = x + self.ffn(self.norm_ffn(x))
        y, kl = self.vae(self.norm_vae(x), noise)
        return x + y, kl


class TFREncoderLayer(nn.Module):
    """Attention over time within each track, attention across tracks at each time, FFN, β-VAE.

    Args:
        d_model, heads: width and number of heads.
        latent: units of the β-VAE module.
        kind: kind of the attention over time: "full", "local" or "linear".
    """

    def __init__(self, d_model: int, heads: int, latent: int, kind: str = "full"):
        super().__init__()
        self.norm_time, self.over_time = nn.LayerNorm(d_model), MultiHeadAttention(d_model, heads, kind)
        self.norm_tracks, self.across_tracks = nn.LayerNorm(d_model), MultiHeadAttention(d_model, heads)
        self.tail = FeedForwardBetaVAE(d_model, latent)

    def forward(self, x: Tensor, present: Tensor, noise: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """x (batch, N, T, d_model), present (batch, N) bool: absent tracks are heard by nobody. -> x and KL."""
        batch, tracks, length, _ = x.shape
        y = self.over_time(self.norm_time(x).flatten(0, 1))
        x = x + y.unflatten(0, (batch, tracks))
        y = self.norm_tracks(x).transpose(1, 2).flatten(0, 1)  # (batch * T, N, d_model)
        y = self.across_tracks(y, mask=present.repeat_interleave(length, 0))
        x = x + y.unflatten(0, (batch, length)).transpose(1, 2)
        return self.tail(x, noise)


class TFRDecoderLayer(nn.Module):
    """Causal attention over time within each track, attention to the encoder's tokens of all tracks, FFN, β-VAE."""

    def __init__(self, d_model: int, heads: int, latent: int, kind: str = "full"):
        super().__init__()
        self.norm_time, self.over_time = nn.LayerNorm(d_model), MultiHeadAttention(d_model, heads, kind)
        self.norm_memory, self.to_memory = nn.LayerNorm(d_model), MultiHeadAttention(d_model, heads)
        self.tail = FeedForwardBetaVAE(d_model, latent)

    def forward(
        self, x: Tensor, memory: Tensor, present: Tensor, noise: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """x (batch, N, T, d_model), memory (batch, N, S, d_model), present (batch, N) bool -> x and KL."""
        batch, tracks, length, _ = x.shape
        y = self.over_time(self.norm_time(x).flatten(0, 1), causal=True)
        x = x + y.unflatten(0, (batch, tracks))
        y = self.to_memory(
            self.norm_memory(x).flatten(1, 2),
            memory.flatten(1, 2),
            mask=present.repeat_interleave(memory.shape[2], 1),
        )
        x = x + y.unflatten(1, (tracks, length))
        return self.tail(x, noise)


class TFREncoder(nn.Module):
    """A stack of :class:`TFREncoderLayer` and a last norm."""

    def __init__(self, layers: int, d_model: int, heads: int, latent: int, kind: str = "full"):
        super().__init__()
        self.layers = nn.ModuleList(TFREncoderLayer(d_model, heads, latent, kind) for _ in range(layers))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, present: Tensor, noise: torch.Generator | None = None) -> tuple[Tensor, list[Tensor]]:
        """(batch, N, T, d_model) -> memory of the same shape, and the KL of each layer."""
        kl = []
        for layer in self.layers:
            x, layer_kl = layer(x, present, noise)
            kl.append(layer_kl)
        return self.norm(x), kl


class TFRDecoder(nn.Module):
    """A stack of :class:`TFRDecoderLayer` and a last norm. The first token of x is the start token."""

    def __init__(self, layers: int, d_model: int, heads: int, latent: int, kind: str = "full"):
        super().__init__()
        self.layers = nn.ModuleList(TFRDecoderLayer(d_model, heads, latent, kind) for _ in range(layers))
        self.norm = nn.LayerNorm(d_model)

    def forward(
        self, x: Tensor, memory: Tensor, present: Tensor, noise: torch.Generator | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """x (batch, N, 1 + T, d_model), memory (batch, N, S, d_model) -> tokens like x, and the KL of each layer."""
        kl = []
        for layer in self.layers:
            x, layer_kl = layer(x, memory, present, noise)
            kl.append(layer_kl)
        return self.norm(x), kl
