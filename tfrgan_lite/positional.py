"""Positional encoding: the paper's two formulae over time, and a learned one over track role and time. Chapter 04."""

import torch
from torch import Tensor, nn

from .labels import ROLES

KINDS = ("learned", "sinusoidal", "none")


def sinusoidal(length: int, d_model: int, start: int = 0) -> Tensor:
    """PE(pos, 2i) = sin(pos / 10000^(2i / d_model)), PE(pos, 2i + 1) = cos of the same: (length, d_model) float32.

    Source: the paper's section "Audio embedding and location information coding"; Vaswani et al. 2017, section 3.5.
    """
    if d_model % 2:
        raise ValueError(f"d_model: {d_model} is odd; sines and cosines come in pairs")
    position = torch.arange(start, start + length, dtype=torch.float64)[:, None]
    angle = position / 10000 ** (torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).to(torch.float32)


class TrackTimePosition(nn.Module):
    """Where a token stands: a learned vector for its track's role, one for its time, and the sinusoid of its time.

    The learned time table has ``max_tokens`` rows; later tokens get the last row, so that only the sinusoid tells them
    apart.

    Args:
        d_model: width of a token.
        max_tokens: rows of the learned table.
        kind: what is known of time: "learned", the table and the sinusoid; "sinusoidal", the latter alone; "none". The
            role is known in any case.
    """

    def __init__(self, d_model: int, max_tokens: int, kind: str = "learned"):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind: {kind!r} is unknown; use one of {', '.join(KINDS)}")
        self.kind = kind
        self.role = nn.Embedding(len(ROLES), d_model)
        nn.init.normal_(self.role.weight, std=0.5)  # about as long as the sinusoid: who plays is heard from the start
        if kind == "learned":
            self.time = nn.Embedding(max_tokens, d_model)
            nn.init.zeros_(self.time.weight)

    def forward(self, tokens: Tensor, roles: Tensor) -> Tensor:
        """tokens (..., N, T, d_model) and roles (..., N) of indices into ROLES -> tokens with their position added."""
        length, d_model = tokens.shape[-2:]
        tokens = tokens + self.role(roles)[..., None, :]
        if self.kind != "none":
            tokens = tokens + sinusoidal(length, d_model).to(tokens)
        if self.kind == "learned":
            index = torch.arange(length, device=tokens.device).clamp_max(self.time.num_embeddings - 1)
            tokens = tokens + self.time(index)
        return tokens
