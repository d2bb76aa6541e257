"""The checks of chapter 00's exercises."""

from collections.abc import Callable

import torch
from scipy.stats import binom
from torch import Tensor

from .verdict import Verdict, check, right, wrong

_MIXERS = ("raw", "rule", "generator", "engineer")


@check
def check_00_wire(middle: float | None, side: float | None, swapped: float | None) -> Verdict:
    """Exercise 1: middle and side of (0.6, 0.2), and the middle once the right channel has changed its sign."""
    if middle is None or side is None or swapped is None:
        return wrong("Give all three numbers.")
    if abs(middle - 0.8) < 1e-6 or abs(side - 0.4) < 1e-6:
        return wrong("middle and side: half of the sum and half of the difference, not the whole.")
    if abs(middle - 0.4) > 1e-6:
        return wrong(f"middle: not {middle:g}; add left and right, and halve.")
    if abs(side + 0.2) < 1e-6:
        return wrong("side: the difference is left minus right, in this order.")
    if abs(side - 0.2) > 1e-6:
        return wrong(f"side: not {side:g}; subtract right from left, and halve.")
    if abs(swapped - 0.4) < 1e-6:
        return wrong("middle_swapped: it does change. The right channel is now -0.2; add again.")
    if abs(swapped - 0.2) > 1e-6:
        return wrong(f"middle_swapped: not {swapped:g}; the right channel is now -0.2, add again, and halve.")
    return right("What was the middle, 0.4, is now the side, and the middle is what the side was, 0.2.")


@check
def check_00_width(width: Callable[[Tensor], float]) -> Verdict:
    """Exercise 2: ``width(mix)``, the side's share of the energy of a mix (2, samples), 0 for silence."""
    sound = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    silence = torch.zeros(1000)

    def tried(left: Tensor, right: Tensor) -> float:
        return float(width(torch.stack([left, right])))

    mono, one_sided, opposite = tried(sound, sound), tried(sound, silence), tried(sound, -sound)
    if abs(mono) > 1e-4 and abs(opposite) < 1e-4:
        return wrong("Middle and side are exchanged: equal channels have no side, so their width is 0.")
    if abs(mono) > 1e-4:
        return wrong(f"Left and right equal: all is middle, and the width is 0, not {mono:.3g}.")
    if abs(opposite - 1) > 1e-4:
        return wrong(
            f"Right is minus left: all is side, and the width is 1, not {opposite:.3g}. Divide by both energies."
        )
    if abs(one_sided - 0.5) > 1e-4:
        return wrong(f"Left only: as much side as middle, and the width is 0.5, not {one_sided:.3g}.")
    # Left 1, right 0.5: middle 0.75 and side 0.25, energies 9 to 1.
    mixed = tried(sound, 0.5 * sound)
    if abs(mixed - 0.25) < 1e-3:
        return wrong("Amplitudes were added up in place of energies: square the samples before the sum.")
    if abs(mixed - 0.1) > 1e-3:
        return wrong(f"Right half as loud as left: a middle of 0.75, a side of 0.25, a width of 0.1, not {mixed:.3g}.")
    if tried(silence, silence) != 0:
        return wrong("Silence: nothing over nothing; answer 0 before you divide.")
    return right("Nothing for mono, everything for opposite channels, and no answer depends on how loud the mix is.")


@check
def check_00_blind(best: list[str] | None) -> Verdict:
    """Exercise 3: ``best``, what stood behind the letter that was liked best, a name for each of at least 3 songs."""
    if best is None:
        return wrong("Give a list: for each song, what key says of the letter that you liked best.")
    if isinstance(best, str):
        return wrong("best: a list of names, one for each song, not a single one.")
    if letters := set(best) & set("abcd"):
        return wrong(f"best: {', '.join(sorted(letters))} is a letter; look it up in that song's key.")
    if unknown := set(best) - set(_MIXERS):
        return wrong(
            f"best: {', '.join(map(repr, unknown))} has mixed nothing here; the names are {', '.join(_MIXERS)}."
        )
    if len(best) < 3:
        return wrong(f"best: {len(best)} of 3 songs; whoever guesses chooses the engineer of one song often enough.")
    engineers = list(best).count("engineer")
    chance = binom.sf(engineers - 1, len(best), 1 / len(_MIXERS))
    return right(
        f"You chose the engineer in {engineers} of {len(best)} songs. Who hears no difference does so that often, or "
        f"more often, in {100 * chance:.0f} of 100 such tests."
    )
