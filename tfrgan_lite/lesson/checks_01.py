"""The checks of chapter 01's exercises."""

from collections.abc import Callable
from math import isfinite

import torch
from torch import Tensor

from .verdict import Verdict, check, right, wrong


@check
def check_01_levels(three_db: float | None, side_db: float | None, out_db: float | None) -> Verdict:
    """Exercise 1: three independent tracks at -20 dB; a pan pot at the right end; -8 dB into 4:1 above -20 dB."""
    if three_db is None or side_db is None or out_db is None:
        return wrong("Give all three numbers, in dB.")
    if not all(isfinite(float(x)) for x in (three_db, side_db, out_db)):
        return wrong("All three are finite numbers of dB.")

    def near(x: float, value: float) -> bool:
        return abs(float(x) - value) < 0.06

    if near(three_db, -60):
        return wrong("three_db: decibels are logarithms; adding them multiplies the sounds. Add powers, 10^(dB / 10).")
    if near(three_db, -10.46):
        return wrong("three_db: -10.5 is right for three equal tracks; of independent ones the powers add.")
    if near(three_db, -17):
        return wrong("three_db: -17.0 is two tracks; here there are three.")
    if near(three_db, -24.77):
        return wrong("three_db: a sum is louder than each of its independent parts: look at the sign.")
    if not near(three_db, -15.23):
        return wrong(f"three_db: not {three_db}; the power of the sum is three times that of one track.")
    if near(side_db, 0):
        return wrong(
            "side_db: 0 dB is the gain in the centre, on both channels; where does the left channel's power go?"
        )
    if near(side_db, 6.02):
        return wrong("side_db: +6 dB is the linear law; under constant power the squares of both gains add up to 2.")
    if near(side_db, -3.01):
        return wrong("side_db: -3 dB is the centre of a law with 0 dB at the side; this console has 0 in the centre.")
    if not near(side_db, 3.01):
        return wrong(f"side_db: not {side_db}; put p = 1 into sqrt(2) sin(pi (1 + p) / 4), and turn it into dB.")
    if near(out_db, -9):
        return wrong("out_db: 3 dB is what is left above the threshold, 12 / 4; take it from the threshold upwards.")
    if near(out_db, -2):
        return wrong("out_db: a quarter of the level itself; the ratio divides what lies above the threshold.")
    if near(out_db, -11):
        return wrong("out_db: you took 12 / 4 dB off; 12 / 4 dB is what stays.")
    if not near(out_db, -17):
        return wrong(f"out_db: not {out_db}; the input is 12 dB above the threshold; a quarter of that stays.")
    return right("-15.2 dB, +3 dB and -17 dB: powers add, the side gets all the power, and 12 dB above become 3.")


@check
def check_01_widen(widen: Callable[[Tensor, float], Tensor]) -> Verdict:
    """Exercise 2: ``widen(mix, side_db)`` changes the level of the sides of a mix (2, samples), never the middle."""
    mix = 0.1 * torch.randn(2, 4000, generator=torch.Generator().manual_seed(0))
    middle, side = (mix[0] + mix[1]) / 2, (mix[0] - mix[1]) / 2

    def built(middle_gain: float, side_gain: float) -> Tensor:
        return torch.stack([middle_gain * middle + side_gain * side, middle_gain * middle - side_gain * side])

    for side_db in (6.0, -20.0, 0.0):
        given, gain = widen(mix.clone(), side_db), 10 ** (side_db / 20)
        if not isinstance(given, Tensor):
            return wrong("widen must return a tensor of the mix's shape.")
        if given.shape != mix.shape:
            return wrong(f"widen returned shape {tuple(given.shape)} for a mix of {tuple(mix.shape)}.")
        if torch.allclose(given, built(1, gain), atol=1e-5):
            continue
        if torch.allclose(given, mix, atol=1e-6):
            return wrong(f"At {side_db:+.0f} dB the mix comes out as it went in.")
        for mistake, hint in (
            (mix * gain, "The whole mix got louder: only the side may change, or the mono sum does not stay."),
            (built(gain, 1), "You turned the middle: what both channels share must stay as it is."),
            (built(1, gain**2), "The side moves twice as far: an amplitude takes 10 ** (dB / 20), a power dB / 10."),
            (built(2, 2 * gain), "Everything is 6 dB too loud: somewhere a half is missing."),
            (built(0.5, 0.5 * gain), "Everything is 6 dB too soft: L = M + S and R = M - S, without another half."),
            (built(1, gain).flip(0), "Left and right are exchanged: L = M + S and R = M - S."),
            (torch.stack([middle, gain * side]), "These are middle and side themselves: turn them back into L and R."),
        ):
            if torch.allclose(given, mistake, atol=1e-5):
                return wrong(hint)
        if not torch.allclose(given.mean(0), middle, atol=1e-5):
            return wrong("The mono sum has changed: (L + R) / 2 must be the same before and after.")
        return wrong(f"The mono sum stays, but at {side_db:+.0f} dB the side is not the old one times {gain:.2f}.")
    return right("The sides move, and who listens in mono hears no difference.")


@check
def check_01_coin(camp: Callable[[Tensor, list[float]], Tensor]) -> Verdict:
    """Exercise 3: ``camp(mixes, pans)``, the mean of those mixes (mixes, 2, samples) whose pan lies on the left."""
    mixes = torch.randn(5, 2, 100, generator=torch.Generator().manual_seed(0))
    pans = [-0.6, 0.5, -0.2, 0.7, 0.0]
    given = camp(mixes.clone(), list(pans))
    if not isinstance(given, Tensor):
        return wrong("camp must return a tensor (2, samples).")
    side = torch.tensor(pans)
    if given.shape == mixes[side < 0].shape:
        return wrong("These are the mixes of the camp; take their mean over the first axis.")
    if given.shape != mixes.shape[1:]:
        return wrong(
            f"camp returned shape {tuple(given.shape)} for mixes of {tuple(mixes.shape)}; one mix is asked for."
        )
    for mistake, hint in (
        (mixes.mean(0), "This is the average of all mixes: the coin is still in it."),
        (mixes[side > 0].mean(0), "This is the other camp: left is below 0."),
        (mixes[side <= 0].mean(0), "A guitar at 0 stands in neither camp: left is below 0."),
        (mixes[side < 0].sum(0), "This is the sum of the camp, not its mean."),
        (mixes[side < 0].sum(0) / len(mixes), "Divide by how many are in the camp, not by how many there are."),
        (mixes[0], "This is one mix of the camp, not the mean of all that are in it."),
    ):
        if torch.allclose(given, mistake, atol=1e-5):
            return wrong(hint)
    if not torch.allclose(given, mixes[side < 0].mean(0), atol=1e-5):
        return wrong("Of five mixes with pans -0.6, 0.5, -0.2, 0.7 and 0 the first and the third are to be averaged.")
    return right("Only those who agree on the side are averaged. Now listen for what else has gone.")
