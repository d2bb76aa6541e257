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
