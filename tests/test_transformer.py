"""tfrgan_lite.transformer: who hears whom, causality, permutations of tracks, and the KL of every layer."""

import pytest
import torch
from torch import nn

from tfrgan_lite.transformer import FeedForward, FeedForwardBetaVAE, TFRDecoder, TFREncoder, TFREncoderLayer

B, N, T, S, D, HEADS, LATENT, LAYERS = 2, 4, 6, 5, 8, 2, 3, 2
PRESENT = torch.tensor([[True, True, False, True], [True, True, True, True]])
KINDS = ("full", "local", "linear")


def tokens(length: int, seed: int) -> torch.Tensor:
    return torch.randn(B, N, length, D, generator=torch.Generator().manual_seed(seed))


def encoder(kind: str = "full") -> TFREncoder:
    torch.manual_seed(0)
    return TFREncoder(LAYERS, D, HEADS, LATENT, kind).eval()


def decoder(kind: str = "full") -> TFRDecoder:
    torch.manual_seed(0)
    return TFRDecoder(LAYERS, D, HEADS, LATENT, kind).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_a_kl_for_each_layer(kind):
    memory, kl = encoder(kind)(tokens(T, 1), PRESENT)
    assert memory.shape == (B, N, T, D) and [layer.shape for layer in kl] == [(B, N, T, LATENT)] * LAYERS
    y, kl = decoder(kind)(tokens(S, 2), memory, PRESENT)
    assert y.shape == (B, N, S, D) and [layer.shape for layer in kl] == [(B, N, S, LATENT)] * LAYERS
    assert all((layer >= 0).all() for layer in kl)


@pytest.mark.parametrize("kind", KINDS)
def test_absent_tracks_are_heard_by_nobody(kind):
    x, changed = tokens(T, 1), tokens(T, 1)
    changed[0, 2] += 10
    one, other = (encoder(kind)(each, PRESENT)[0] for each in (x, changed))
    torch.testing.assert_close(one[PRESENT], other[PRESENT])
    heard, _ = encoder(kind)(changed, torch.ones_like(PRESENT))
    assert not torch.allclose(heard[0, 0], encoder(kind)(x, torch.ones_like(PRESENT))[0][0, 0])
    y = tokens(S, 2)
    torch.testing.assert_close(
        decoder(kind)(y, one, PRESENT)[0][PRESENT],
        decoder(kind)(y, one + 9 * ~PRESENT[..., None, None], PRESENT)[0][PRESENT],
    )


@pytest.mark.parametrize("kind", KINDS)
def test_tracks_are_heard_by_each_other_in_both_stacks(kind):
    x = tokens(T, 1).requires_grad_()
    memory, _ = encoder(kind)(x, PRESENT)
    memory[0, 0].sum().square().backward()
    assert (x.grad[0, [1, 3]].abs().sum((1, 2)) > 0).all()
    assert (x.grad[0, 2] == 0).all() and (x.grad[1] == 0).all()  # not the absent, and not another song's
    memory = tokens(T, 3).requires_grad_()
    decoder(kind)(tokens(S, 2), memory, PRESENT)[0][0, 0].square().sum().backward()
    assert (memory.grad[0, [0, 1, 3]].abs().sum((1, 2)) > 0).all() and (memory.grad[0, 2] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_decoder_is_causal(kind):
    memory, y = tokens(T, 1), tokens(S, 2)
    changed = y.clone()
    changed[:, :, 3:] += 5
    one, kl = decoder(kind)(y, memory, PRESENT)
    other, other_kl = decoder(kind)(changed, memory, PRESENT)
    torch.testing.assert_close(one[:, :, :3], other[:, :, :3])
    assert not torch.allclose(one[:, :, 3:], other[:, :, 3:])
    for a, b in zip(kl, other_kl, strict=True):
        torch.testing.assert_close(a[:, :, :3], b[:, :, :3])


def test_a_start_token_reaches_every_later_token_of_its_track():
    memory, y = tokens(T, 1), tokens(S, 2).requires_grad_()
    decoder()(y, memory, PRESENT)[0][0, 1, -1].square().sum().backward()
    assert (y.grad[0, 1].abs().sum(1) > 0).all()
    assert (y.grad[0, [0, 2, 3]] == 0).all()  # the decoder hears other tracks through the memory only


@pytest.mark.parametrize("kind", KINDS)
def test_permuting_tracks_permutes_the_result(kind):
    order = torch.tensor([2, 0, 3, 1])
    x, y = tokens(T, 1), tokens(S, 2)
    memory, kl = encoder(kind)(x, PRESENT)
    permuted, permuted_kl = encoder(kind)(x[:, order], PRESENT[:, order])
    torch.testing.assert_close(permuted, memory[:, order])
    torch.testing.assert_close(permuted_kl[-1], kl[-1][:, order])
    decoded, _ = decoder(kind)(y, memory, PRESENT)
    torch.testing.assert_close(decoder(kind)(y[:, order], permuted, PRESENT[:, order])[0], decoded[:, order])


def test_padding_with_absent_tracks_changes_nothing():
    x = tokens(T, 1)
    alone, _ = encoder()(x[:, :2], torch.ones(B, 2, dtype=torch.bool))
    padded, _ = encoder()(x, torch.tensor([[True, True, False, False]]).expand(B, -1))
    torch.testing.assert_close(padded[:, :2], alone)


def test_noise_is_drawn_in_training_only_and_repeats_from_its_generator():
    model, x = encoder(), tokens(T, 1)
    torch.testing.assert_close(model(x, PRESENT)[0], model(x, PRESENT)[0])
    model.train()
    one, two, other = (model(x, PRESENT, torch.Generator().manual_seed(seed))[0] for seed in (0, 0, 1))
    torch.testing.assert_close(one, two)
    assert not torch.allclose(one, other)


def test_feed_forward_is_torchs_sequence_and_the_tail_adds_to_its_input():
    torch.manual_seed(0)
    x, tail = torch.randn(3, D, generator=torch.Generator().manual_seed(1)), FeedForwardBetaVAE(D, LATENT).eval()
    ffn = FeedForward(D)
    torch.testing.assert_close(ffn(x), ffn[2](nn.functional.gelu(x @ ffn[0].weight.T + ffn[0].bias)))
    for part in (tail.ffn[2], tail.vae.decode):  # with both ends silent, nothing is added
        nn.init.zeros_(part.weight)
        nn.init.zeros_(part.bias)
    torch.testing.assert_close(tail(x, None)[0], x)


def test_every_weight_of_a_layer_gets_a_gradient():
    torch.manual_seed(0)
    layer = TFREncoderLayer(D, HEADS, LATENT)
    y, kl = layer(tokens(T, 1), PRESENT, torch.Generator().manual_seed(0))
    (y.square().mean() + kl.mean()).backward()
    # A key's bias adds the same to a whole row of scores, which softmax does not hear.
    learning = {name: weight for name, weight in layer.named_parameters() if not name.endswith("key.bias")}
    assert [name for name, weight in learning.items() if weight.grad is None or weight.grad.abs().max() < 1e-6] == []


def test_deep_stacks_stay_finite_and_pass_gradients():
    torch.manual_seed(0)
    model, x = TFREncoder(12, D, HEADS, LATENT), tokens(T, 1).requires_grad_()
    model(x, PRESENT, torch.Generator().manual_seed(0))[0].square().mean().backward()
    assert x.grad.isfinite().all() and x.grad[PRESENT].abs().sum() > 0
