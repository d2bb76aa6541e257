"""The checks of chapter 08's exercises."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..generator import pan_gains
from .verdict import Verdict, check, right, wrong


@check
def check_08_tokens(own: int | None, memory: int | None) -> Verdict:
    """Exercise 1: tokens that a decoder token can attend to, for 512 frames, strips of 16, five tracks."""
    if own is None or memory is None:
        return wrong("Give both numbers: tokens of the track itself, and tokens of the encoder's memory.")
    if own == 32:
        return wrong("own_tokens: 32 strips are right, but what stands before the first of them?")
    if own == 512:
        return wrong("own_tokens: 512 is the number of frames; 16 of them make one token.")
    if own != 33:
        return wrong(f"own_tokens: not {own}; divide the frames by the stride and remember how the decoder starts.")
    if memory == 165:
        return wrong("memory_tokens: 165 counts a start token for each track, but only the decoder has one.")
    if memory == 32:
        return wrong("memory_tokens: 32 is one track's memory; the decoder hears all five.")
    if memory != 160:
        return wrong(f"memory_tokens: not {memory}; how many strips do all tracks have together?")
    return right("33 of its own, the start token included, and 160 of all five tracks.")


@check
def check_08_wet(wet: Callable[[Tensor, Tensor, float, float, float], Tensor]) -> Verdict:
    """Exercise 2: ``wet(S, R, gain_db, pan, send_db)`` of one track, spectra (2, T, K), without the fine head."""
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
        return wrong("The pan pot is not the constant-power law of eq-08-pan, which pan_gains computes.")
    reverb = tried(0.0, 0.5, -6.0206, S * 0)
    if same(reverb, 0.5 * R * pan_gains(torch.tensor(0.5))[:, None, None]):
        return wrong("The reverb went through the pan pot; in eq-08-wet p multiplies S only.")
    if not same(reverb, 0.5 * R):
        return wrong("A send at -6 dB must add half of R to both channels.")
    if not same(tried(-20.0, 0.0, 0.0, S * 0), 0.1 * R):
        return wrong("The send is post-fader: the fader must turn the reverb down, too.")
    return right("Fader, pan pot and post-fader send: that is a channel strip.")
