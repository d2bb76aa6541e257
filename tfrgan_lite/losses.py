"""What the two players want, as functions of the discriminator's logits: D = sigmoid(logit). Chapter 07.

Each returns a mean in nats (hinge: in units of the logit). The logarithmic ones use softplus, which never takes
the log of zero.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as functional
from torch import Tensor


def discriminator_log_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log D(x)] - E[log(1 - D(G(z)))]: minus the value function V (Goodfellow et al. 2014, equation 1)."""
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def generator_minimax_loss(fake: Tensor) -> Tensor:
    """E[log(1 - D(G(z)))], which G minimises in the paper's game; its gradient vanishes where D is sure of a fake."""
    return -functional.softplus(fake).mean()


def generator_non_saturating_loss(fake: Tensor) -> Tensor:
    """-E[log D(G(z))]: the same fixed point, a strong gradient where D is sure (Goodfellow et al. 2014, section 3)."""
    return functional.softplus(-fake).mean()


def discriminator_hinge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 - real)] + E[max(0, 1 + fake)] (Lim and Ye 2017)."""
    return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()


def generator_hinge_loss(fake: Tensor) -> Tensor:
    """-E[fake], the generator's side of the hinge loss."""
    return -fake.mean()


ADVERSARIAL: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "minimax": (discriminator_log_loss, generator_minimax_loss),
    "non_saturating": (discriminator_log_loss, generator_non_saturating_loss),
    "hinge": (discriminator_hinge_loss, generator_hinge_loss),
}


def gradient_penalty(real_logits: Tensor, real: Tensor) -> Tensor:
    """R1: half the squared norm of D's gradient at real inputs (batch, ...), mean over the batch (Mescheder et al.
    2018).
    """
    per_mix = real_logits.flatten(1).mean(1).sum()
    (gradient,) = torch.autograd.grad(per_mix, real, create_graph=True)
    return 0.5 * gradient.square().flatten(1).sum(1).mean()


def energy_score(first: Tensor, second: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """E|X - y| - E|X - X'| / 2 of two draws X, X' of a model and what was observed, y, of equal shape (batch, N, ...).

    The energy score (Gneiting and Raftery 2007, section 4.2): least for a model that draws as y was drawn; one that
    always says the mean, or that draws too widely, has more. |.| is the root mean square of a song's numbers.

    Args:
        mask: bool (batch, N); tracks that are False do not count.
    """
    mask = torch.ones_like(target[:, :, :1].flatten(1)) if mask is None else mask

    def apart(x: Tensor, y: Tensor) -> Tensor:
        square = ((x - y).square().flatten(2).mean(2) * mask).sum(1) / mask.sum(1).clamp_min(1)
        return (square + 1e-6).sqrt()  # where both are one, the root alone would have no slope

    return (0.5 * (apart(first, target) + apart(second, target) - apart(first, second))).mean()


def log_mel_l1(estimate: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean absolute difference of two log-mels of equal shape (batch, ..., T, F), in nats.

    Args:
        mask: bool (batch, N); tracks that are False do not count, and each song counts alike.
    """
    difference = (estimate - target).abs()
    return difference.mean() if mask is None else mean_over_present(difference.flatten(2).mean(2), mask)


def kl_per_token(kl: list[Tensor], present: Tensor) -> Tensor:
    """KL of the modules (batch, N, tokens, latent): sum over units, mean over present tokens and layers, in nats."""
    return torch.stack([mean_over_present(layer.sum(-1).mean(-1), present) for layer in kl]).mean()


def mean_over_present(values: Tensor, present: Tensor) -> Tensor:
    """Mean of each song's present tracks, then of the songs: (batch, N) and bool (batch, N) -> ().

    So the loss of a batch is the mean of its parts' losses, however a batch is shared out.
    """
    return ((values * present).sum(1) / present.sum(1).clamp_min(1)).mean()
