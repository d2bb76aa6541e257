"""What a mix is like, and what was done to its tracks, in a few numbers: measured, whoever made it. Chapter 09."""

from functools import lru_cache

import numpy as np
import torch
from scipy.fft import rfft
from scipy.signal import sosfreqz
from torch import Tensor

from ..audio import decibels, k_weighting, loudness_blocks

EDGES_HZ = np.geomspace(40, 16000, 9)  # eight bands, little more than an octave each
BROAD_HZ = (20.0, 200.0, 800.0, 3500.0, 20000.0)  # four bands: low end, body, presence, air
PRESENCE_HZ = (500.0, 8000.0)
THIRDS_HZ = np.geomspace(50, 16000, 26)  # 25 bands of a third of an octave, about as wide as the ear's
FLOOR_DB = -60.0  # of what is measured in dB of full scale, or against the whole: less is not heard
FEATURES = (
    *("rms_db", "crest_db", "width_db", "imbalance_db"),
    *(f"{part}_{hz:.0f}_hz_db" for part in ("mid", "side") for hz in np.sqrt(EDGES_HZ[1:] * EDGES_HZ[:-1])),
    "loudness_range_lu",
)
SETTINGS = ("level_db", "position", "low_db", "body_db", "presence_db", "air_db")
LEVEL, POSITION = 0, 1  # columns of SETTINGS
CONSOLE = ("gain_db", "pan", "send_db")


def features(mix: Tensor, sample_rate: int) -> Tensor:
    """A mix (2, samples) in 21 numbers, (21,), named by FEATURES: finite for silence and for one sample.

    Its RMS level and crest; its width, the energy of the sides (left - right) against the middle (left + right); its
    imbalance, left against right, positive if left is louder; the level of eight bands of the middle and of the sides;
    and its loudness range. All in dB (the range in LU); levels below -60 dB count as -60.
    """
    middle_and_side = torch.stack([mix[0] + mix[1], mix[0] - mix[1]]) / 2**0.5
    middle, side, left, right = torch.cat([middle_and_side, mix]).square().mean(-1)
    bands = _to_db(band_powers(mean_power(middle_and_side, sample_rate), sample_rate, EDGES_HZ) / 2)
    rms = (middle + side) / 2
    crest = decibels(mix.abs().max()) - _to_db(rms)
    measured = [_to_db(rms), crest.clamp(0, -FLOOR_DB), _against(side, middle), _against(left, right)]
    return torch.cat([torch.stack(measured), bands.flatten(), loudness_range(mix, sample_rate)[None]])


def loudness_range(mix: Tensor, sample_rate: int) -> Tensor:
    """Loudness range in LU of a mix (2, samples), a scalar tensor (EBU Tech 3342).

    The 95th less the 10th percentile of the loudness of 3 s every 100 ms, of what is above -70 LUFS and above 20 LU
    below the mean of that. The 3 s are the mean of 27 of BS.1770's overlapping blocks of 400 ms, so their first and
    last 300 ms count less. Audio shorter than that is one block: a range of 0, as is silence's.
    """
    power = 10 ** (loudness_blocks(mix, sample_rate).double() / 10)
    long = power.unfold(0, min(27, len(power)), 1).mean(-1)
    heard = long[long > 10 ** (-70 / 10)]
    heard = heard[heard > heard.mean() / 100]
    if len(heard) == 0:
        return torch.zeros(())
    low, high = torch.quantile(10 * heard.log10(), torch.tensor([0.10, 0.95], dtype=torch.float64))
    return (high - low).float()


def mean_power(audio: Tensor, sample_rate: int) -> Tensor:
    """Power spectrum averaged over time (Welch 1967): (..., samples) -> (..., K). It adds up to the mean square.

    Hann windows of about 46 ms that overlap by half; shorter audio is padded with zeros.
    """
    size = 2 ** round(np.log2(0.046 * sample_rate))
    hop, samples = size // 2, audio.shape[-1]
    flat = audio.detach().reshape(-1, samples).numpy()
    out = np.empty((len(flat), size // 2 + 1), np.float32)
    window = _window(size)
    padded = np.zeros(hop * (2 + -(-samples // hop)), np.float32)
    for row, channel in zip(out, flat, strict=True):  # one at a time: all frames of all would not stay in the cache
        padded[hop : hop + samples] = channel
        frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop] * window
        parts = rfft(frames, axis=-1, overwrite_x=True).view(np.float32)  # real, imaginary, real, ...
        row[:] = np.einsum("tk,tk->k", parts, parts).reshape(-1, 2).sum(1)
    # The squared windows add up to 3/4 on average; every bin but the first and the last stands for two.
    out *= 2 / (0.75 * size * samples)
    out[:, [0, -1]] /= 2
    return torch.from_numpy(out).reshape(*audio.shape[:-1], -1)


def band_powers(power: Tensor, sample_rate: int, edges_hz: tuple[float, ...] | np.ndarray) -> Tensor:
    """Power (..., K) of :func:`mean_power` -> its sums between neighbouring edges (..., bands)."""
    hz = np.linspace(0, sample_rate / 2, power.shape[-1])
    inside = (hz[:, None] >= np.asarray(edges_hz)[:-1]) & (hz[:, None] < np.asarray(edges_hz)[1:])
    return power @ torch.from_numpy(inside.astype(np.float32))


def settings(dry: Tensor, wet: Tensor, sample_rate: int) -> Tensor:
    """What was done to each track, from dry to wet, whoever did it and by whatever means: (N, 6), named by SETTINGS.

    The K-weighted level of the wet track against all wet tracks together, dB; its position, -1 (left) to 1 (right),
    as the pan law places a centred source whose sides were changed as this track's were; and the change of its level
    in four broad bands, less the change of the whole track, dB. A silent track has zeros, and a band that the dry track
    leaves empty has 0. Reverb counts as it is heard: it raises bands and pulls towards the middle.

    Args:
        dry, wet: :func:`mean_power` of the stems, (N, 2, K).
        sample_rate: Hz.
    """
    heard = audible(dry, sample_rate)
    dry_level, wet_level = (k_weighted(power.sum(1), sample_rate) for power in (dry, wet))
    level = _against(wet_level, wet_level.sum())
    sides = [wet.sum(-1), dry.sum(-1)]
    changed = (sides[0] / sides[1].clamp_min(1e-12)).sqrt()
    changed = torch.where(sides[1] > 1e-3 * sides[1].sum(-1, keepdim=True), changed, sides[0].sqrt())
    position = 4 / torch.pi * torch.atan2(changed[:, 1], changed[:, 0].clamp_min(1e-12)) - 1
    dry_bands, wet_bands = (band_powers(power.sum(1), sample_rate, BROAD_HZ) for power in (dry, wet))
    shape = _against(wet_bands, dry_bands) - _against(wet_level, dry_level)[:, None]
    shape = torch.where(dry_bands > 1e-6 * dry_bands.sum(-1, keepdim=True), shape, 0.0)
    return torch.where(heard[:, None], torch.cat([level[:, None], position[:, None], shape], dim=1), 0.0)


def presence_change(dry: Tensor, wet: Tensor, sample_rate: int) -> Tensor:
    """How much each track's presence, 500 Hz to 8 kHz, was raised against the rest of it: (N,) in dB.

    Args: as :func:`settings`.
    """
    ratios = []
    for power in (dry.sum(1), wet.sum(1)):
        inside = band_powers(power, sample_rate, PRESENCE_HZ)[:, 0]
        ratios.append(_against(inside, power.sum(-1) - inside))
    return torch.where(audible(dry, sample_rate), ratios[1] - ratios[0], 0.0)


def covered(wet: Tensor, sample_rate: int) -> Tensor:
    """How much of each track lies under the others: (N,), 0 for one that has its bands to itself, 1 for one that is
    lost in them.

    Of a track, each third of an octave has its share of the power of all tracks; the mean of the shares, the bands
    weighed by the track's own K-weighted power, is what is heard of it. The rest is covered, all of a silent track.

    Args:
        wet: :func:`mean_power` of the wet stems, (N, 2, K).
        sample_rate: Hz.
    """
    weighed = wet.sum(1) * _k_response(sample_rate, wet.shape[-1])
    bands = band_powers(weighed, sample_rate, THIRDS_HZ)
    shares = bands / bands.sum(0).clamp_min(1e-20)
    return 1 - (bands * shares).sum(1) / bands.sum(1).clamp_min(1e-20)


def audible(power: Tensor, sample_rate: int) -> Tensor:
    """Whether a stem's K-weighted level is above -70 LUFS: :func:`mean_power` (N, 2, K) -> (N,)."""
    return 10 * k_weighted(power.sum(1), sample_rate).clamp_min(1e-12).log10() - 0.691 > -70


def k_weighted(power: Tensor, sample_rate: int) -> Tensor:
    """The power (..., K) as BS.1770 weighs it, summed over frequency: (...)."""
    return power @ _k_response(sample_rate, power.shape[-1])


def console_settings(console: list[dict[str, float]]) -> Tensor:
    """A console's fader, pan and send as they are known, (N, 3), named by CONSOLE, of an `Engineered.console` or alike.

    Faders are against their mean, since the master takes what all have in common; a send counts from -60 dB on.
    """
    known = torch.tensor([[strip[name] for name in CONSOLE] for strip in console])
    known[:, 0] -= known[:, 0].mean()
    known[:, 2].clamp_min_(FLOOR_DB)
    return known


def _to_db(power: Tensor) -> Tensor:
    return (10 * power.clamp_min(1e-20).log10()).clamp_min(FLOOR_DB)


def _against(x: Tensor, y: Tensor) -> Tensor:
    """Power ratio in dB between -60 and 60; 0 where both are silent."""
    ratio = 10 * (x.clamp_min(1e-12).log10() - y.clamp_min(1e-12).log10())
    return ratio.clamp(FLOOR_DB, -FLOOR_DB)


@lru_cache(maxsize=8)
def _window(size: int) -> np.ndarray:
    return np.hanning(size + 1)[:-1].astype(np.float32)


@lru_cache(maxsize=8)
def _k_response(sample_rate: int, bins: int) -> Tensor:
    _, response = sosfreqz(k_weighting(sample_rate), np.linspace(0, np.pi, bins))
    return torch.from_numpy(np.abs(response) ** 2).float()
