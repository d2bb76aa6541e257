"""A mixing console as pure functions: `f(audio, sample_rate, **settings)`.

Audio is float32 (..., channels, samples) in -1..1. A setting is a number or a tensor of shape (...), one value for each
track. Filters and detectors have no latency: nothing here delays the sound, except the pre-delay of a room. Gradients
pass through the sound and through every setting but the limiter's window.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional
from scipy.signal import sosfilt
from torch import Tensor
from torchaudio.functional import lfilter

from ..audio import amplitude, decibels, limiter_gain
from .rooms import impulse_response, reverb

__all__ = [
    "biquads",
    "compress",
    "equalise",
    "gain",
    "impulse_response",
    "limit",
    "pan",
    "pan_gains",
    "reverb",
]

Setting = float | Tensor
DETECTOR_MS = 0.36  # 16 samples at 44.1 kHz
FORGOTTEN = 1e-9  # of a state, that far back
NEPER = float(np.log(10) / 20)  # decibels to natural log: exp is several times faster than a power of 10


def gain(audio: Tensor, sample_rate: int, gain_db: Setting) -> Tensor:
    """Change the level by `gain_db` decibels."""
    return audio * amplitude(_per_track(gain_db, audio))


def pan(audio: Tensor, sample_rate: int, position: Setting) -> Tensor:
    """Place a track between left (-1) and right (1): (..., 1 or 2, samples) -> (..., 2, samples).

    Constant power, unity in the centre: left = sqrt(2) cos(t), right = sqrt(2) sin(t) with t = (position + 1) pi / 4.
    So a mono track keeps its power wherever it stands, and at a side that channel is 3 dB louder than in the centre. On
    a stereo track it acts as balance.
    """
    return audio * pan_gains(_per_track(position, audio)[..., 0].clamp(-1, 1)).mT


def pan_gains(position: Tensor) -> Tensor:
    """Constant-power law, unity in the centre: (...) in -1..1 -> (..., 2), √2 cos and √2 sin of π(1 + p)/4."""
    angle = torch.pi / 4 * (1 + position)
    return 2**0.5 * torch.stack([angle.cos(), angle.sin()], dim=-1)


def biquads(
    sample_rate: int,
    low_shelf_db: Setting = 0.0,
    low_shelf_hz: Setting = 150.0,
    low_peak_db: Setting = 0.0,
    low_peak_hz: Setting = 400.0,
    low_peak_q: Setting = 1.0,
    high_peak_db: Setting = 0.0,
    high_peak_hz: Setting = 2000.0,
    high_peak_q: Setting = 1.0,
    high_shelf_db: Setting = 0.0,
    high_shelf_hz: Setting = 5000.0,
) -> Tensor:
    """The equaliser's second-order sections as SciPy's `sosfilt` takes them: (..., 4, 6), rows b0 b1 b2 1 a1 a2.

    Low shelf, low peak, high peak, high shelf. Source: R. Bristow-Johnson, Audio EQ Cookbook; the shelves have slope 1.
    Gains in dB; frequencies in Hz, those above 0.49 of the sample rate are lowered to that; a Q is centre frequency
    over bandwidth between the points of half the gain in dB, above 0. Computed in float64, differentiable.
    """
    shelf_q = 0.5**0.5
    rows = (
        (-1, low_shelf_db, low_shelf_hz, shelf_q),
        (0, low_peak_db, low_peak_hz, low_peak_q),
        (0, high_peak_db, high_peak_hz, high_peak_q),
        (1, high_shelf_db, high_shelf_hz, shelf_q),
    )
    settings = [torch.as_tensor(value, dtype=torch.float64) for row in rows for value in row]
    kind, db, hz, q = torch.stack(torch.broadcast_tensors(*settings), dim=-1).unflatten(-1, (4, 4)).unbind(-1)
    a = 10 ** (db / 40)
    w = 2 * torch.pi * hz.clamp(1.0, 0.49 * sample_rate) / sample_rate
    cos, alpha = w.cos(), w.sin() / (2 * q)
    peak = torch.stack([1 + alpha * a, -2 * cos, 1 - alpha * a, 1 + alpha / a, -2 * cos, 1 - alpha / a], dim=-1)
    c, root = kind * cos, 2 * a.sqrt() * alpha  # the high shelf is the low shelf with the sign of every cosine changed
    shelf = [
        a * (a + 1 + (a - 1) * c + root),
        -2 * kind * a * (a - 1 + (a + 1) * c),
        a * (a + 1 + (a - 1) * c - root),
        a + 1 - (a - 1) * c + root,
        2 * kind * (a - 1 - (a + 1) * c),
        a + 1 - (a - 1) * c - root,
    ]
    sections = torch.where(kind[..., None] == 0, peak, torch.stack(shelf, dim=-1))
    return sections / sections[..., 3:4]


def equalise(audio: Tensor, sample_rate: int, **settings: Setting) -> Tensor:
    """Low shelf, two peaks, high shelf; settings as in `biquads`, whose defaults leave the sound as it is.

    Computed in float64: by SciPy, or by torchaudio, several times slower, where a gradient is asked for.
    """
    tracks = audio.reshape(-1, *audio.shape[-2:])
    sections = biquads(sample_rate, **settings).expand(*audio.shape[:-2], 4, 6).reshape(-1, 4, 6)
    if torch.is_grad_enabled() and (audio.requires_grad or sections.requires_grad):
        out = tracks.double().transpose(0, 1)  # a filter for each track, the same for its channels
        for section in sections.unbind(1):
            out = lfilter(out, section[:, 3:], section[:, :3], clamp=False)
        return out.transpose(0, 1).to(audio.dtype).reshape(audio.shape)
    out = np.empty(tracks.shape, tracks.detach().numpy().dtype)
    for index, (track, section) in enumerate(zip(tracks.detach().numpy(), sections.detach().numpy(), strict=True)):
        out[index] = sosfilt(section, track, axis=-1)
    return torch.from_numpy(out).reshape(audio.shape)


def compress(
    audio: Tensor,
    sample_rate: int,
    threshold_db: Setting = -20.0,
    ratio: Setting = 2.0,
    attack_ms: Setting = 10.0,
    release_ms: Setting = 100.0,
    makeup_db: Setting = 0.0,
) -> Tensor:
    """Feed-forward compressor with a hard knee; both channels of a track get the same gain.

    A level `x` dB above the threshold (dBFS) asks for (1 - 1/ratio) x dB of reduction. The reduction is smoothed by
    the smooth decoupled peak detector of Giannoulis, Massberg and Reiss (2012), on decibels: held, and released with
    time constant `release_ms`, then approached with time constant `attack_ms` (63 % of the way).

    The detector works on the peaks of blocks of `DETECTOR_MS`, and the gain moves in a straight line from the end of
    one to the end of the next. So it is never late, begins to move at most a block early, and takes a block at least.
    """
    samples = audio.shape[-1]
    block = max(round(sample_rate * DETECTOR_MS / 1000), 1)
    flat = audio.abs().reshape(1, -1, samples)
    peaks = functional.max_pool1d(flat, block, ceil_mode=True).reshape(*audio.shape[:-1], -1).amax(-2)
    slope = 1 - 1 / _per_track(ratio, audio)[..., 0].clamp_min(1)
    wanted = (decibels(peaks) - _per_track(threshold_db, audio)[..., 0]).clamp_min(0) * slope
    attack, release = (_pole(_per_track(time, audio)[..., 0], sample_rate / block) for time in (attack_ms, release_ms))
    reduction = functional.pad(_approach(_hold(wanted, release), attack), (1, 0))
    gains = torch.exp((_per_track(makeup_db, audio)[..., 0] - reduction) * NEPER)
    ramp = torch.arange(1, block + 1, dtype=audio.dtype) / block
    gains = torch.stack([gains[..., :-1], gains[..., 1:]], dim=-1) @ torch.stack([1 - ramp, ramp])
    return audio * gains.flatten(-2)[..., None, :samples]


def _approach(x: Tensor, pole: Tensor) -> Tensor:
    """y[n] = pole y[n-1] + (1 - pole) x[n] from y = 0, for x (..., steps) and pole (..., 1).

    Sums over windows of 1, 2, 4, ... steps, each made of two of half the length, until the pole has forgotten the rest.
    """
    y, step = (1 - pole) * x, 1
    while step < x.shape[-1] and pole.max() > FORGOTTEN:
        y = torch.cat([y[..., :step], torch.addcmul(y[..., step:], pole, y[..., :-step])], dim=-1)
        pole, step = pole.square(), 2 * step
    return y


def _hold(x: Tensor, pole: Tensor) -> Tensor:
    """y[n] = max(x[n], pole y[n-1] + (1 - pole) x[n]) from y = 0, for x (..., steps) >= 0 and pole (..., 1).

    Over a window of steps this map of y is again max(c, A y + b): A = pole^length, b the recursion without the maximum
    from y = 0, c the recursion from y = -infinity. Windows are doubled as in `_approach`.
    """
    b, c, step = (1 - pole) * x, x, 1
    while step < x.shape[-1] and pole.max() > FORGOTTEN:
        later = b[..., step:]
        c = torch.cat([c[..., :step], torch.maximum(c[..., step:], torch.addcmul(later, pole, c[..., :-step]))], dim=-1)
        b = torch.cat([b[..., :step], torch.addcmul(later, pole, b[..., :-step])], dim=-1)
        pole, step = pole.square(), 2 * step
    return torch.maximum(b, c)


def limit(audio: Tensor, sample_rate: int, ceiling_db: Setting = -1.0, window_ms: float = 20) -> Tensor:
    """The master's limiter, `audio.limiter_gain` on (..., channels, samples): true peaks stay below `ceiling_db` dBTP.

    All channels of a mix get the same gain. It begins to fall at most `window_ms` before a peak; nothing is delayed.
    """
    mixes = audio.reshape(-1, *audio.shape[-2:])
    ceilings = torch.as_tensor(ceiling_db).expand(audio.shape[:-2]).reshape(-1)
    limited = [
        mix * limiter_gain(mix, sample_rate, ceiling, window_ms) for mix, ceiling in zip(mixes, ceilings, strict=True)
    ]
    return torch.stack(limited).reshape(audio.shape)


def _per_track(value: Setting, audio: Tensor) -> Tensor:
    """A setting (...) as (..., 1, 1), to stand against (..., channels, samples)."""
    return torch.as_tensor(value, dtype=audio.dtype)[..., None, None]


def _pole(milliseconds: Tensor, sample_rate: float) -> Tensor:
    """Pole of a one-pole filter with that time constant; 0 ms follows at once."""
    return torch.exp(-1000 / (milliseconds.clamp_min(1e-6) * sample_rate))
