"""What an engineer hears: levels, crest, balance and density of every track, from one spectrogram."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.fft import rfft
from scipy.signal.windows import tukey
from torch import Tensor

from ..audio import decibels

BAND_EDGES_HZ = np.geomspace(40, 16000, 25)
BAND_HZ = np.sqrt(BAND_EDGES_HZ[1:] * BAND_EDGES_HZ[:-1])
SILENCE_DB = -70.0


@dataclass(frozen=True)
class Heard:
    """Measurements, each a tensor (tracks,) but for `power`; a silent track has finite values that mean nothing.

    level_db: K-weighted level of the sounding frames, LUFS
    audible: whether that is above -70
    peak_db: sample peak, dBFS
    crest_db: peak against the RMS of the sounding frames
    tilt_db: energy of 2 to 10 kHz against that of 80 to 500 Hz
    centroid_hz: mean frequency on a logarithmic scale
    density: share of frames that sound, 0 to 1
    width: energy of the sides against the middle, 0 (mono) to 1
    power: power in 24 bands from 40 Hz to 16 kHz, (tracks, 24), of the track turned to 0 LUFS
    """

    level_db: Tensor
    audible: Tensor
    peak_db: Tensor
    crest_db: Tensor
    tilt_db: Tensor
    centroid_hz: Tensor
    density: Tensor
    width: Tensor
    power: Tensor

    @property
    def bands(self) -> Tensor:
        """Amplitude in the 24 bands, (tracks, 24), adding up to 1."""
        amplitude = self.power.sqrt()
        return amplitude / amplitude.sum(1, keepdim=True)

    @property
    def overlaps(self) -> Tensor:
        """How much of two tracks lies in the same bands, 0 to 1 (histogram intersection), (tracks, tracks)."""
        bands = self.bands
        return torch.minimum(bands[:, None], bands).sum(-1)

    def overlap(self, one: int, other: int, low_hz: float = 0.0, high_hz: float = np.inf) -> Tensor:
        """One element of `overlaps`, or the part of it that lies between two frequencies."""
        inside = torch.from_numpy((BAND_HZ >= low_hz) & (BAND_HZ < high_hz))
        bands = self.bands[[one, other]]
        return torch.minimum(bands[0], bands[1])[inside].sum()


Groups = list[tuple[Tensor, Tensor]]


def by_width(stems: Tensor) -> Groups:
    """Split stems (tracks, 2, samples) into those with equal channels, of which one is kept, and the others.

    Returns (indices (n,), audio (n, 1 or 2, samples)) for each kind that occurs: a mono track is computed once.
    """
    mono = torch.tensor([torch.equal(stem[0], stem[-1]) for stem in stems])
    if mono.all() or not mono.any():  # the usual selection would copy
        return [(torch.arange(len(stems)), stems[:, : 1 if mono.all() else 2])]
    return [(which.nonzero()[:, 0], stems[which, :channels]) for which, channels in ((mono, 1), (~mono, 2))]


@lru_cache(maxsize=8)
def _ruler(sample_rate: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Samples in a frame of about 93 ms, its bins in Hz, and the power response of the K weighting of BS.1770, nearly:
    a high pass at 38 Hz and a shelf of 4 dB about 1.5 kHz.
    """
    size = 2 ** round(np.log2(0.093 * sample_rate))
    hz = np.linspace(0, sample_rate / 2, size // 2 + 1)
    high_pass = (hz**2 / (hz**2 + 38.0**2)) ** 2
    top, x = 10 ** (4 / 10), (hz / 1500) ** 4
    return size, hz, (high_pass * (1 + top * x) / (1 + x)).astype(np.float32)


def _frames(track: Tensor, size: int, window: np.ndarray | None = None) -> np.ndarray:
    """Power spectra (frames, bins) of frames side by side, of a track (1 or 2, samples).

    A frame adds up to the mean square of its two channels together, as BS.1770 sums them; a mono track counts twice.
    """
    samples, power = track.shape[-1], 0
    energy = size if window is None else np.square(window).sum()
    scale = np.sqrt(2 / len(track) * 2 / (size * energy), dtype=np.float32)
    for channel in track.numpy():
        frames = np.zeros((max(-(-samples // size), 1), size), np.float32)
        np.multiply(channel, scale, out=frames.reshape(-1)[:samples])
        if window is not None:
            frames *= window
        spectrum = rfft(frames, axis=-1, overwrite_x=True)
        power = power + (spectrum.real**2 + spectrum.imag**2)
    return power


def _to_lufs(power: Tensor) -> Tensor:
    return 10 * torch.log10(power.clamp_min(1e-12)) - 0.691


def gated(power: Tensor) -> tuple[Tensor, Tensor]:
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
    return gated(blocks(torch.stack([powers(track, sample_rate) for track in _in_order(groups)])))[0]


def powers(track: Tensor, sample_rate: int) -> Tensor:
    """K-weighted power of frames side by side, of :func:`frame` samples: (1 or 2, samples) -> (frames,)."""
    size, _, k_weights = _ruler(sample_rate)
    return torch.from_numpy(_frames(track, size) @ k_weights)


def frame(sample_rate: int) -> int:
    """Samples in a frame of :func:`powers`: about 93 ms."""
    return _ruler(sample_rate)[0]


def blocks(powers: Tensor) -> Tensor:
    """Powers (tracks, frames) -> of blocks of four frames, one from each frame on: (tracks, frames - 3), at least 1."""
    return torch.nn.functional.avg_pool1d(powers[:, None], 4, 1)[:, 0] if powers.shape[1] > 4 else powers


def listen(groups: Groups, sample_rate: int) -> Heard:
    """Measure every track of `by_width(stems)`."""
    size, hz, k_weights = _ruler(sample_rate)
    window = tukey(size, 0.5, sym=False).astype(np.float32)  # without its tapers the bass would leak into the treble
    measured = [_measure(track, size, window, k_weights) for track in _in_order(groups)]
    loud, density, spectrum, peak, width = (torch.stack(column) for column in zip(*measured, strict=True))
    level_db, peak_db = _to_lufs(loud), decibels(peak.clamp_min(1e-4))
    rms_db = 10 * torch.log10(spectrum.sum(1) / 2)

    def energy(low: float, high: float) -> Tensor:
        return spectrum[:, (hz >= low) & (hz < high)].sum(1)

    inside = (hz >= BAND_EDGES_HZ[0]) & (hz < BAND_EDGES_HZ[-1])
    log_hz = torch.from_numpy(np.log(hz[inside])).float()
    band = torch.from_numpy(np.digitize(hz[inside], BAND_EDGES_HZ) - 1)
    inner = spectrum[:, inside]
    power = torch.zeros(len(spectrum), len(BAND_HZ)).index_add_(1, band, inner)
    return Heard(
        level_db=level_db,
        audible=level_db > SILENCE_DB,
        peak_db=peak_db,
        crest_db=(peak_db - rms_db).clamp(3, 30),
        tilt_db=10 * torch.log10(energy(2000, 10000) / energy(80, 500)),
        centroid_hz=torch.exp(inner @ log_hz / inner.sum(1)),
        density=density,
        width=width,
        power=power / 10 ** (level_db / 10)[:, None],
    )


def _in_order(groups: Groups) -> list[Tensor]:
    """The tracks of `groups`, each (1 or 2, samples), in the order of the song."""
    tracks = {int(k): track for index, audio in groups for k, track in zip(index, audio, strict=True)}
    return [tracks[k] for k in sorted(tracks)]


def _measure(track: Tensor, size: int, window: np.ndarray, k_weights: np.ndarray) -> tuple[Tensor, ...]:
    """K-weighted power, density, mean spectrum (bins,) of the sounding frames, peak, and width of one track."""
    power = torch.from_numpy(_frames(track, size, window))
    k_power = power @ torch.from_numpy(k_weights)
    _, passed = gated(k_power[None])
    passed = passed[0].float()
    share = passed / passed.sum().clamp_min(1)
    width = torch.zeros(())
    if len(track) == 2:
        left, right, both = track[0].dot(track[0]), track[1].dot(track[1]), track[0].dot(track[1])
        width = ((left + right - 2 * both) / (left + right + 2 * both + 1e-9)).clamp(0, 1)
    return share @ k_power, passed.mean(), share @ power + 1e-14, torch.maximum(track.max(), -track.min()), width
