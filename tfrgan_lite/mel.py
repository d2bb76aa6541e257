"""Mel serialization, first half: frames, window, FFT, mel filter bank, log (paper, section 2). Chapter 03."""

from functools import lru_cache

import torch
from torch import Tensor, nn

from .audio import Stft

FLOOR = 1e-5  # added to the mel power before the logarithm: digital silence becomes log(1e-5) = -11.5


def hz_to_mel(hz: Tensor) -> Tensor:
    """Frequency in Hz -> mel, HTK's formula 2595 log10(1 + f / 700)."""
    return 2595 * torch.log10(1 + hz / 700)


def mel_to_hz(mel: Tensor) -> Tensor:
    """Mel -> frequency in Hz, the inverse of :func:`hz_to_mel`."""
    return 700 * (10 ** (mel / 2595) - 1)


def mel_points(n_mels: int, low_hz: float = 20.0, high_hz: float = 20000.0) -> Tensor:
    """The n_mels + 2 corner frequencies in Hz of the triangles: equally spaced in mel; band m peaks at point m + 1."""
    ends = hz_to_mel(torch.tensor([low_hz, high_hz], dtype=torch.float64))
    return mel_to_hz(torch.linspace(float(ends[0]), float(ends[1]), n_mels + 2, dtype=torch.float64))


def mel_filter_bank(sample_rate: int, n_fft: int, n_mels: int = 80) -> Tensor:
    """Triangular filters (n_fft / 2 + 1, n_mels) of height 1 from 20 Hz to 20 kHz, equally spaced in mel.

    Bands above half the sample rate are zero, so that band m means the same frequencies at every sample rate.
    """
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    points = mel_points(n_mels)
    width = points.diff()
    slopes = points - bins[:, None]  # (K, n_mels + 2)
    rising = -slopes[:, :-2] / width[:-1]
    falling = slopes[:, 2:] / width[1:]
    return torch.minimum(rising, falling).clamp_min(0).to(torch.float32)


def power_of(spectrum: Tensor) -> Tensor:
    """Power |z|² of a complex tensor, without the square root of abs, whose gradient is dear."""
    return spectrum.real.square() + spectrum.imag.square()


def standardised(log_mel: Tensor) -> Tensor:
    """Log-mel in nats, -11.5 (silence) to about 6, brought to about -2 to 2.5 for a network."""
    return (log_mel + 4) / 4


class LogMel(nn.Module):
    """X ∈ R^{T×F}: natural log of mel power plus a floor of 1e-5.

    Args:
        sample_rate: Hz.
        n_mels: F, number of bands from 20 Hz to 20 kHz.
        window_ms, hop_ms: length and hop of the Hann window in ms.
        padded: as of :class:`tfrgan_lite.audio.Stft`.
    """

    def __init__(
        self, sample_rate: int, n_mels: int = 80, window_ms: float = 25, hop_ms: float = 10, padded: bool = True
    ):
        super().__init__()
        self.stft = Stft(sample_rate, window_ms, hop_ms, padded)
        self.register_buffer("filters", mel_filter_bank(sample_rate, self.stft.n_fft, n_mels), persistent=False)

    def of_power(self, power: Tensor, scale: float = 1.0) -> Tensor:
        """Power spectrum (..., T, K) on any device -> log-mel (..., T, F), the mel power multiplied by ``scale``."""
        return torch.log(power @ self.filters.to(power.device) * scale + FLOOR)

    def forward(self, audio: Tensor) -> Tensor:
        """Waveform (..., samples) -> X (..., T, F), T = ceil(samples / hop)."""
        return self.of_power(power_of(self.stft(audio)))


@lru_cache(maxsize=8)
def log_mel_of(sample_rate: int, mels: int = 80, padded: bool = True) -> LogMel:
    """The LogMel of a sample rate, built once."""
    return LogMel(sample_rate, mels, padded=padded)


@lru_cache(maxsize=16)
def mel_to_bins(sample_rate: int, n_fft: int, n_mels: int = 80) -> Tensor:
    """Matrix (n_mels, n_fft / 2 + 1) that draws a straight line, over mel, between values given at the bands' centres.

    Each column sums to 1: bins below the first centre take the first value, those above the last take the last.
    """
    centres = hz_to_mel(mel_points(n_mels)[1:-1])
    bins = hz_to_mel(torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64))
    place = ((bins - centres[0]) / (centres[1] - centres[0])).clamp(0, n_mels - 1)
    return (1 - (place - torch.arange(n_mels)[:, None]).abs()).clamp_min(0).to(torch.float32)
