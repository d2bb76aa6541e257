"""Waveforms: reading, checking and writing them, their loudness and peak, and the STFT that the model works in.

Audio is a float32 tensor (..., channels, samples) with full scale at -1..1; times are in samples, levels in dB.
"""

from pathlib import Path

import numpy as np
import soundfile
import torch
import torch.nn.functional as functional
from scipy.fft import next_fast_len
from scipy.signal import firwin, resample_poly, sosfilt
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
    except soundfile.SoundFileError as error:
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

    The mean power of the blocks that pass two gates: above -70 LUFS, and then above 10 LU below the mean of those that
    do. Channels are left and right, of weight 1. Gradients do not pass.
    """
    blocks = loudness_blocks(audio, sample_rate).double()
    power = 10 ** (blocks / 10)

    def mean(heard: Tensor) -> Tensor:
        return 10 * torch.log10((power * heard).sum(-1) / heard.sum(-1))

    heard = blocks > -70
    heard &= blocks > mean(heard)[..., None] - 10
    return torch.nan_to_num(mean(heard), nan=-70.0).to(audio.dtype)


def loudness_blocks(audio: Tensor, sample_rate: int) -> Tensor:
    """Loudness in LUFS of the standard's blocks, 400 ms every 100 ms: (..., channels, samples) -> (..., blocks).

    The sum over channels of the K-weighted sound's mean square, as -0.691 + 10 log10 (BS.1770-4, equations 1 to 4), at
    least -120.691. A last part of a block does not count; audio shorter than one is padded with zeros to one.
    """
    step = round(sample_rate / 10)
    audio = functional.pad(audio.detach(), (0, max(0, 4 * step - audio.shape[-1])))
    weighted = sosfilt(k_weighting(sample_rate), audio.numpy(), axis=-1)
    steps = audio.shape[-1] // step
    weighted = weighted[..., : steps * step].reshape(*weighted.shape[:-1], steps, step)
    energy = np.einsum("...csi,...csi->...s", weighted, weighted)
    power = sum(energy[..., k : steps - 3 + k] for k in range(4)) / (4 * step)
    return torch.from_numpy(-0.691 + 10 * np.log10(np.maximum(power, 1e-12))).to(audio.dtype)


def k_weighting(sample_rate: int) -> np.ndarray:
    """The two filters that BS.1770 hears through, as sections for SciPy's `sosfilt`: (2, 6), rows b0 b1 b2 1 a1 a2.

    The head's shelf of 4 dB above 1.7 kHz and a high pass at 38 Hz. The standard gives them for 48 kHz; the analogue
    filters that the bilinear transform turns into those are due to B. De Man (Evaluation of implementations of the EBU
    R128 loudness measurement, AES 2018).
    """
    k, q, high = np.tan(np.pi * 1681.974450955533 / sample_rate), 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    shelf = [high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k]
    shelf = np.array([*shelf, 1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k]) / (1 + k / q + k * k)
    k, q = np.tan(np.pi * 38.13547087602444 / sample_rate), 0.5003270373238773
    poles = np.array([1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k]) / (1 + k / q + k * k)
    return np.array([shelf, [1, -2, 1, *poles]])  # the standard does not normalise the high pass


# An interpolation filter for four-fold oversampling, as a matrix that takes a block of samples with _REACH more on each
# side to the three places before, between and after them (the fourth place is the sample).
_REACH, _BLOCK = 12, 16
_FILTERS = torch.from_numpy(4 * firwin(8 * _REACH + 1, 1 / 4, window=("kaiser", 8.0))[:-1]).view(2 * _REACH, 4).flip(0)
_PLACES = torch.zeros(2 * _REACH + _BLOCK, 3, _BLOCK + 1, dtype=torch.float64)
for _place in range(_BLOCK + 1):
    _PLACES[_place : _place + 2 * _REACH, :, _place] = _FILTERS[:, 1:]
_LARGEST_GAIN = float(_FILTERS.abs().sum(0).max())  # no place is above this times the largest sample near it: 2.2


def _peaks(audio: Tensor, above: float = 0.0, where: Tensor | None = None) -> Tensor:
    """Largest magnitude at and right before and after each sample of (..., channels, samples), over all channels:
    (samples,). Exact for blocks that may hold a peak above `above`, and are in or next to a part `where` (samples,) is
    true, if given; others give their samples' magnitude.
    """
    samples = audio.shape[-1]
    channels = functional.pad(audio.reshape(-1, samples), (_REACH, _REACH + -samples % _BLOCK))
    largest = channels.abs().amax(0)[_REACH:-_REACH]
    near = functional.max_pool1d(functional.max_pool1d(largest[None].detach(), _BLOCK), 3, stride=1, padding=1)[0]
    loud = near * _LARGEST_GAIN > above
    if where is not None:
        touched = functional.max_pool1d(functional.pad(where[None].float(), (0, -samples % _BLOCK)), _BLOCK)
        loud &= functional.max_pool1d(touched, 3, stride=1, padding=1)[0] > 0
    loud = loud.nonzero()[:, 0]
    largest = largest.view(-1, _BLOCK)
    between = largest.new_zeros(len(loud), _BLOCK)
    places = _PLACES.to(audio.dtype).flatten(1)
    for channel in channels:  # one at a time: four times the samples of all would not fit for a long song
        levels = (channel.unfold(0, _BLOCK + 2 * _REACH, _BLOCK)[loud] @ places).abs().view(-1, 3, _BLOCK + 1)
        levels = levels[:, 0].maximum(levels[:, 1]).maximum(levels[:, 2])
        between = between.maximum(levels[:, :-1]).maximum(levels[:, 1:])
    return largest.maximum(torch.zeros_like(largest).index_copy(0, loud, between)).flatten()[:samples]


def true_peak_db(audio: Tensor) -> float:
    """True peak of (..., channels, samples) in dBTP: the largest level at and between samples (BS.1770-4, annex 2)."""
    return float(decibels(_peaks(audio, above=float(audio.abs().max())).max()))


def limiter_gain(mix: Tensor, sample_rate: int, ceiling_db: float | Tensor = -1.0, window_ms: float = 20) -> Tensor:
    """The gain (samples,) in 0..1 that keeps a mix (channels, samples) at or below a true peak of ``ceiling_db`` dBTP.

    It is the smallest gain that any peak within ``window_ms`` asks for, averaged over as long: it falls before a peak
    and rises after it, without a corner, and is 1 further away. Differentiable.
    """
    ceiling = amplitude(torch.as_tensor(ceiling_db, dtype=mix.dtype))
    aim = ceiling * 10 ** (-0.01 / 20)  # what is between the samples moves a little with the gain
    width = 2 * int(sample_rate * window_ms / 2000) + 1
    gain = torch.ones_like(mix[0])
    while (peaks := _peaks(mix * gain, above=ceiling.item())).max() > ceiling:  # once, but for a rare sound
        gain = gain * _mean_near(_smallest_near(aim / peaks.maximum(aim), width), width)
    return gain


def _smallest_near(x: Tensor, width: int) -> Tensor:
    """The smallest of `width` (odd) values of x (samples,) around each, by ever wider windows."""
    x, done = functional.pad(x, (width // 2, width // 2), value=torch.inf), 1
    while 2 * done <= width:
        x, done = torch.minimum(x[:-done], x[done:]), 2 * done
    return torch.minimum(x[: len(x) - (width - done)], x[width - done :])


def _mean_near(x: Tensor, width: int) -> Tensor:
    """The mean of `width` (odd) values of x (samples,) around each; the first and the last value go on outside."""
    before = functional.pad(x[None].double(), (width // 2 + 1, width // 2), mode="replicate")[0].cumsum(0)
    return ((before[width:] - before[:-width]) / width).clamp_max(1).to(x.dtype)


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

    Args:
        sample_rate: Hz.
        window_ms, hop_ms: window length and hop in ms.
        padded: whether the FFT is the power of two at or above 1.5 windows, which gives the lowest mel bands enough
            bins, or as short as a fast one can be, which loses nothing and is half the work.
    """

    def __init__(self, sample_rate: int, window_ms: float = 25, hop_ms: float = 10, padded: bool = True):
        super().__init__()
        self.win_length = int(sample_rate * window_ms / 1000)
        self.hop_length = int(sample_rate * hop_ms / 1000)
        self.n_fft = 2 ** int(np.ceil(np.log2(1.5 * self.win_length))) if padded else next_fast_len(self.win_length)
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
