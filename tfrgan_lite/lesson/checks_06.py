"""Checks of chapter 06, β-VAE disentanglement."""

from collections.abc import Callable
from math import log

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from .verdict import Verdict, check, right, wrong


@check
def check_06_nats(answer: float) -> Verdict:
    """Nats of a unit with mean 2 and variance 1."""
    if answer is None:
        return wrong("Put your number in place of None.")
    value = float(answer)
    for number, hint in (
        (4.0, "The whole bracket is halved."),
        (2.5, "Do not forget the -1 in the bracket: with mean 0 and variance 1 the result must be 0."),
        (1.0, "The mean counts squared."),
        (2 / log(2), "That is in bits; nats are counted with natural logarithms."),
    ):
        if abs(value - number) < 0.005:
            return wrong(hint)
    if abs(value - 2) < 0.005:
        return right("(4 + 1 - 0 - 1) / 2 = 2 nats: a mean of 2 is a rare thing to say under the prior.")
    return wrong("Put mean 2 and variance 1 into (mean² + variance - log variance - 1) / 2.")


@check
def check_06_kl(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> Verdict:
    """A function (mu, sigma, prior_mu, prior_sigma) that gives the KL of two normal distributions in nats."""
    mu, sigma = torch.tensor([0.0, 1.0, -0.5]), torch.tensor([1.0, 0.5, 2.0])
    prior_mu, prior_sigma = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([1.0, 1.0, 3.0])
    given = answer(mu, sigma, prior_mu, prior_sigma)
    if given is None:
        return wrong("The function returns None: return a tensor like mu.")
    given = torch.as_tensor(given, dtype=torch.float32)
    if given.shape != mu.shape:
        return wrong(
            f"The result has shape {tuple(given.shape)} for means of shape {tuple(mu.shape)}: one value for each."
        )
    p, q = Normal(mu, sigma), Normal(prior_mu, prior_sigma)
    truth = kl_divergence(p, q)
    variances = kl_divergence(Normal(mu, sigma.sqrt()), Normal(prior_mu, prior_sigma.sqrt()))
    for mistake, hint in (
        (2 * truth, "Twice too large: the bracket is halved."),
        (-truth, "The sign is turned: a divergence is never negative."),
        (kl_divergence(q, p), "This is the divergence of the prior from the posterior: the order matters."),
        (variances, "You take sigma for a variance: it is a standard deviation, so square it."),
        (kl_divergence(p, Normal(0.0, 1.0)), "This is right for the prior N(0, 1) only: use prior_mu and prior_sigma."),
        (truth + 0.5, "Two equal bells must give 0: something constant is left."),
    ):
        if torch.allclose(given, mistake, atol=1e-4):
            return wrong(hint)
    if not torch.allclose(given, truth, atol=1e-4):
        return wrong(f"For N(1, 0.5²) against N(0, 1) you say {float(given[1]):.3f}; it is {float(truth[1]):.3f}.")
    return right("It agrees with torch.distributions, for a standard prior and another.")


@check
def check_06_alive(units: int, nats: float) -> Verdict:
    """How many units live on axes of variance 900, 250, 90, 40, 12 and 3 at β = 30, and what they say in all."""
    if units is None or nats is None:
        return wrong("Put your two numbers in place of None.")
    beta, axes = 30.0, (900.0, 250.0, 90.0, 40.0, 12.0, 3.0)
    each = [0.5 * log(axis / beta) for axis in axes if axis > beta]
    if units != len(each):
        hint = "Do not take roots: the eigenvalue is the variance." if units == 0 else "Count the eigenvalues above β."
        return wrong(hint)
    value = float(nats)
    for number, hint in (
        (2 * sum(each), "Each logarithm is halved."),
        (sum(each) / log(2), "That is in bits; nats are counted with natural logarithms."),
        (sum(0.5 * log(axis) for axis in axes if axis > beta), "That is for β = 1: divide each variance by β."),
        (sum(0.5 * log(axis / beta) for axis in axes), "A dead unit says nothing, not less than nothing."),
        (each[0], "That is the first unit alone."),
    ):
        if abs(value - number) < 0.02:
            return wrong(hint)
    if abs(value - sum(each)) < 0.02:
        return right(f"Four axes stand above the water and say {sum(each):.2f} nats; two are drowned.")
    return wrong("Add log(variance / β) / 2 over the units that live.")
