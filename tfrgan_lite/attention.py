"""Multi-head attention, full, local or linear, over time or across tracks. Chapter 05."""

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

KINDS = ("full", "local", "linear")


class MultiHeadAttention(nn.Module):
    """softmax(Q Kᵀ / sqrt(d_k)) V in ``heads`` subspaces of width d_k = d_model / heads.

    Source: Vaswani et al. 2017, equation 1.

    Args:
        d_model: width of a token, a multiple of ``heads``.
        heads: number of heads.
        kind: "full"; "local", where a query sees keys at most ``window`` positions away; or "linear", with the feature
            map elu(x) + 1 in place of the softmax and cost linear in length (Katharopoulos et al. 2020).
        window: reach of local attention in positions.
    """

    def __init__(self, d_model: int, heads: int, kind: str = "full", window: int = 32):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind: {kind!r} is unknown; use one of {', '.join(KINDS)}")
        if d_model % heads:
            raise ValueError(f"d_model: {d_model} is no multiple of {heads} heads")
        self.heads, self.kind, self.window = heads, kind, window
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(
        self, x: Tensor, memory: Tensor | None = None, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """Attend from x to memory.

        Args:
            x: queries (batch, T, d_model).
            memory: keys and values (batch, S, d_model); x itself if None.
            mask: bool (batch, S), True where a key may be seen. A query that may see no key gets the output bias alone.
            causal: query t sees keys 0 to t only.

        Returns:
            (batch, T, d_model).
        """
        memory = x if memory is None else memory
        q, k, v = (self._split(f(y)) for f, y in ((self.query, x), (self.key, memory), (self.value, memory)))
        attend = self._linear if self.kind == "linear" else self._softmax
        y = attend(q, k, v, mask, causal)
        return self.out(y.transpose(1, 2).flatten(2))

    def weights(
        self, x: Tensor, memory: Tensor | None = None, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """The attention map (batch, heads, T, S) of ``full`` and ``local`` attention, for looking at.

        Each row sums to 1, or is 0 where its query may see no key. Raises ValueError for ``linear`` attention, whose
        point is that no map is ever computed.
        """
        if self.kind == "linear":
            raise ValueError("kind: linear attention has no map; look at full or local attention")
        memory = x if memory is None else memory
        q, k = self._split(self.query(x)), self._split(self.key(memory))
        score = q @ k.mT / q.shape[-1] ** 0.5
        allowed = self._allowed(q, k, mask, causal)
        if allowed is None:
            return score.softmax(-1)
        return score.masked_fill(~allowed, -torch.inf).softmax(-1).masked_fill(~allowed.any(-1, keepdim=True), 0.0)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (batch, heads, T, d_k)

    def _allowed(self, q: Tensor, k: Tensor, mask: Tensor | None, causal: bool) -> Tensor | None:
        """Which query may see which key, as bool broadcastable to (batch, heads, T, S); None where all may see all."""
        allowed = None if mask is None else mask[:, None, None, :]
        if causal or self.kind == "local":
            distance = torch.arange(q.shape[-2], device=q.device)[:, None] - torch.arange(k.shape[-2], device=q.device)
            near = torch.ones_like(distance, dtype=torch.bool)
            if causal:
                near &= distance >= 0
            if self.kind == "local":
                near &= distance.abs() <= self.window
            allowed = near if allowed is None else allowed & near
        return allowed

    def _softmax(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        if causal and mask is None and self.kind == "full":
            return functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        allowed = self._allowed(q, k, mask, causal)
        if allowed is not None:
            allowed = allowed.expand(q.shape[0], 1, q.shape[-2], k.shape[-2])
            # A row without any key would be softmax of nothing, NaN: let it see all, and silence what it saw.
            blind = ~allowed.any(-1, keepdim=True)
            return functional.scaled_dot_product_attention(q, k, v, attn_mask=allowed | blind).masked_fill(blind, 0.0)
        return functional.scaled_dot_product_attention(q, k, v)

    def _linear(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        q, k = functional.elu(q) + 1, functional.elu(k) + 1
        if mask is not None:
            k = k * mask[:, None, :, None]
        outer = k[..., :, None] * v[..., None, :] if causal else None
        if causal:  # running sums over the keys up to each query
            total, norm = outer.cumsum(-3), k.cumsum(-2)
            value = torch.einsum("bhtd,bhtde->bhte", q, total)
            weight = (q * norm).sum(-1, keepdim=True)
        else:
            value = q @ (k.mT @ v)
            weight = q @ k.sum(-2)[..., None]
        return value / weight.clamp_min(1e-6)
