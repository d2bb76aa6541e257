"""The checks of chapter 04's exercises."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..positional import sinusoidal
from .verdict import Verdict, check, right, wrong


@check
def check_04_wave(pair: int | None) -> Verdict:
    """Exercise 1: the first pair whose wavelength exceeds 30 s, for tokens of 0.16 s and d_model 64."""
    if pair is None:
        return wrong("Give the index of the pair, counted from 0.")
    if pair == 11:
        return wrong("pair: clock 11 turns just under 30 s; which is the first that takes longer?")
    if pair == 13:
        return wrong("pair: 13 would be right if pairs were counted from 1; the paper's i starts at 0.")
    if pair in (24, 25):
        return wrong(f"pair: {pair} is a dimension of that pair; pair i stands in dimensions 2i and 2i + 1.")
    if pair == 19:
        return wrong(
            "pair: 19 leaves out the factor 2 pi: a clock turns once in 2 pi / omega tokens, not in 1 / omega."
        )
    if pair == 22:
        return wrong("pair: 22 counts frames of 10 ms; a token is a stride of 16 frames, 0.16 s.")
    if pair == 6:
        return wrong("pair: 6 takes the exponent as 4i / d_model; it is 2i / d_model.")
    if pair != 12:
        return wrong(f"pair: not {pair}. Turn 30 s into tokens first, then solve 2 pi * 10000^(2i / 64) = that.")
    return right("187.5 tokens lie between clock 11 and clock 12; the clocks from 12 on never complete a turn.")


@check
def check_04_shift(shift: Callable[[Tensor, int], Tensor]) -> Verdict:
    """Exercise 2: ``shift(encoding, steps)`` gives the encoding of positions ``steps`` later, by rotation."""
    for start, d_model, steps in ((0, 8, 1), (0, 64, 4), (37, 16, 25), (90, 32, -3)):
        given = sinusoidal(12, d_model, start=start)
        want = sinusoidal(12, d_model, start=start + steps)
        got = shift(given.clone(), steps)
        if not isinstance(got, Tensor):
            return wrong("shift must return a tensor of the encoding's shape.")
        if got.shape != given.shape:
            return wrong(f"shift returned shape {tuple(got.shape)} for an encoding of {tuple(given.shape)}.")
        if torch.allclose(got, want, atol=1e-3):
            continue
        if torch.allclose(got, given, atol=1e-3):
            return wrong("The encoding has not moved: every pair must turn by steps * omega of its own.")
        if torch.allclose(got, sinusoidal(12, d_model, start=start - steps), atol=1e-3):
            return wrong("You turned backwards, to earlier positions: look at the sign of the sines.")
        if torch.allclose(got, given.roll(-steps, 0), atol=1e-3) or torch.allclose(
            got, given.roll(steps, 0), atol=1e-3
        ):
            return wrong("Rolling the rows brings the first ones round to the end; turn each pair in place.")
        if start and torch.allclose(got, sinusoidal(12, d_model, start=steps), atol=1e-3):
            return wrong(
                "You assumed that the stretch starts at position 0; its start is not known. Turn what is given."
            )
        if not torch.allclose(got.norm(dim=1), given.norm(dim=1), atol=1e-2):
            return wrong("The length of a row has changed, so this is no rotation: cos and sin, cos and minus sin.")
        if torch.allclose(got[:, :2], want[:, :2], atol=1e-3):
            return wrong("The first pair is right, slower ones are not: omega_i = 10000^(-2i / d_model).")
        return wrong(
            f"For d_model {d_model} and {steps} steps the result is off by {float((got - want).abs().max()):.2f}."
        )
    return right("One matrix, whatever the position: that is why a layer can learn 'four steps later'.")


@check
def check_04_scale(runs: dict[float, list[float]] | None, best: float | None) -> Verdict:
    """Exercise 3: ``runs`` is scale -> shares of right answers, one for each seed; ``best`` the scale that won."""
    if runs is None or best is None:
        return wrong("Give runs, a dictionary of scale -> shares of right answers, and the best scale.")
    if len(runs) < 4 or min(runs) > 0.1 or max(runs) < 10:
        return wrong("runs: try at least four scales, from 0.1 or less to 10 or more.")
    if min(len(shares) for shares in runs.values()) < 3:
        return wrong("runs: give three seeds for every scale; one run says nothing of the spread.")
    every = [share for shares in runs.values() for share in shares]
    if not all(0 <= share <= 1 for share in every):
        return wrong("runs: shares lie between 0 and 1; yours may be per cent or losses.")
    if len(set(every)) == 1:
        return wrong("runs: all are the same, as if the scale never reached the network: is it passed on to NextStep?")
    means = {scale: sum(shares) / len(shares) for scale, shares in runs.items()}
    if best not in means or means[best] < max(means.values()):
        return wrong(f"best: the highest mean is that of scale {max(means, key=means.__getitem__):g}, not of {best:g}.")
    tied = [f"{scale:g}" for scale in sorted(runs) if scale != best and max(runs[scale]) >= min(runs[best])]
    if tied:
        return right(f"Scale {best:g} has the highest mean; the seeds of {', '.join(tied)} overlap with its own: ties.")
    return right(f"Scale {best:g} is best, and no seed of another scale reaches its worst.")
