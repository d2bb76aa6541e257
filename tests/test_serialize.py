"""tfrgan_lite.serialize: shapes, exact inverses for any T and F, what stands where, and the learned projections."""

import math

import pytest
import torch

from tfrgan_lite.serialize import PatchEmbedding, TokenEmbedding, patchify, strips, unpatchify, unstrips


def matrix(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


SIZES = [(1000, 80), (16, 16), (1, 1), (17, 80), (32, 81), (999, 79), (5, 100)]


@pytest.mark.parametrize(("frames", "mels"), SIZES)
@pytest.mark.parametrize("size", [1, 8, 16])
@pytest.mark.parametrize("leading", [(), (3,), (2, 3)])
def test_patches_and_back(frames, mels, size, leading):
    x = matrix(*leading, frames, mels)
    tokens = patchify(x, size)
    assert tokens.shape == (*leading, math.ceil(frames / size) * math.ceil(mels / size), size * size)
    assert torch.equal(unpatchify(tokens, frames, mels, size), x)


@pytest.mark.parametrize(("frames", "mels"), SIZES)
@pytest.mark.parametrize("stride", [1, 2, 16])
@pytest.mark.parametrize("leading", [(), (2, 3)])
def test_strips_and_back(frames, mels, stride, leading):
    x = matrix(*leading, frames, mels)
    tokens = strips(x, stride)
    assert tokens.shape == (*leading, math.ceil(frames / stride), stride * mels)
    assert torch.equal(unstrips(tokens, frames, stride), x)


def test_a_patch_holds_its_square_and_padding_is_zero():
    x = matrix(20, 40)
    tokens = patchify(x)  # 2 rows of 3 patches
    assert tokens.shape == (6, 256)
    assert torch.equal(tokens[1], x[:16, 16:32].flatten())
    corner = tokens[5].reshape(16, 16)
    assert torch.equal(corner[:4, :8], x[16:, 32:])
    assert corner[4:].abs().sum() == 0 and corner[:, 8:].abs().sum() == 0


def test_a_strip_holds_its_frames_in_order_and_padding_is_zero():
    x = matrix(5, 3)
    tokens = strips(x, 2)
    assert torch.equal(tokens[1], torch.cat([x[2], x[3]]))
    assert torch.equal(tokens[2], torch.cat([x[4], torch.zeros(3)]))


def test_default_patch_is_16_by_16():
    assert patchify(matrix(1000, 80)).shape == (315, 256)
    assert torch.equal(unpatchify(patchify(matrix(1000, 80)), 1000, 80), matrix(1000, 80))


def test_frame_tokens_are_t_by_d_model():
    assert TokenEmbedding(80, 64)(matrix(1000, 80)).shape == (1000, 64)
    assert TokenEmbedding(80, 64, stride=16)(matrix(2, 4, 1000, 80)).shape == (2, 4, 63, 64)
    assert PatchEmbedding(64)(matrix(2, 4, 1000, 80)).shape == (2, 4, 315, 64)
    assert PatchEmbedding(64, size=8)(matrix(33, 80)).shape == (50, 64)


def test_a_token_depends_on_its_own_frames_only():
    embed, x = TokenEmbedding(80, 8, stride=4), matrix(16, 80)
    changed = x.clone()
    changed[6] += 1
    moved = (embed(changed) - embed(x)).abs().amax(1) > 1e-6
    assert moved.tolist() == [False, True, False, False]


def test_any_number_of_tracks_in_any_order_share_one_projection():
    embed, x = TokenEmbedding(80, 8, stride=4), matrix(5, 32, 80)
    order = torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(embed(x[order]), embed(x)[order])
    torch.testing.assert_close(embed(x[2:3])[0], embed(x)[2])


def test_embeddings_learn():
    for embed in (TokenEmbedding(80, 8, stride=16), PatchEmbedding(8)):
        embed(matrix(20, 80)).square().sum().backward()
        assert all(float(p.grad.abs().sum()) > 0 for p in embed.parameters())
