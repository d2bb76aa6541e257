"""The master of a mix: the gain that brings it to a loudness, and the limiter that follows. Any length, in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy.signal import sosfilt
from torch import Tensor
from torch.nn.functional import avg_pool1d, max_pool1d

from ..audio import amplitude, decibels, k_weighting, limiter_gain
from .ears import gated

CEILING_DB, WINDOW_MS = -1.0, 20.0
MOST_LIMITING_DB = 12.0
NEAR_LU = 0.002  # when the master gain is found
BLOCK_S = 30.0  # that the limiter works on at a time


class Meter:
    """Power, K-weighted as BS.1770 has it, and peak of each millisecond of a mix (2, samples) that comes in blocks."""

    def __init__(self, sample_rate: int):
        self.step = max(round(sample_rate / 1000), 1)
        self.sections = k_weighting(sample_rate)
        self.state = np.zeros((len(self.sections), 2, 2))
        self.rest = np.zeros((2, 2, 0))  # (weighted or not, channel, samples) of a millisecond that is not complete
        self.powers: list[np.ndarray] = []
        self.peaks: list[np.ndarray] = []

    def hear(self, audio: Tensor) -> None:
        """Take in the next block (2, samples)."""
        given = audio.numpy()
        weighted, self.state = sosfilt(self.sections, given, zi=self.state)
        both = [weighted, given]
        if self.rest.shape[-1]:
            both = [np.concatenate([old, new], axis=-1) for old, new in zip(self.rest, both, strict=True)]
        whole = both[0].shape[-1] // self.step * self.step
        self.rest = np.stack([x[:, whole:] for x in both])
        self._count(*(x[:, :whole] for x in both))

    def _count(self, weighted: np.ndarray, given: np.ndarray) -> None:
        weighted, given = (x.reshape(2, -1, self.step) for x in (weighted, given))
        self.powers.append(np.einsum("csi,csi->s", weighted, weighted) / self.step)
        self.peaks.append(np.maximum(given.max((0, 2)), -given.min((0, 2))))

    def gain_to(self, target: float) -> tuple[float, float]:
        """The gain in dB before the limiter that brings the mix heard so far to `target` LUFS after it, at most 12 dB
        into the limiter; and the loudness in LUFS that it then has.

        What the limiter takes away is given back, until nothing is missing: on the power and the peak of each
        millisecond, which is exact enough for loudness, and quick.
        """
        power, peak = np.concatenate(self.powers), np.concatenate(self.peaks)
        short = max(400 - len(power), 0)  # the standard's block is 400 ms
        if short:  # then the last millisecond counts, too
            end = np.pad(self.rest, ((0, 0), (0, 0), (0, self.step - self.rest.shape[-1])))
            power = np.pad(np.append(power, np.square(end[0]).sum() / self.step), (0, short - 1))
            peak = np.pad(np.append(peak, np.abs(end[1]).max()), (0, short - 1))
        power, peak = (torch.from_numpy(x).float()[None] for x in (power, peak))
        peak, width = peak.clamp_min(1e-9), 2 * int(WINDOW_MS / 2) + 1
        ceiling, gain = 10 ** (CEILING_DB / 20), torch.ones(())
        most = ceiling * 10 ** (MOST_LIMITING_DB / 20) / peak.max()
        for _ in range(8):
            wanted = (ceiling / (gain * peak)).clamp_max(1)
            smallest = -max_pool1d(-wanted, width, 1, width // 2)
            over_time = gain * avg_pool1d(smallest, width, 1, width // 2, count_include_pad=False)
            lufs, _ = gated(avg_pool1d(power * over_time.square(), 400, 100))
            gain = torch.minimum(gain * amplitude(target - lufs), most)
            if abs(target - lufs) < NEAR_LU:
                break
        return float(decibels(gain)), float(lufs)


def gain_to(target: float, mix: Tensor, sample_rate: int) -> float:
    """:meth:`Meter.gain_to` of a whole mix (2, samples): the gain in dB."""
    meter = Meter(sample_rate)
    meter.hear(mix)
    return meter.gain_to(target)[0]


def master_gain(
    mix: Tensor, sample_rate: int, gain_db: float, ceiling_db: float = CEILING_DB, window_ms: float = WINDOW_MS
) -> Tensor:
    """The master's gain over time, (samples,), for a mix (2, samples): the limiter's on top of `gain_db`."""
    gain = 10 ** (gain_db / 20)
    return limiter_gain(mix * gain, sample_rate, ceiling_db, window_ms) * gain


def master_gains(
    read: Callable[[int, int], Tensor], samples: int, sample_rate: int, gain_db: float
) -> Iterator[tuple[int, Tensor]]:
    """:func:`master_gain` of a mix of any length in blocks of 30 s: the first sample of each, and its gain over time.

    read: gives the mix (2, stop - start) from a first sample to before a last one.
    """
    block = round(BLOCK_S * sample_rate)
    margin = -(-round(sample_rate * WINDOW_MS / 1000) * 4 // 16) * 16  # the limiter looks as far, in steps of 16
    for start in range(0, samples, block - block % 16):
        stop = min(start + block - block % 16, samples)
        before = min(margin, start)
        gain = master_gain(read(start - before, min(stop + margin, samples)), sample_rate, gain_db)
        yield start, gain[before : before + stop - start]
