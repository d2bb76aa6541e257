"""What an engineer hears: levels, crest, balance and density of every track, from one spectrogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..audio import decibels

BAND_EDGES_HZ = np.geomspace(40, 16000, 25)
SILENCE_DB = -70.0


@dataclass(frozen=True)
class Heard:
    """Measurements, each a tensor (tracks,) but for `bands`; a silent track has finite values that mean nothing.

    level_db: K-weighted level of the sounding frames, LUFS
    audible: whether that is above -70
    peak_db: sample peak, dBFS
    crest_db: peak against the RMS of the sounding frames
    tilt_db: energy of 2 to 10 kHz against that of 80 to 500 Hz
    centroid_hz: mean frequency on a logarithmic scale
    presence_hz: the same within 500 to 5000 Hz
    low_hz: centre of the strongest band below 160 Hz
    density: share of frames that sound, 0 to 1
    width: energy of the sides against the middle, 0 (mono) to 1
    bands: amplitude in 24 bands from 40 Hz to 16 kHz, (tracks, 24), adding up to 1
    """

    level_db: Tensor
    audible: Tensor
    peak_db: Tensor
    crest_db: Tensor
    tilt_db: Tensor
    centroid_hz: Tensor
    presence_hz: Tensor
    low_hz: Tensor
    density: Tensor
    width: Tensor
    bands: Tensor

    def overlap(self, one: int, other: int) -> Tensor:
        """How much of two tracks lies in the same bands, 0 to 1 (histogram intersection)."""
        return torch.minimum(self.bands[one], self.bands[other]).sum()


Groups = list[tuple[Tensor, Tensor]]


def by_width(stems: Tensor) -> Groups:
    """Split stems (tracks, 2, samples) into those with equal channels, of which one is kept, and the others.

    Returns (indices (n,), audio (n, 1 or 2, samples)) for each kind that occurs: a mono track is computed once.
    """
    mono = (stems[:, 0] == stems[:, -1]).all(-1)
    return [
        (which.nonzero()[:, 0], stems[which, :channels]) for which, channels in ((mono, 1), (~mono, 2)) if which.any()
    ]


def _frames(groups: Groups, sample_rate: int, overlap: bool = True) -> tuple[Tensor, Tensor]:
    """Power spectra of 93 ms frames: (tracks, frames, bins), and the bins in Hz.

    Hann windows, half overlapping; or, twice as fast and enough for a level, plain frames side by side. The bins of a
    frame add up to the mean square of its two channels together, as BS.1770 sums them.
    """
    size = 2 ** round(np.log2(0.093 * sample_rate))
    window, hop = (torch.hann_window(size), size // 2) if overlap else (torch.ones(size), size)
    hz = torch.linspace(0, sample_rate / 2, size // 2 + 1)
    samples = groups[0][1].shape[-1]
    frames = max(-(-samples // hop), 1)
    out = torch.empty(sum(len(index) for index, _ in groups), frames, len(hz))
    for index, audio in groups:
        audio = torch.nn.functional.pad(audio, (0, (frames - 1) * hop + size - samples))
        spectrum = torch.fft.rfft(audio.unfold(-1, size, hop) * window)
        power = spectrum.real.square().add_(spectrum.imag.square())
        power = power[:, 0] * 2 if audio.shape[1] == 1 else power.sum(1)
        out[index] = power.mul_(2 / (size * float(window.square().sum())))
    return out, hz


def _k_weights(hz: Tensor) -> Tensor:
    """Power response of the K weighting of BS.1770, nearly: a high pass at 38 Hz and a shelf of 4 dB about 1.5 kHz."""
    high_pass = (hz.square() / (hz.square() + 38.0**2)).square()
    top, x = 10 ** (4 / 10), (hz / 1500) ** 4
    return high_pass * (1 + top * x) / (1 + x)


def _to_lufs(power: Tensor) -> Tensor:
    return 10 * torch.log10(power.clamp_min(1e-12)) - 0.691


def _gated(power: Tensor) -> tuple[Tensor, Tensor]:
    """Level in LUFS of K-weighted powers (tracks, blocks), and which blocks passed the two gates of BS.1770."""
    lufs = _to_lufs(power)
    passed = lufs > SILENCE_DB
    mean = (power * passed).sum(1) / passed.sum(1).clamp_min(1)
    passed &= lufs > (_to_lufs(mean) - 10)[:, None]
    mean = (power * passed).sum(1) / passed.sum(1).clamp_min(1)
    return torch.where(passed.any(1), _to_lufs(mean), SILENCE_DB), passed


def level(groups: Groups, sample_rate: int) -> Tensor:
    """Integrated loudness of each track in LUFS, (tracks,): `audio.loudness` within 1 LU, and much faster.

    The K weighting is applied to spectra, and the blocks of 370 ms are means of four frames.
    """
    power, hz = _frames(groups, sample_rate, overlap=False)
    blocks = power @ _k_weights(hz)
    if blocks.shape[1] > 4:
        blocks = torch.nn.functional.avg_pool1d(blocks[:, None], 4, 1)[:, 0]
    return _gated(blocks)[0]


def listen(groups: Groups, sample_rate: int) -> Heard:
    """Measure every track of `by_width(stems)`."""
    power, hz = _frames(groups, sample_rate)
    level_db, passed = _gated(power @ _k_weights(hz))
    audible = level_db > SILENCE_DB
    spectrum = (passed.float()[:, None] @ power)[:, 0] / passed.sum(1, keepdim=True).clamp_min(1) + 1e-14
    peak, width = torch.zeros(len(spectrum)), torch.zeros(len(spectrum))
    for index, audio in groups:
        peak[index] = audio.abs().amax((1, 2))
        if audio.shape[1] == 2:
            middle, sides = (audio[:, 0] + audio[:, 1]).square().mean(-1), (audio[:, 0] - audio[:, 1]).square().mean(-1)
            width[index] = (sides / (middle + 1e-12)).clamp(0, 1)
    peak_db = decibels(peak.clamp_min(1e-4))
    rms_db = 10 * torch.log10(spectrum.sum(1) / 2)

    def energy(low: float, high: float) -> Tensor:
        return (spectrum * ((hz >= low) & (hz < high))).sum(1)

    def mean_hz(low: float, high: float) -> Tensor:
        inside = (hz >= low) & (hz < high)
        part = spectrum[:, inside]
        return torch.exp((part * hz[inside].log()).sum(1) / part.sum(1))

    band_of = torch.bucketize(hz, torch.tensor(BAND_EDGES_HZ, dtype=hz.dtype))
    bands = torch.zeros(len(spectrum), len(BAND_EDGES_HZ) + 1).index_add_(1, band_of, spectrum)[:, 1:-1].sqrt()
    centres = torch.tensor(np.sqrt(BAND_EDGES_HZ[1:] * BAND_EDGES_HZ[:-1]), dtype=torch.float32)
    return Heard(
        level_db=level_db,
        audible=audible,
        peak_db=peak_db,
        crest_db=(peak_db - rms_db).clamp(3, 30),
        tilt_db=10 * torch.log10(energy(2000, 10000) / energy(80, 500)),
        centroid_hz=mean_hz(40, 16000),
        presence_hz=mean_hz(500, 5000),
        low_hz=centres[bands[:, centres < 160].argmax(1)],
        density=passed.float().mean(1),
        width=width,
        bands=bands / bands.sum(1, keepdim=True),
    )
