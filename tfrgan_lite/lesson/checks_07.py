"""Checks of chapter 07, the GAN objective."""

from collections.abc import Callable
from math import log, log2, log10

import torch
from torch import Tensor

from ..seeds import mean_over_seeds
from .verdict import Verdict, check, right, wrong


@check
def check_07_value(answer: float) -> Verdict:
    """V of a D that says 0.8 to every mix, in nats."""
    if answer is None:
        return wrong("Put your number in place of None.")
    told, value = log(0.8) + log(0.2), float(answer)
    for number, hint in (
        (2 * log(0.8), "The second term is log(1 - D) on the fakes, not log D."),
        (-told, "A logarithm of a probability is not positive: look at the sign."),
        (told / 2, "V is the sum of its two expectations, not their mean."),
        (log10(0.8) + log10(0.2), "That is with logarithms to base 10; V is in nats, with natural logarithms."),
        (log2(0.8) + log2(0.2), "That is in bits; V is in nats, with natural logarithms."),
        (0.8 + 0.2, "V takes the logarithm of each probability before it adds."),
        (log(0.8), "The fakes count as well: D says 0.8 to them too, which costs it log(1 - 0.8)."),
    ):
        if abs(value - number) < 0.005:
            return wrong(hint)
    if abs(value - told) < 0.005:
        return right(f"log 0.8 + log 0.2 = {told:.3f}: less than -log 4, so this D would do better to say 1/2.")
    return wrong("Write V as two terms: the mean of log D on real mixes, and the mean of log(1 - D) on fakes.")


@check
def check_07_optimal_discriminator(answer: Callable[[Tensor, Tensor], Tensor]) -> Verdict:
    """A function of two tensors of densities that gives D*, 1/2 where both are 0."""
    p, q = torch.tensor([0.3, 0.1, 0.0, 0.5]), torch.tensor([0.1, 0.1, 0.4, 0.0])
    given = answer(p, q)
    if given is None:
        return wrong("The function returns None: return a tensor like p_data.")
    given = torch.as_tensor(given, dtype=torch.float32)
    if given.shape != p.shape:
        return wrong(
            f"The result has shape {tuple(given.shape)} for densities of shape {tuple(p.shape)}: one value for each."
        )
    if torch.allclose(given, q / (p + q)):
        return wrong("This is the probability of a fake: D is sure of a real mix where p_data is large.")
    if torch.allclose(given[:2], (p / q)[:2]):
        return wrong("This is the ratio of the densities, which can be above 1: divide by their sum.")
    if torch.allclose(given, torch.full_like(given, 0.5)):
        return wrong("1/2 everywhere is D* only if both densities are equal.")
    if not torch.allclose(given, p / (p + q), atol=1e-6):
        return wrong(
            f"For p_data 0.3 and p_model 0.1 you say {float(given[0]):.3f}; maximise 0.3 log D + 0.1 log(1 - D)."
        )
    nothing = torch.as_tensor(answer(torch.zeros(1), torch.zeros(1)), dtype=torch.float32)
    if not torch.allclose(nothing, torch.tensor([0.5])):
        return wrong(
            f"Where both densities are 0 you say {float(nothing[0])}; say 1/2 there, and mind the division by zero."
        )
    return right("The share of the real density in both: 3/4 where it is three times the other.")


@check
def check_07_parts(
    whole: list[float] | None, without: dict[str, list[float]] | None, needed: list[str] | None
) -> Verdict:
    """Distances from the engineer, one a seed: of the whole loss, and without each part; and which parts are needed,
    those without which the pans are farther away by more than seeds can explain.
    """
    if whole is None or without is None or needed is None:
        return wrong("Give three answers: whole, without (part -> distances), needed (a list of parts).")
    if len(without) < 4:
        return wrong(f"without: {len(without)} of four parts; take each of the four away once.")
    if len(whole) < 3 or any(len(row) != len(whole) for row in without.values()):
        return wrong("whole, without: give a distance for each seed, the same seeds for all, at least three.")
    if not all(distance >= 0 for row in (whole, *without.values()) for distance in row):
        return wrong("whole, without: a distance is not negative; give distances, not differences.")
    for part, row in without.items():
        if list(row) == list(whole):
            return wrong(f"without[{part!r}]: the same as the whole in every seed, as if the part were still there.")
    if unknown := set(needed) - set(without):
        return wrong(f"needed: {', '.join(map(repr, unknown))} is no part of without.")
    for part, row in without.items():
        more, give = mean_over_seeds(torch.tensor(row) - torch.tensor(whole))
        told = f"without it the pans are {more:+.3f} ± {give:.3f} farther away"
        if part in needed and more < -give:
            return wrong(f"needed: {part}: {told}, so nearer: it does harm here.")
        if part in needed and more <= give:
            return wrong(f"needed: {part}: {told}, and 0 lies within: these seeds do not show that it is needed.")
        if part not in needed and more > give:
            return wrong(f"needed: {part} is missing: {told}. Subtract seed by seed before you take the interval.")
    names = ", ".join(part for part in without if part in needed) or "no part"
    return right(f"These seeds show that {names} is needed. Of the others they show nothing, or harm.")
