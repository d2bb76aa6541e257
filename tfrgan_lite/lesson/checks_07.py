"""Checks of chapter 07, the GAN objective."""

from collections.abc import Callable
from math import log, log2, log10

import torch
from torch import Tensor

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
