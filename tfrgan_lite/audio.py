"""Waveforms: reading, checking and writing them, their loudness and peak, and the STFT that the model works in.

Audio is a float32 tensor (..., channels, samples) with full scale at -1..1; times are in samples, levels in dB.
"""

from pathlib import Path

import numpy as np
import soundfile
import torch
import torch.nn.functional as functional
import torchaudio.functional
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import firwin, resample_poly
from torch import Tensor

from .errors import UserError
from .files import ensure_free, written_whole

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".aif", ".aiff")
MAX_TRACKS = 16


def read_audio(path: str | Path) -> tuple[Tensor, int]:
    """Read one audio file: (channels, samples) float32 with 1 or 2 channels, and its sample rate in Hz.

    Raises UserError if the file cannot be decoded, is empty, has more than two channels or a sample that is not finite.
    """
    path = Path(path)
    try:
        audio, sample_rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise UserError(f"{path}: cannot be read as audio; give a WAV, FLAC, MP3, OGG or AIFF file") from error
    audio = torch.from_numpy(audio.T.copy())
    if audio.shape[-1] == 0:
        raise UserError(f"{path}: holds no samples; remove it or export it again")
    if audio.shape[0] > 2:
        raise UserError(f"{path}: has {audio.shape[0]} channels; export it as mono or stereo")
    if not torch.isfinite(audio).all():
        raise UserError(f"{path}: holds samples that are NaN or infinite; export it again")
    return audio, int(sample_rate)


def write_audio(path: str | Path, audio: Tensor, sample_rate: int, force: bool = False) -> None:
    """Write (channels, samples) as a 24-bit file whose suffix sets its format, whole or not at all.

    Raises UserError if the file exists and ``force`` is not set, or cannot be written.
    """
    path = Path(path)
    ensure_writable(path, force)
    if not torch.isfinite(audio).all():
        raise UserError(f"{path}: not written, the audio holds NaN or infinite samples; look for where they arise")
    subtype = "PCM_24" if path.suffix.lower() in (".wav", ".flac") else None
    try:
        with written_whole(path) as temporary:
            soundfile.write(temporary, audio.detach().cpu().clamp(-1, 1).numpy().T, sample_rate, subtype=subtype)
    except (soundfile.SoundFileError, OSError) as error:
        raise UserError(f"{path}: cannot be written ({error}); choose another place or suffix") from error


def ensure_writable(path: Path, force: bool = False) -> None:
    """Raise UserError, before any work is done, if ``path`` names no audio file or :func:`ensure_free` refuses it."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: the suffix {path.suffix!r} is no audio format; use one of {', '.join(SUFFIXES)}")
    ensure_free(path, force)


def check_stems(stems: Tensor, sample_rate: int) -> Tensor:
    """Return stems as float32 (N, 2, samples), mono tracks as two equal channels.

    Args:
        stems: (N, 1 or 2, samples), N from 1 to 16.
        sample_rate: Hz, 8000 to 192000.

    Raises:
        UserError: for another shape, no samples, more than 16 tracks, NaN, or a sample rate out of range.
    """
    stems = torch.as_tensor(stems)
    if stems.ndim != 3 or stems.shape[1] not in (1, 2):
        raise UserError(f"stems: have shape {tuple(stems.shape)}; give (tracks, 1 or 2 channels, samples)")
    if not 1 <= stems.shape[0] <= MAX_TRACKS:
        raise UserError(f"stems: {stems.shape[0]} tracks; give 1 to {MAX_TRACKS}, and sum groups of tracks beforehand")
    if stems.shape[2] == 0:
        raise UserError("stems: hold no samples; give at least one")
    if not 8000 <= sample_rate <= 192000:
        raise UserError(f"sample_rate: {sample_rate} Hz is out of range; give 8000 to 192000")
    stems = stems.to(torch.float32)
    if not torch.isfinite(stems).all():
        track = int((~torch.isfinite(stems)).flatten(1).any(1).nonzero()[0])
        raise UserError(f"stems: track {track} holds NaN or infinite samples; export it again")
    return stems.expand(-1, 2, -1)


def resample(audio: Tensor, sample_rate: int, new_rate: int) -> Tensor:
    """Resample (..., samples), by SciPy's polyphase filter, to round(samples * new_rate / sample_rate) samples."""
    if sample_rate == new_rate:
        return audio
    divisor = int(np.gcd(sample_rate, new_rate))
    out = resample_poly(audio.numpy(), new_rate // divisor, sample_rate // divisor, axis=-1)
    length = max(1, round(audio.shape[-1] * new_rate / sample_rate))
    return functional.pad(torch.from_numpy(out.astype(np.float32)), (0, max(0, length - out.shape[-1])))[..., :length]


def decibels(ratio: Tensor, floor: float = 1e-10) -> Tensor:
    """Amplitude ratio -> dB: 20 log10, with ratios below ``floor`` (-200 dB) raised to it."""
    return 20 * torch.log10(ratio.clamp_min(floor))


def amplitude(decibels: Tensor) -> Tensor:
    """dB -> amplitude ratio: 10^(dB / 20)."""
    return 10 ** (decibels / 20)


def loudness(audio: Tensor, sample_rate: int) -> Tensor:
    """Integrated loudness in LUFS (ITU-R BS.1770-4) of (..., channels, samples) -> (...); -70 for silence.

    Audio shorter than the standard's block of 400 ms is measured as one block, padded with zeros.
    """
    block = int(0.4 * sample_rate) + 1
    audio = functional.pad(audio, (0, max(0, block - audio.shape[-1])))
    # torchaudio's filters clip at full scale, which the weighting of treble can exceed: measure loud audio turned down.
    turned_down = (4 * audio.abs().amax((-2, -1))).clamp_min(1)
    lufs = torchaudio.functional.loudness(audio / turned_down[..., None, None], sample_rate) + decibels(turned_down)
    return torch.nan_to_num(lufs, nan=-70.0, neginf=-70.0).clamp_min(-70.0)


def _peaks(audio: Tensor) -> Tensor:
    """Largest magnitude at and just after each sample of (..., channels, samples), over all channels: (samples,)."""
    channels = audio.reshape(-1, 1, audio.shape[-1])
    largest = channels.abs().amax((0, 1))
    for channel in channels:  # one at a time: four times the samples of all would not fit for a long song
        over = functional.conv1d(functional.pad(channel, (_REACH, _REACH)), _TRUE_PEAK_FILTERS).abs().amax(0)
        largest = largest.maximum(over[:-1]).maximum(over[1:])
    return largest


# An interpolation filter for four-fold oversampling: one short filter for each of the four places between two samples.
_REACH = 12
_TRUE_PEAK_FILTERS = torch.from_numpy(4 * firwin(8 * _REACH + 1, 1 / 4, window=("kaiser", 8.0))[:-1])
_TRUE_PEAK_FILTERS = _TRUE_PEAK_FILTERS.float().view(2 * _REACH, 1, 4).permute(2, 1, 0).flip(-1)


def true_peak_db(audio: Tensor) -> float:
    """True peak of (..., channels, samples) in dBTP: the largest level at and between samples (BS.1770-4, annex 2)."""
    return float(decibels(_peaks(audio).max()))


def limiter_gain(mix: Tensor, sample_rate: int, ceiling_db: float | Tensor = -1.0, window_ms: float = 20) -> Tensor:
    """The gain (samples,) in 0..1 that keeps a mix (channels, samples) below a true peak of ``ceiling_db`` dBTP.

    It is the smallest gain that any peak within ``window_ms`` asks for, averaged over as long: it falls before a peak
    and rises after it, without a corner, and is 1 where nothing near is above the ceiling.
    """
    ceiling = amplitude(torch.as_tensor(ceiling_db, dtype=mix.dtype))
    wanted = ceiling / _peaks(mix).clamp_min(1e-9)
    if wanted.min() >= 1:
        return torch.ones_like(wanted)
    width = 2 * int(sample_rate * window_ms / 2000) + 1
    smallest = minimum_filter1d(wanted.clamp_max(1).double().numpy(), width, mode="nearest")
    gain = torch.from_numpy(uniform_filter1d(smallest, width, mode="nearest")).to(mix.dtype)
    # What is between the samples moves a little with the gain: a last 0.01 dB, and what is still above, off everything.
    left = _peaks(mix * gain).max() / (ceiling * 10 ** (-0.01 / 20))
    return gain / left.clamp_min(1)


def limit_true_peak(
    mix: Tensor, wet_stems: Tensor, sample_rate: int, ceiling_db: float = -1.0, window_ms: float = 20
) -> tuple[Tensor, Tensor]:
    """Turn a mix (2, samples) and its wet stems (N, 2, samples) down together by :func:`limiter_gain`.

    One gain over time for all keeps the mix equal to the sum of its stems.
    """
    gain = limiter_gain(mix, sample_rate, ceiling_db, window_ms)
    return mix * gain, wet_stems * gain


class Stft(torch.nn.Module):
    """Complex spectra of 25 ms Hann windows every 10 ms, and their exact inverse by overlap-add.

    The FFT is the power of two at or above 1.5 windows: zero padding gives the lowest mel bands enough bins.

    Args:
        sample_rate: Hz.
        window_ms, hop_ms: window length and hop in ms.
    """

    def __init__(self, sample_rate: int, window_ms: float = 25, hop_ms: float = 10):
        super().__init__()
        self.win_length = int(sample_rate * window_ms / 1000)
        self.hop_length = int(sample_rate * hop_ms / 1000)
        self.n_fft = 2 ** int(np.ceil(np.log2(1.5 * self.win_length)))
        self.register_buffer("window", torch.hann_window(self.win_length), persistent=False)

    def frames(self, samples: int) -> int:
        """Number of frames T that cover ``samples``: one for each hop begun."""
        return -(-samples // self.hop_length)

    def forward(self, audio: Tensor) -> Tensor:
        """(..., samples) -> complex (..., T, K) with K = n_fft / 2 + 1 bins; frame t is centred on sample t * hop."""
        flat = audio.reshape(-1, audio.shape[-1])
        spectrum = torch.stft(
            flat, self.n_fft, self.hop_length, self.win_length, self.window, pad_mode="constant", return_complex=True
        )
        spectrum = spectrum[..., : self.frames(audio.shape[-1])]  # a last frame centred on the end would add nothing
        return spectrum.mT.reshape(*audio.shape[:-1], *spectrum.mT.shape[-2:])

    def inverse(self, spectrum: Tensor, samples: int) -> Tensor:
        """Complex (..., T, K) -> (..., samples): least-squares overlap-add (Griffin and Lim 1984, equation 6)."""
        flat = spectrum.reshape(-1, *spectrum.shape[-2:]).mT
        audio = torch.istft(flat, self.n_fft, self.hop_length, self.win_length, self.window, length=samples)
        return audio.reshape(*spectrum.shape[:-2], samples)
