"""Spectra of a song become sound, piece by piece: gains drawn out to bins, overlap-add, a room's answer. Chapter 12."""

from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import pad

from .audio import Stft

Strips = list[tuple[slice, slice, Tensor]]


def strips_of(to_bins: Tensor, count: int = 8) -> Strips:
    """The matrix (F, K) that draws bands out to bins, in strips of bins, each with the few bands that it takes: bins,
    bands, matrix."""
    edges = torch.linspace(0, to_bins.shape[1], count + 1).long().tolist()
    found = []
    for bins in (slice(*pair) for pair in pairwise(edges)):
        used = to_bins[:, bins].any(1).nonzero()[:, 0]
        bands = slice(int(used[0]), int(used[-1]) + 1)
        found.append((bins, bands, to_bins[bands, bins].contiguous()))
    return found


def add_turned(out: Tensor, gains: Tensor, spectrum: Tensor, strips: Strips) -> None:
    """Add spectra (1 or 2, T, K), turned by gains (2, 2, T, F), real and imaginary of two channels, to (2, T, K)."""
    for bins, bands, matrix in strips:
        real, imaginary = gains[..., bands] @ matrix
        out[..., bins].addcmul_(torch.complex(real, imaginary), spectrum[..., bins])


def add_sent(out: Tensor, gains: Tensor, spectrum: Tensor) -> None:
    """Add the middle of spectra (1 or 2, T, K), times gains (K,), to (T, K)."""
    for channel in spectrum:
        out.addcmul_(channel, (gains / len(spectrum)).to(out.dtype))


def overlap_add(spectrum: Tensor, stft: Stft) -> Tensor:
    """:meth:`tfrgan_lite.audio.Stft.inverse`, faster: complex (..., T, K) -> the samples from the middle of the first
    frame to the foot of the last, whole where every frame that reaches them is there."""
    before = (stft.n_fft - stft.win_length) // 2  # the window stands in the middle of the FFT
    frames = torch.fft.irfft(spectrum, n=stft.n_fft)[..., before : before + stft.win_length]
    sound = _added(frames, stft.window, stft.hop_length)
    return sound.div_(_weight(stft, frames.shape[-2])).flatten(-2)[..., stft.n_fft // 2 - before :]


@lru_cache(maxsize=4)
def _weight(stft: Stft, frames: int) -> Tensor:
    """What the squares of so many windows add up to."""
    return _added(stft.window.expand(frames, -1), stft.window, stft.hop_length).clamp_min(1e-8)


def _added(frames: Tensor, window: Tensor, hop: int) -> Tensor:
    """Frames (..., T, width) times the window, each laid a hop after the last and added up: (..., rows, hop)."""
    count, width = frames.shape[-2:]
    sound = frames.new_zeros(*frames.shape[:-2], count + -(-width // hop) - 1, hop)
    for k, start in enumerate(range(0, width, hop)):
        part = slice(start, min(start + hop, width))
        sound[..., k : k + count, : part.stop - start].addcmul_(frames[..., part], window[part])
    return sound


class Room:
    """A room's answer to sends (rows, samples) that come in pieces: one convolution, whatever the pieces.

    By overlap-save, in blocks of `hop` samples, each read with what came before it.
    """

    def __init__(self, impulse: Tensor, rows: int = 1):
        self.reach = impulse.shape[-1] - 1
        self.size = 2 ** max((2 * self.reach).bit_length(), 12)  # where an FFT takes least for a sample
        self.hop = self.size - self.reach
        self.spectrum = torch.fft.rfft(impulse, n=self.size)[:, None]  # (2, 1, K)
        self.before = torch.zeros(rows, self.reach)

    def __call__(self, send: Tensor) -> Tensor:
        """The next piece (rows, samples) -> the answer's next piece (rows, 2, samples)."""
        samples = send.shape[-1]
        heard = torch.cat([self.before, send], dim=-1)
        self.before = heard[:, samples:]
        heard = pad(heard, (0, -samples % self.hop)).unfold(-1, self.size, self.hop)  # (rows, blocks, size)
        answer = torch.fft.irfft(torch.fft.rfft(heard)[:, None] * self.spectrum, n=self.size)
        return answer[..., self.reach :].flatten(-2)[..., :samples]
