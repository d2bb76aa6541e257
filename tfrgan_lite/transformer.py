"""TFR: Transformer encoder and decoder layers with a β-VAE module after the feed-forward network. Chapters 05 and 06.

Tokens are (batch, N, T, d_model): N tracks of T time steps. Each part of a layer reads the normed tokens and adds to
them (pre-norm residuals, Xiong et al. 2020). Every layer returns the KL of its β-VAE module, (batch, N, T, latent) in
nats.
"""

from torch import Tensor, nn

from .attention import MultiHeadAttention
from .beta_vae import BetaVAEModule, Noise
from .recurrent import LSTMOverTime


class FeedForward(nn.Sequential):
    """Two linear maps with a GELU between, four times as wide inside: (..., d_model) -> (..., d_model)."""

    def __init__(self, d_model: int):
        super().__init__(nn.Linear(d_model, 4 * d_model), nn.GELU(), nn.Linear(4 * d_model, d_model))


class FeedForwardBetaVAE(nn.Module):
    """The end of every TFR layer: x + FFN(norm x), then x + β-VAE(norm x), if ``latent`` is not 0."""

    def __init__(self, d_model: int, latent: int):
        super().__init__()
        self.norm_ffn, self.ffn = nn.LayerNorm(d_model), FeedForward(d_model)
        if latent:
            self.norm_vae, self.vae = nn.LayerNorm(d_model), BetaVAEModule(d_model, latent)
        self.latent = latent

    def forward(self, x: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """(..., d_model) -> (..., d_model) and the KL (..., latent) in nats."""
        x = x + self.ffn(self.norm_ffn(x))
        if not self.latent:
            return x, x.new_zeros(*x.shape[:-1], 0)
        y, kl = self.vae(self.norm_vae(x), noise)
        return x + y, kl


def over_time(d_model: int, heads: int, kind: str, causal: bool) -> nn.Module:
    """What carries a layer's tokens along time: attention of a kind, or a :class:`LSTMOverTime` of its size."""
    return LSTMOverTime(d_model, causal) if kind == "lstm" else MultiHeadAttention(d_model, heads, kind)


class TFREncoderLayer(nn.Module):
    """Attention over time within each track, attention across tracks at each time, FFN, β-VAE.

    Args:
        d_model, heads: width and number of heads.
        latent: units of the β-VAE module; 0 leaves it out.
        kind: of the attention over time: "full", "local" or "linear"; or "lstm", which takes its place.
        across: whether there is attention across tracks.
    """

    def __init__(self, d_model: int, heads: int, latent: int, kind: str = "full", across: bool = True):
        super().__init__()
        self.norm_time, self.over_time = nn.LayerNorm(d_model), over_time(d_model, heads, kind, causal=False)
        if across:
            self.norm_tracks, self.across_tracks = nn.LayerNorm(d_model), MultiHeadAttention(d_model, heads)
        self.across = across
        self.tail = FeedForwardBetaVAE(d_model, latent)

    def forward(self, x: Tensor, present: Tensor, noise: Noise = None) -> tuple[Tensor, Tensor]:
        """x (batch, N, T, d_model), present (batch, N) bool: absent tracks are heard by nobody. -> x and KL."""
        y = self.over_time(self.norm_time(x).flatten(0, 1))
        x = x + y.unflatten(0, x.shape[:2])
        if self.across:
            x = x + self._from_tracks(x, present)
        return self.tail(x, noise)

    def _from_tracks(self, x: Tensor, present: Tensor) -> Tensor:
        batch, _, length, _ = x.shape
        y = self.norm_tracks(x).transpose(1, 2).flatten(0, 1)  # (batch * T, N, d_model)
        y = self.across_tracks(y, mask=present.repeat_interleave(length, 0))
        return y.unflatten(0, (batch, length)).transpose(1, 2)


class TFRDecoderLayer(nn.Module):
    """Causal attention over time within each track, attention to the encoder's tokens, FFN, β-VAE.

    Args:
        d_model, heads, latent, kind: as of :class:`TFREncoderLayer`; an LSTM goes forward only.
        across: whether a track sees the encoder's tokens of all tracks, or its own alone.
    """

    def __init__(self, d_model: int, heads: int, latent: int, kind: str = "full", across: bool = True):
        super().__init__()
        self.norm_time, self.over_time = nn.LayerNorm(d_model), over_time(d_model, heads, kind, causal=True)
        self.norm_memory, self.to_memory = nn.LayerNorm(d_model), MultiHeadAttention(d_model, heads)
        self.across = across
        self.tail = FeedForwardBetaVAE(d_model, latent)

    def forward(self, x: Tensor, memory: Tensor, present: Tensor, noise: Noise = None) -> tuple[Tensor, Tensor]:
        """x (batch, N, T, d_model), memory (batch, N, S, d_model), present (batch, N) bool -> x and KL."""
        y = self.over_time(self.norm_time(x).flatten(0, 1), causal=True)
        x = x + y.unflatten(0, x.shape[:2])
        mask = present.repeat_interleave(memory.shape[2], 1) if self.across else None
        # All tracks of a song are one sequence, or each is one of its own: (batch, N T, ·) or (batch N, T, ·).
        joined = (1, 2) if self.across else (0, 1)
        y = self.to_memory(self.norm_memory(x).flatten(*joined), memory.flatten(*joined), mask=mask)
        x = x + y.unflatten(joined[0], [x.shape[i] for i in joined])
        return self.tail(x, noise)


class TFREncoder(nn.Module):
    """A stack of :class:`TFREncoderLayer` and a last norm."""

    def __init__(self, layers: int, d_model: int, heads: int, latent: int, kind: str = "full", across: bool = True):
        super().__init__()
        self.layers = nn.ModuleList(TFREncoderLayer(d_model, heads, latent, kind, across) for _ in range(layers))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, present: Tensor, noise: Noise = None) -> tuple[Tensor, list[Tensor]]:
        """(batch, N, T, d_model) -> memory of the same shape, and the KL of each layer."""
        kl = []
        for layer in self.layers:
            x, layer_kl = layer(x, present, noise)
            kl.append(layer_kl)
        return self.norm(x), kl


class TFRDecoder(nn.Module):
    """A stack of :class:`TFRDecoderLayer` and a last norm. The first token of x is the start token."""

    def __init__(self, layers: int, d_model: int, heads: int, latent: int, kind: str = "full", across: bool = True):
        super().__init__()
        self.layers = nn.ModuleList(TFRDecoderLayer(d_model, heads, latent, kind, across) for _ in range(layers))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, memory: Tensor, present: Tensor, noise: Noise = None) -> tuple[Tensor, list[Tensor]]:
        """x (batch, N, 1 + T, d_model), memory (batch, N, S, d_model) -> tokens like x, and the KL of each layer."""
        kl = []
        for layer in self.layers:
            x, layer_kl = layer(x, memory, present, noise)
            kl.append(layer_kl)
        return self.norm(x), kl
