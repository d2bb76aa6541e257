"""tfrgan_lite.attention: against torch on copied weights, and against naive loops."""

import pytest
import torch
from torch import nn

from tfrgan_lite.attention import MultiHeadAttention

D, HEADS, T, S, BATCH = 8, 2, 6, 5, 3


def pair() -> tuple[MultiHeadAttention, nn.MultiheadAttention]:
    """Ours and torch's, with the same weights."""
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(D, HEADS), nn.MultiheadAttention(D, HEADS, batch_first=True)
    nn.init.normal_(theirs.in_proj_bias)
    with torch.no_grad():
        for index, layer in enumerate((ours.query, ours.key, ours.value)):
            layer.weight.copy_(theirs.in_proj_weight[index * D : (index + 1) * D])
            layer.bias.copy_(theirs.in_proj_bias[index * D : (index + 1) * D])
    ours.out.load_state_dict(theirs.out_proj.state_dict())
    return ours, theirs


def tokens(length: int, seed: int) -> torch.Tensor:
    return torch.randn(BATCH, length, D, generator=torch.Generator().manual_seed(seed))


MASK = torch.tensor([[1, 1, 1, 0, 0], [0, 1, 0, 1, 1], [1, 1, 1, 1, 1]], dtype=torch.bool)


def naive(module: MultiHeadAttention, x, memory, sees, similarity) -> torch.Tensor:
    """Attention in loops: sees(b, t, s) says who may see whom, similarity(q, k) weighs (before it sums to 1)."""
    q, k, v = module.query(x), module.key(memory), module.value(memory)
    width, out = D // HEADS, torch.zeros_like(x)
    for b in range(len(x)):
        for t in range(x.shape[1]):
            for h in range(HEADS):
                part = slice(h * width, (h + 1) * width)
                keys = [s for s in range(memory.shape[1]) if sees(b, t, s)]
                weights = torch.stack([similarity(q[b, t, part], k[b, s, part]) for s in keys])
                out[b, t, part] = (weights / weights.sum()) @ v[b, keys, part]
    return module.out(out)


def softmax_similarity(q, k):
    return (q @ k / len(q) ** 0.5).exp()


def linear_similarity(q, k):
    return (nn.functional.elu(q) + 1) @ (nn.functional.elu(k) + 1)


def test_full_equals_torch_with_mask_and_across():
    ours, theirs = pair()
    x, memory = tokens(T, 1), tokens(S, 2)
    torch.testing.assert_close(ours(x), theirs(x, x, x)[0])
    expected, weights = theirs(x, memory, memory, key_padding_mask=~MASK, average_attn_weights=False)
    torch.testing.assert_close(ours(x, memory, MASK), expected)
    torch.testing.assert_close(ours.weights(x, memory, MASK), weights)


@pytest.mark.parametrize("with_mask", [False, True])
def test_causal_equals_torch(with_mask):
    ours, theirs = pair()
    x, later = tokens(S, 1), torch.ones(S, S, dtype=torch.bool).triu(1)
    mask = MASK | (torch.arange(S) == 0) if with_mask else None  # every query sees a key
    padding = None if mask is None else ~mask
    expected, weights = theirs(x, x, x, attn_mask=later, key_padding_mask=padding, average_attn_weights=False)
    torch.testing.assert_close(ours(x, mask=mask, causal=True), expected)
    torch.testing.assert_close(ours.weights(x, mask=mask, causal=True), weights)


@pytest.mark.parametrize("causal", [False, True])
def test_local_equals_naive_loops(causal):
    module, x = MultiHeadAttention(D, HEADS, "local", window=1), tokens(T, 1)
    expected = naive(module, x, x, lambda b, t, s: abs(t - s) <= 1 and not (causal and s > t), softmax_similarity)
    torch.testing.assert_close(module(x, causal=causal), expected)


@pytest.mark.parametrize("causal", [False, True])
def test_linear_equals_naive_loops(causal):
    module, x = MultiHeadAttention(D, HEADS, "linear"), tokens(T, 1)
    expected = naive(module, x, x, lambda b, t, s: not (causal and s > t), linear_similarity)
    torch.testing.assert_close(module(x, causal=causal), expected)


def test_linear_across_with_mask_equals_naive_loops():
    module, x, memory = MultiHeadAttention(D, HEADS, "linear"), tokens(T, 1), tokens(S, 2)
    expected = naive(module, x, memory, lambda b, t, s: bool(MASK[b, s]), linear_similarity)
    torch.testing.assert_close(module(x, memory, MASK), expected)


@pytest.mark.parametrize("kind", ["full", "local", "linear"])
@pytest.mark.parametrize("causal", [False, True])
def test_what_may_not_be_seen_changes_nothing(kind, causal):
    module, x = MultiHeadAttention(D, HEADS, kind, window=2), tokens(S, 1)
    changed = torch.where(MASK[..., None], x, x + 100)  # of the keys and values only
    query = tokens(S, 3)
    torch.testing.assert_close(module(query, x, MASK, causal), module(query, changed, MASK, causal))
    if causal:
        later = x.clone()
        later[:, 3:] += 7
        torch.testing.assert_close(module(query, x, causal=True)[:, :3], module(query, later, causal=True)[:, :3])
        assert not torch.allclose(module(query, x, causal=True)[:, 3:], module(query, later, causal=True)[:, 3:])


@pytest.mark.parametrize("kind", ["full", "local", "linear"])
@pytest.mark.parametrize("causal", [False, True])
def test_a_query_without_any_key_gets_the_outputs_bias_and_finite_gradients(kind, causal):
    module, x = MultiHeadAttention(D, HEADS, kind), tokens(S, 1).requires_grad_()
    mask = MASK.clone()
    mask[0] = False
    y = module(x, mask=mask, causal=causal)
    torch.testing.assert_close(y[0], module.out.bias.expand(S, D))
    if kind != "linear":
        weights = module.weights(x, mask=mask, causal=causal)
        assert (weights[0] == 0).all() and weights.isfinite().all()
    y.square().sum().backward()
    assert y.isfinite().all() and x.grad.isfinite().all()


def test_rows_of_the_map_sum_to_one():
    for kind in ("full", "local"):
        weights = MultiHeadAttention(D, HEADS, kind, window=1).weights(tokens(T, 1), causal=True)
        assert weights.shape == (BATCH, HEADS, T, T)
        torch.testing.assert_close(weights.sum(-1), torch.ones(BATCH, HEADS, T))
        assert (weights.triu(1) == 0).all()


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="'sparse'"):
        MultiHeadAttention(D, HEADS, "sparse")
    with pytest.raises(ValueError, match="8 is no multiple of 3"):
        MultiHeadAttention(D, 3)


def test_linear_attention_has_no_map():
    with pytest.raises(ValueError, match="has no map"):
        MultiHeadAttention(D, HEADS, "linear").weights(tokens(T, 1))
