"""How far one mix is from one engineer's mix of the same song. Chapters 09 and 12."""

from functools import lru_cache

import torch
from torch import Tensor

from ..audio import amplitude, loudness
from ..errors import UserError
from ..mel import log_mel_of, power_of
from .bootstrap import mean_and_interval

__all__ = [
    "distance",
    "log_mel_distance",
    "match_loudness",
    "mean_and_interval",
    "spectra",
    "spectral_distance",
    "stft_distance",
    "unswapped",
    "view",
    "views",
]

NAT_DB = 4.342944819032518  # one nat of power in dB: 10 / ln 10
MATCHED_LUFS = -20.0
STFT_SIZES = (512, 2048, 8192)  # 12, 46 and 186 ms at 44.1 kHz: attacks, notes, and the lowest partials apart
LEAST_MAGNITUDE = 1e-4  # below which two magnitudes are the same silence


def match_loudness(mix: Tensor, sample_rate: int) -> Tensor:
    """The mix (2, samples) at -20 LUFS by one gain (BS.1770-4); silence as it is."""
    return mix * _matching(mix, sample_rate)


def _matching(mix: Tensor, sample_rate: int) -> Tensor:
    own = loudness(mix, sample_rate)
    return amplitude(MATCHED_LUFS - own) if own > -70 else torch.ones(())


def view(mix: Tensor, sample_rate: int, matched: bool = True) -> Tensor:
    """What :func:`distance` compares: log-mels (2, T, F) of a mix (2, samples), loudness matched or as it is."""
    return log_mel_of(sample_rate)(match_loudness(mix, sample_rate) if matched else mix)


def views(mix: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Both views of a mix (2, samples), loudness matched and as it is, from one spectrogram."""
    log_mel = log_mel_of(sample_rate)
    power = power_of(log_mel.stft(mix))
    return log_mel.of_power(power, float(_matching(mix, sample_rate) ** 2)), log_mel.of_power(power)


def unswapped(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference in dB of views (..., 2, T, F), sides as they are: (...)."""
    return NAT_DB * (x.float() - y.float()).abs().mean((-3, -2, -1))


def distance(x: Tensor, y: Tensor) -> float:
    """Mean absolute difference of two views (2, T, F) in dB; the smaller of as they are and with the sides swapped."""
    return float(torch.minimum(unswapped(x, y), unswapped(x.flip(-3), y)))


def log_mel_distance(mix: Tensor, reference: Tensor, sample_rate: int, matched: bool = True) -> float:
    """Mean absolute difference of the log-mels of left and right, in dB: 0 for equal mixes, and for mirrored ones.

    A mirrored mix is as good as the mix: which side is left is a coin's choice.

    Args:
        mix, reference: (2, samples) of equal length.
        sample_rate: Hz.
        matched: bring both to the same loudness first, so that the volume knob does not count.

    Raises:
        UserError: if the shapes differ.
    """
    _check_alike(mix, reference)
    return distance(view(mix, sample_rate, matched), view(reference, sample_rate, matched))


def stft_distance(
    mix: Tensor, reference: Tensor, sample_rate: int, mid_side: bool = False, matched: bool = True
) -> float:
    """Multi-resolution STFT distance (Yamamoto et al. 2020, section 2.2; in stereo Steinmetz et al. 2021, section 3).

    At each of three resolutions: spectral convergence ||Y| - |X|| / ||Y|| (Frobenius norms over channels, time and
    frequency), plus the mean of |ln |Y| - ln |X||; then the mean over resolutions. X is the mix, Y the reference. 0
    for equal mixes, without a unit, about 1 + the mean of |ln |Y|| / 1e-4 for silence.

    Args:
        mix, reference: (2, samples) of equal length.
        sample_rate: Hz.
        mid_side: compare left + right and left - right in place of left and right: a mirrored mix is then equal, and
            what is wrong in the quieter side counts as much as what is wrong in the middle.
        matched: bring both to the same loudness first.

    Raises:
        UserError: if the shapes differ.
    """
    _check_alike(mix, reference)
    both = (match_loudness(audio, sample_rate) if matched else audio for audio in (mix, reference))
    return spectral_distance(*(spectra(audio, mid_side) for audio in both))


def spectra(mix: Tensor, mid_side: bool = False) -> list[Tensor]:
    """Magnitudes (2, T, K), at least 1e-4, at each resolution: of left and right or of their sum and difference."""
    pair = torch.stack([mix[0] + mix[1], mix[0] - mix[1]]) if mid_side else mix
    made = (torch.stft(pair, n, n // 4, n, _hann(n), pad_mode="constant", return_complex=True).mT for n in STFT_SIZES)
    return [power_of(spectrum).sqrt().clamp_min(LEAST_MAGNITUDE) for spectrum in made]


def spectral_distance(x: list[Tensor], y: list[Tensor]) -> float:
    """:func:`stft_distance` of a mix's and the reference's :func:`spectra`."""
    terms = [(b - a).norm() / b.norm() + (b.log() - a.log()).abs().mean() for a, b in zip(x, y, strict=True)]
    return float(sum(terms) / len(terms))


@lru_cache(maxsize=8)
def _hann(length: int) -> Tensor:
    return torch.hann_window(length)


def _check_alike(mix: Tensor, reference: Tensor) -> None:
    if mix.shape != reference.shape:
        raise UserError(
            f"mix: shape {tuple(mix.shape)} differs from the reference's {tuple(reference.shape)}; cut them alike"
        )
