"""The checks of chapter 03's exercises."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..mel import FLOOR, LogMel
from .verdict import Verdict, check, right, wrong


@check
def check_03_count(window: int | None, frames: int | None, tokens: int | None) -> Verdict:
    """Exercise 1: a stem of 360,240 samples at 48 kHz, 25 ms windows, 10 ms hops, 80 bands, patches of 16 x 16."""
    if window is None or frames is None or tokens is None:
        return wrong("Give all three numbers: samples in a window, frames of X, tokens by patch.")
    if window == 1102:
        return wrong("window: 1102 belongs to 44.1 kHz; this stem is at 48 kHz.")
    if window == 480:
        return wrong("window: 480 samples are 10 ms, the hop; the window is 25 ms.")
    if window != 1200:
        return wrong(f"window: {window} samples are {window / 48:.1f} ms at 48 kHz; 25 ms are asked for.")
    if frames == 750:
        return wrong("frames: 750 leaves the last half hop without a frame; a hop that has begun counts (round up).")
    if frames == 301:
        return wrong("frames: 301 windows would lie side by side; they overlap, so divide by the hop, not the window.")
    if frames != 751:
        return wrong(f"frames: not {frames}; the hop is 480 samples, and T = ceil(samples / hop).")
    if tokens == 234:
        return wrong("tokens: 234 drops the padded patches; round T / 16 and F / 16 up before you multiply.")
    if tokens == 47:
        return wrong("tokens: 47 is the number of patches in time; each column of patches has F / 16 of them.")
    if tokens != 235:
        return wrong(f"tokens: not {tokens}; ceil(T / 16) patches in time, times ceil(F / 16) in frequency.")
    return right("The last half hop and the last incomplete patch are padded with zeros, and both count.")


@check
def check_03_fader(fader: Callable[[Tensor, float], Tensor]) -> Verdict:
    """Exercise 2: ``fader(X, gain_db)`` gives the log-mel of the sound with its level changed by gain_db."""
    audio = 0.1 * torch.randn(22050, generator=torch.Generator().manual_seed(0))
    audio[11025:] = 0  # the second half is digital silence
    log_mel = LogMel(44100)
    X = log_mel(audio)
    if not isinstance(fader(X.clone(), 0.0), Tensor):
        return wrong("fader must return a tensor of X's shape.")
    loud = X > -2  # far above the floor, where a gain is an addition
    for gain in (-20.0, 6.0):
        got, want = fader(X.clone(), gain), log_mel(audio * 10 ** (gain / 20))
        if got.shape != X.shape:
            return wrong(f"fader returned shape {tuple(got.shape)} for an X of {tuple(X.shape)}.")
        if not torch.isfinite(got).all():
            return wrong("fader returned values that are not finite: what is the logarithm of 0? Add the floor again.")
        step = float((got - X)[loud].median())
        if abs(step) < 1e-6:
            return wrong(f"X does not change at {gain:+.0f} dB.")
        if abs(step - gain) < 1e-2:
            return wrong("You added the decibels themselves. X is a natural logarithm: how many nepers is a decibel?")
        if abs(step - gain * torch.log(torch.tensor(10.0)) / 20) < 1e-2:
            return wrong("X moves half as far as it should: X is the logarithm of power, so divide by 10, not by 20.")
        if not torch.allclose(got[loud], want[loud], atol=2e-2):
            return wrong(
                f"At {gain:+.0f} dB loud bands move by {step:.2f}; they should by {(want - X)[loud].median():.2f}."
            )
        if not torch.allclose(got, want, atol=2e-2):
            return wrong(
                f"Loud bands are right, soft ones are not: silence is ln({FLOOR:g}) at every gain. "
                "Take the floor off, scale the power, and put the floor back."
            )
    return right("Power times 10^(dB / 10), between taking the floor off and putting it back.")


@check
def check_03_rebuild(rebuild: Callable[[Tensor, LogMel], Tensor]) -> Verdict:
    """Exercise 3: ``rebuild(x, log_mel)`` joins the magnitudes that least squares gets from X to the phase of x."""
    x = 0.1 * torch.randn(22050, generator=torch.Generator().manual_seed(0))
    for bands in (80, 20):
        log_mel = LogMel(44100, bands)
        got = rebuild(x.clone(), log_mel)
        if not isinstance(got, Tensor) or got.shape != x.shape:
            return wrong("rebuild must return a waveform as long as x, as a tensor (samples,).")
        if not torch.isfinite(got).all():
            return wrong("There are values that are not finite: least squares can give negative power. Set it to zero.")
        if torch.equal(got, x):
            return wrong("That is x itself. Make X of it, and magnitudes of X.")
        X, undo = log_mel(x), torch.linalg.pinv(log_mel.filters)
        power = (X.exp() - FLOOR).clamp_min(0)
        size = (power @ undo).clamp_min(0).sqrt()
        phase = log_mel.stft(x).angle()
        for mistaken, angle, hint in (
            (size.square(), phase, "These are powers: a magnitude is the square root of a power."),
            (
                (power @ log_mel.filters.mT).sqrt(),
                phase,
                "The transposed bank spreads power, it undoes nothing: use M⁺.",
            ),
            ((X.clamp_min(0) @ undo).clamp_min(0).sqrt(), phase, "X is a logarithm: undo that first."),
            (size, torch.zeros_like(phase), "The phase is zero: give it that of x."),
        ):
            if torch.allclose(got, log_mel.stft.inverse(torch.polar(mistaken, angle), len(x)), atol=1e-4):
                return wrong(hint)
        if not torch.allclose(got, log_mel.stft.inverse(torch.polar(size, phase), len(x)), atol=1e-4):
            return wrong(f"With {bands} bands it is another sound: exp, floor off, M⁺, not below 0, root, phase of x.")
    return right("The waveform is x without the detail inside the bands, and with its phase.")
