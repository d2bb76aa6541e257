"""Mel serialization, second half: the matrix X (T, F) becomes a sequence of tokens, and exactly back. Chapter 03.

Three ways, from the paper's section 2: one token a frame, one token for every ``stride`` frames, one token for every
16×16 patch (Dosovitskiy et al. 2021). Each is a reshape, undone exactly, followed by a learned linear projection.
"""

import torch.nn.functional as functional
from torch import Tensor, nn


def strips(x: Tensor, stride: int) -> Tensor:
    """(..., T, F) -> (..., ceil(T / stride), stride * F): frames side by side, the last strip padded with zeros."""
    frames, mels = x.shape[-2:]
    x = functional.pad(x, (0, 0, 0, -frames % stride))
    return x.reshape(*x.shape[:-2], -1, stride * mels)


def unstrips(tokens: Tensor, frames: int, stride: int) -> Tensor:
    """Exact inverse of :func:`strips`: (..., ceil(frames / stride), stride * F) -> (..., frames, F)."""
    return tokens.reshape(*tokens.shape[:-2], -1, tokens.shape[-1] // stride)[..., :frames, :]


def patchify(x: Tensor, size: int = 16) -> Tensor:
    """(..., T, F) -> (..., tokens, size²): square patches, row by row in time, the last ones padded with zeros."""
    frames, mels = x.shape[-2:]
    x = functional.pad(x, (0, -mels % size, 0, -frames % size))
    rows, columns = x.shape[-2] // size, x.shape[-1] // size
    x = x.reshape(*x.shape[:-2], rows, size, columns, size).transpose(-3, -2)
    return x.reshape(*x.shape[:-4], rows * columns, size * size)


def unpatchify(tokens: Tensor, frames: int, mels: int, size: int = 16) -> Tensor:
    """Exact inverse of :func:`patchify`: (..., tokens, size²) -> (..., frames, mels)."""
    rows, columns = -(-frames // size), -(-mels // size)
    x = tokens.reshape(*tokens.shape[:-2], rows, columns, size, size).transpose(-3, -2)
    return x.reshape(*x.shape[:-4], rows * size, columns * size)[..., :frames, :mels]


class TokenEmbedding(nn.Module):
    """Strips of frames, projected to the model's width: (..., T, F) -> (..., ceil(T / stride), d_model).

    With ``stride=1`` this is the paper's (T, F) -> (T, d_model). All tracks go through the same projection: the paper's
    [tracks, mels] of one frame stay ``tracks`` tokens, so that any number of tracks in any order can be embedded.
    """

    def __init__(self, mels: int, d_model: int, stride: int = 1):
        super().__init__()
        self.stride = stride
        self.project = nn.Linear(stride * mels, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(..., T, F) -> (..., tokens, d_model)."""
        return self.project(strips(x, self.stride))


class PatchEmbedding(nn.Module):
    """Square patches, projected to the model's width: (..., T, F) -> (..., ceil(T / size) * ceil(F / size),
    d_model).
    """

    def __init__(self, d_model: int, size: int = 16):
        super().__init__()
        self.size = size
        self.project = nn.Linear(size * size, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(..., T, F) -> (..., tokens, d_model)."""
        return self.project(patchify(x, self.size))
