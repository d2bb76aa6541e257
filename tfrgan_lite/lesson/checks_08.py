"""The checks of chapter 08's exercises."""

from collections.abc import Callable
from math import e

import torch
from torch import Tensor

from ..studio.console import pan_gains
from .verdict import Verdict, check, right, wrong

_ALONE = e / (e + 1 / e)
_CROWD = 2 * e / (3 * e + e**-3)
_LOGISTIC = 1 / (1 + 1 / e)


@check
def check_08_sides(alone: float | None, crowd: float | None) -> Verdict:
    """Exercise 1: P(tracks 1 and 2 apart) of three tracks, J_12 = -1: the third coupled to neither; to both, by -1."""
    if alone is None or crowd is None:
        return wrong("Give both probabilities: with the third track alone, and with it coupled to both others.")
    if not (0 <= alone <= 1 and 0 <= crowd <= 1):
        return wrong("A probability lies between 0 and 1: divide each exponential by the sum of all four.")
    if abs(alone - _LOGISTIC) < 0.005:
        return wrong("alone: swapping one side changes the exponent from 1 to -1, by 2 and not by 1.")
    if abs(alone - (1 - _ALONE)) < 0.005:
        return wrong("alone: this is the probability that they stand together; a negative coupling pushes apart.")
    if abs(alone - _ALONE / 2) < 0.005:
        return wrong(
            "alone: this is one of two arrangements with the pair apart; the third track may stand either way."
        )
    if abs(alone - _ALONE) > 0.005:
        return wrong(f"alone: not {alone:.3g}; write down all four arrangements with the first track on the right.")
    if abs(crowd - _ALONE) < 0.005:
        return wrong("crowd: the same as before, but now the third track wants to be away from both.")
    if abs(crowd - _CROWD / 2) < 0.005:
        return wrong("crowd: in two of the four arrangements the first two are apart; this is one of them.")
    if abs(crowd - _CROWD) > 0.005:
        return wrong(f"crowd: not {crowd:.3g}; sum J s s over all three pairs in each of the four arrangements.")
    return right("A pair alone is apart in about seven of eight draws; three that all repel have to share a side.")


@check
def check_08_wet(wet: Callable[[Tensor, Tensor, float, float, float], Tensor]) -> Verdict:
    """Exercise 2: ``wet(S, R, gain_db, pan, send_db)`` of one track, spectra (2, T, K): no bands, colour, fine head."""
    source = torch.Generator().manual_seed(0)
    S, R = (torch.randn(2, 3, 5, dtype=torch.complex64, generator=source) for _ in range(2))

    def tried(gain_db: float, pan: float, send_db: float, s: Tensor = S, r: Tensor = R) -> Tensor:
        return torch.as_tensor(wet(s.clone(), r.clone(), gain_db, pan, send_db))

    def same(x: Tensor, y: Tensor) -> bool:
        return x.shape == y.shape and torch.allclose(x, y, atol=1e-4)

    if tried(0.0, 0.0, -300.0).shape != S.shape:
        return wrong(f"The result must have the shape of S, {tuple(S.shape)}.")
    if not same(tried(0.0, 0.0, -300.0), S):
        return wrong("With the fader at 0 dB, the pan in the centre and no send, the track must come out as it is.")
    if same(tried(-20.0, 0.0, -300.0), 0.01 * S):
        return wrong("The fader moves twice as far as it should: amplitudes take 10 ** (dB / 20), powers dB / 10.")
    if not same(tried(-20.0, 0.0, -300.0), 0.1 * S):
        return wrong("A fader at -20 dB must divide the amplitude by 10.")
    panned = tried(0.0, 0.5, -300.0)
    if same(panned, S * pan_gains(torch.tensor(-0.5))[:, None, None]):
        return wrong("The pan pot is mirrored: positive positions are right, the second channel.")
    if not same(panned, S * pan_gains(torch.tensor(0.5))[:, None, None]):
        return wrong("The pan pot is not the constant-power law of eq-01-pan, which pan_gains computes.")
    reverb = tried(0.0, 0.5, -6.0206, S * 0)
    if same(reverb, 0.5 * R * pan_gains(torch.tensor(0.5))[:, None, None]):
        return wrong("The reverb went through the pan pot; in eq-08-wet p multiplies S only.")
    if not same(reverb, 0.5 * R):
        return wrong("A send at -6 dB must add half of R to both channels.")
    if not same(tried(-20.0, 0.0, 0.0, S * 0), 0.1 * R):
        return wrong("The send is post-fader: the fader must turn the reverb down, too.")
    return right("Fader, pan pot and post-fader send: that is a channel strip.")


@check
def check_08_moved(most_moved: Callable[[Tensor, Tensor, int], tuple[int, int]]) -> Verdict:
    """Exercise 3: ``most_moved(before, after, gone)``: track, counted as before, and setting that changed most when
    track ``gone`` left. ``before`` (tracks, settings), ``after`` (tracks - 1, settings), in one unit.
    """
    before = 10 * torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    for gone, (row, setting), step in ((1, (3, 0), -2.0), (2, (0, 1), 1.5), (0, (3, 1), -3.0), (4, (1, 0), 1.0)):
        kept = [track for track in range(len(before)) if track != gone]
        after = before.clone()
        after[row, setting] += step
        after[kept[-1], 2] += 0.5  # the largest rise, where what changes most falls
        given = tuple(int(x) for x in most_moved(before.clone(), after[kept].clone(), gone))
        if len(given) != 2:
            return wrong(f"most_moved returns {len(given)} numbers; give track and setting.")
        if given == (row, setting):
            continue
        if given == (kept.index(row), setting):
            return wrong(f"track: {given[0]} is its place without track {gone}; count as before it left: {row}.")
        if given == (setting, row):
            return wrong("Track and setting are exchanged.")
        if step < 0 and given[1] == 2:
            return wrong("That setting rises most, but another falls by more: compare sizes, without the sign.")
        if given[0] == gone:
            return wrong(f"Track {gone} has left; leave its row of before out, so that each row meets itself.")
        return wrong(
            f"Track {gone} left, setting {setting} of track {row} changed by {step:+g}, and you say {given}. "
            "Subtract setting by setting, and look for the largest size."
        )
    return right("Each track is compared with itself, by size, and named by its old number. Now ask the generator.")
