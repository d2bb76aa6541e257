"""What the generator hears of a song: stems at one loudness, dry and through a room, their meters, and who is there.

Chapter 08.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from .audio import amplitude, check_stems
from .labels import check_roles, role_index
from .mel import FLOOR, LogMel, log_mel_of, mel_filter_bank, power_of
from .studio.console import impulse_response, reverb
from .studio.ears import by_width, level

TRACK_LUFS = -23.0  # of every track as the generator hears it
MASTER_LUFS = -20.0  # where its master fader puts the sum of the wet tracks
ROOM = {"kind": "plate", "decay_s": 1.2, "seed": 0}  # the one that the generator can send to
SILENCE_LUFS = -70.0  # a quieter track, by the absolute gate of BS.1770, holds noise at most: do not raise it
REFERENCE_RATE = 44100
REFERENCE_WINDOW = 1102  # samples of the 25 ms window at 44.1 kHz
EXTRA_METERS = 2  # beside two spectra: crest and activity
POOL = 8  # frames in one of the envelope


@dataclass
class Heard:
    """A song ready for the generator."""

    dry: Tensor  # (N, 2, samples), each track at -23 LUFS
    roles: Tensor  # (N,) indices into ROLES
    present: Tensor  # (N,) bool, False for a silent track, one below -70 LUFS
    trim_db: Tensor  # (N,) the gain that brought each track to -23 LUFS, 0 for a silent one


def hear(stems: Tensor, sample_rate: int, roles: tuple[str, ...] | None = None) -> Heard:
    """Bring stems to the form that the generator takes.

    Args:
        stems: (N, 1 or 2, samples), N from 1 to 16.
        sample_rate: Hz.
        roles: one of ROLES for each track; ``other`` for all if None.

    Raises:
        UserError: as :func:`tfrgan_lite.audio.check_stems`, or for an unknown role.
    """
    stems = check_stems(stems, sample_rate)
    roles = check_roles(roles, len(stems))
    lufs = level(by_width(stems), sample_rate)
    present = lufs > SILENCE_LUFS
    trim_db = torch.where(present, TRACK_LUFS - lufs, 0.0)
    dry = stems * (amplitude(trim_db) * present)[:, None, None]
    return Heard(dry, torch.tensor([role_index(role) for role in roles]), present, trim_db)


def through_room(dry: Tensor, sample_rate: int) -> Tensor:
    """The tracks' middle through the package's room, without the dry sound: (N, 2, samples) -> (N, 2, samples)."""
    return reverb(dry.mean(-2, keepdim=True), sample_rate, room(sample_rate))


@lru_cache(maxsize=8)
def room(sample_rate: int) -> Tensor:
    """The fixed stereo impulse response (2, taps) of the generator's reverb send."""
    return impulse_response(sample_rate, **ROOM)


@lru_cache(maxsize=8)
def room_power(mels: int = 80) -> Tensor:
    """The mean power of :func:`room` in each mel band, left and right: (2, F). It is 1 on average over all bins."""
    impulse = room(REFERENCE_RATE)
    n_fft = 2 ** (impulse.shape[-1] - 1).bit_length()
    weights = mel_filter_bank(REFERENCE_RATE, n_fft, mels)
    return power_of(torch.fft.rfft(impulse, n=n_fft)) @ (weights / weights.sum(0))


def front(sample_rate: int, mels: int = 80) -> LogMel:
    """The spectra that the model works on: those of :class:`tfrgan_lite.mel.LogMel` with the shortest FFT."""
    return log_mel_of(sample_rate, mels, padded=False)


def mel_power(spectrum: Tensor, sample_rate: int, mels: int = 80) -> Tensor:
    """Complex spectra (..., T, K) of :func:`front` -> mel power (..., T, F) as 44.1 kHz windows would give it.

    The power of a window's FFT grows with its length, hence with the sample rate; the network shall not hear that.
    """
    return in_mels(power_of(spectrum), sample_rate, mels)


def in_mels(power: Tensor, sample_rate: int, mels: int = 80) -> Tensor:
    """Powers of the bins (..., K) of :func:`front` -> mel power (..., F)."""
    ears = front(sample_rate, mels)
    return power @ (ears.filters * (REFERENCE_WINDOW / ears.stft.win_length)).to(power.device)


def spectrum_to_log_mel(spectrum: Tensor, sample_rate: int, mels: int = 80) -> Tensor:
    """Complex spectra (..., T, K) -> log-mel (..., T, F): natural log of :func:`mel_power` plus the floor."""
    return torch.log(mel_power(spectrum, sample_rate, mels) + FLOOR)


@dataclass
class Listened:
    """What the network gets of each track."""

    log_mel: Tensor  # X (N, T, F) of the track's middle, natural log
    envelope: Tensor  # (N, ceil(T / 8), F), the mean of every 8 frames of X
    meters: Tensor  # (N, 2 F + 2), see `read_meters`


def middle_and_side(spectrum: Tensor, sample_rate: int, mels: int = 80) -> tuple[Tensor, Tensor]:
    """Mel powers (..., T, F) of half the sum and half the difference of a track's channels (..., 1 or 2, T, K); the
    side of a track of one channel is silence."""
    if spectrum.shape[-3] == 1:
        middle = mel_power(spectrum[..., 0, :, :], sample_rate, mels)
        return middle, torch.zeros_like(middle)
    left, right = spectrum.unbind(-3)
    return mel_power((left + right) / 2, sample_rate, mels), mel_power((left - right) / 2, sample_rate, mels)


def listen(dry: Tensor, spectrum: Tensor, sample_rate: int, mels: int = 80) -> Listened:
    """:func:`read_meters` of tracks (N, 2, samples) at -23 LUFS and their spectra (N, 2, T, K)."""
    return read_meters(*middle_and_side(spectrum, sample_rate, mels), dry.abs().amax((1, 2)))


def read_meters(middle: Tensor, side: Tensor, peak: Tensor) -> Listened:
    """Read X, its envelope and the meters of each track: log of the mean mel power of the middle (F) and of the side
    (F), crest (peak over -23 LUFS, in units of 10 dB), and activity, the share of frames that are at most 10 dB below
    the mean of all.

    Args:
        middle, side: mel powers (N, T, F) of the tracks at -23 LUFS.
        peak: their largest magnitudes (N,).
    """
    frames = middle.sum(-1) + side.sum(-1)
    active = (frames > 0.1 * frames.mean(-1, keepdim=True)).float().mean(-1, keepdim=True)
    crest = (20 * torch.log10(peak.clamp_min(1e-3)) - TRACK_LUFS)[:, None] / 10
    long_term = [torch.log(x.mean(-2) + FLOOR) for x in (middle, side)]
    log_mel = torch.log(middle + FLOOR)
    envelope = avg_pool1d(log_mel.mT, POOL, ceil_mode=True).mT
    return Listened(log_mel, envelope, torch.cat([*long_term, crest, active], dim=-1))
