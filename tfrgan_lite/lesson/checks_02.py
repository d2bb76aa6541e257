"""The checks of chapter 02's exercises."""

from collections.abc import Callable
from math import isfinite

import torch
from torch import Tensor

from ..metrics.bootstrap import mean_and_interval
from .verdict import Verdict, check, right, wrong


@check
def check_02_by_hand(weaker_db: float | None, attack_ms: float | None, same_side: float | None) -> Verdict:
    """Exercise 1: gain sharing of powers 4 and 1; the attack at a crest of 10 dB; three coins that agree."""
    if weaker_db is None or attack_ms is None or same_side is None:
        return wrong("Give all three numbers.")
    if not all(isfinite(float(x)) for x in (weaker_db, attack_ms, same_side)):
        return wrong("All three are finite numbers.")

    def near(x: float, value: float) -> bool:
        return abs(float(x) - value) < max(0.06, 0.01 * abs(value))

    if near(weaker_db, 7):
        return wrong("weaker_db: it is turned down, so mind the sign.")
    if near(weaker_db, -13.98):
        return wrong("weaker_db: the gain is the square root of the share; you took the share itself as an amplitude.")
    if near(weaker_db, -6.02):
        return wrong("weaker_db: 1/4 compares it with the other track; its share is of both together.")
    if near(weaker_db, -0.97):
        return wrong("weaker_db: that is the gain of the stronger track.")
    if not near(weaker_db, -6.99):
        return wrong(f"weaker_db: not {weaker_db}; its share is 1 of 5, and the gain squared is the share.")
    if near(attack_ms, 1.6):
        return wrong("attack_ms: 10 dB are a ratio of powers of 10, which is the crest squared already.")
    if near(attack_ms, 50.6):
        return wrong("attack_ms: you divided by the crest; the equation has its square.")
    if near(attack_ms, 184) or near(attack_ms, 200):
        return wrong("attack_ms: that is the release, or most of it.")
    if not near(attack_ms, 16):
        return wrong(f"attack_ms: not {attack_ms}; turn 10 dB into the squared crest, and divide 160 ms by it.")
    if abs(same_side - 0.125) < 0.005:
        return wrong("same_side: 1/8 is all three on the left; on the right they agree as well.")
    if abs(same_side - 0.5) < 0.005:
        return wrong("same_side: 1/2 is two coins that agree; here are three.")
    if abs(same_side - 0.25) > 0.005:
        return wrong(f"same_side: not {same_side}; the second and the third coin must each agree with the first.")
    return right("-7.0 dB, 16 ms and 1 in 4: shares are of powers, the crest counts squared, and coins do not balance.")


@check
def check_02_floor(shared_with_floor: Callable[[Tensor, float], Tensor]) -> Verdict:
    """Exercise 2: ``shared_with_floor(power (tracks, blocks), floor_db)``: gain sharing that never closes a track."""
    power = torch.tensor([[1.0, 4.0, 1e-6, 0.0], [1.0, 1.0, 1.0, 2.0], [1.0, 0.0, 1.0, 0.0]])
    gain = (power / power.sum(0)).sqrt()
    for floor_db in (-12.0, -40.0):
        given, floor = shared_with_floor(power.clone(), floor_db), 10 ** (floor_db / 20)
        if not isinstance(given, Tensor):
            return wrong("shared_with_floor must return a tensor of the powers' shape.")
        if given.shape != power.shape:
            return wrong(f"shared_with_floor returned shape {tuple(given.shape)} for powers of {tuple(power.shape)}.")
        if torch.allclose(given, gain.clamp_min(floor), atol=1e-4):
            continue
        share = power / power.sum(0)
        for mistake, hint in (
            (torch.ones_like(gain), "All gains are 1: nothing is shared yet."),
            (gain, "The floor does nothing: a gain below it must be raised to it."),
            (share.clamp_min(floor), "These are shares of power: the gain is the square root of the share."),
            (share.clamp_min(floor).sqrt(), "The floor is on the share: take the root first, then keep the gain up."),
            (
                gain.clamp_min(10 ** (floor_db / 10)),
                "A gain is an amplitude: its floor is 10 ** (dB / 20), not dB / 10.",
            ),
            (gain.clamp_max(floor), "You kept the gains below the floor: it is the least, not the most."),
            ((power / power.sum(1, keepdim=True)).sqrt(), "You shared over time; the tracks share each block."),
            (
                (power / power.sum(1, keepdim=True)).sqrt().clamp_min(floor),
                "You shared over time; the tracks share each block.",
            ),
        ):
            if torch.allclose(given, mistake, atol=1e-4, equal_nan=True):
                return wrong(hint)
        if given.isnan().any():
            return wrong("Some gains are no number: is there a division of zero by zero?")
        if given.min() < floor - 1e-6:
            return wrong(f"With a floor of {floor_db:.0f} dB a gain is {float(given.min()):.4f}, below {floor:.4f}.")
        return wrong(
            f"With a floor of {floor_db:.0f} dB the floor holds, but the gains above it are not the shares' roots."
        )
    return right("Nobody is closed, and the others share as before.")


@check
def check_02_own(without: list[float] | None, with_it: list[float] | None, says: str | None) -> Verdict:
    """Exercise 3: distances in dB of the same songs without and with one's own sentence, and what they say together:
    "nearer", "farther" or "tie".
    """
    if without is None or with_it is None or says is None:
        return wrong("Give the distances without and with your sentence, song by song, and what they say.")
    if len(without) != len(with_it):
        return wrong(f"without, with_it: {len(without)} and {len(with_it)} distances; measure the same songs twice.")
    if len(without) < 5:
        return wrong(f"without: {len(without)} songs say little; take five or more.")
    if not all(isfinite(x) and x > 0 for x in (*without, *with_it)):
        return wrong("without, with_it: distances are above 0; give those to the engineers, not their differences.")
    change = [after - before for before, after in zip(without, with_it, strict=True)]
    if not any(change):
        return wrong("with_it: not one song has changed, as if nobody had read your sentence: is it passed on?")
    if says not in ("nearer", "farther", "tie"):
        return wrong(f'says: "nearer", "farther" or "tie", not {says!r}.')
    mean, low, high = mean_and_interval(change)
    truth = "nearer" if high < 0 else "farther" if low > 0 else "tie"
    told = f"the differences are {mean:+.3f} dB on average ({low:+.3f} to {high:+.3f})"
    if truth == "tie" and says != "tie":
        return wrong(f"says: {told}, and 0 lies within: these songs cannot tell.")
    if says == "tie" and truth != "tie":
        return wrong(f"says: {told}: 0 lies outside. Take the difference song by song before you ask for its interval.")
    if says != truth:
        return wrong(f"says: {told}; a distance that falls is nearer.")
    return right(f"It is as you say: {told}. What you like is another question.")
