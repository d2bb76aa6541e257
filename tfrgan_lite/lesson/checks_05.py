"""Checks of chapter 05, attention and the TFR layer."""

from collections.abc import Callable

import torch
from torch import Tensor

from .verdict import Verdict, check, right, wrong


@check
def check_05_row(kick: float, bass: float, piano: float) -> Verdict:
    """The bass's weights in the chapter's table of three tracks, under the causal mask."""
    if kick is None or bass is None or piano is None:
        return wrong("Put your three numbers in place of None.")
    given = torch.tensor([float(kick), float(bass), float(piano)])
    scores = torch.tensor([2.0, 0.0, 1.0])  # of the bass, divided by the root
    unmasked = scores.softmax(0)
    for mistake, hint in (
        (unmasked, "The mask is missing: the piano comes later, so its score is minus infinity."),
        (unmasked * torch.tensor([1.0, 1.0, 0.0]), "Mask the scores, before the softmax: these do not sum to 1."),
        (torch.tensor([2.0, 0.0, 0.0]).softmax(0), "A masked score is minus infinity, not 0: e⁰ = 1 has a vote."),
        (torch.tensor([4.0, 0.0, -1e9]).softmax(0), "Divide the scores by the root of d_k, which is 2."),
        (torch.tensor([0.0, 2.0, -1e9]).softmax(0), "The query 2 0 2 0 fits the kick's key, not the bass's."),
    ):
        if torch.allclose(given, mistake, atol=0.006):
            return wrong(hint)
    truth = torch.tensor([2.0, 0.0, -1e9]).softmax(0)
    if torch.allclose(given, truth, atol=0.006):
        return right("e² and e⁰ over their sum: what may be seen shares the whole weight.")
    if abs(float(given.sum()) - 1) > 0.01:
        return wrong(f"Weights sum to 1, and yours to {float(given.sum()):.2f}.")
    return wrong("Scores 4 and 0, divided by 2; then e to the power of each, over the sum of what may be seen.")


@check
def check_05_attend(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> Verdict:
    """A function (q, k, v, allowed) that gives masked attention (T, d_v), zeros where a query may see nobody."""
    draw = torch.Generator().manual_seed(5)
    q, k, v = (torch.randn(shape, generator=draw) for shape in ((4, 9), (5, 9), (5, 3)))
    allowed = torch.tensor([[1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [0, 1, 0, 1, 1], [0, 0, 0, 0, 0]], dtype=torch.bool)
    before = [x.clone() for x in (q, k, v, allowed)]
    given = answer(q, k, v, allowed)
    if given is None:
        return wrong("The function returns None: return the averaged values.")
    given = torch.as_tensor(given)
    if given.shape != (4, 3):
        return wrong(f"The result is {tuple(given.shape)}: it must be (T, d_v), here (4, 3).")
    if not all(torch.equal(x, y) for x, y in zip(before, (q, k, v, allowed), strict=True)):
        return wrong("The function changes what it is given: work on copies.")
    scores = q @ k.mT
    scaled = scores / 3
    hidden = scaled.masked_fill(~allowed, -torch.inf)
    seeing = allowed.any(-1, keepdim=True)
    for mistake, hint in (
        (scores.masked_fill(~allowed, -torch.inf).softmax(-1) @ v, "The scores are not divided by the root of d_k."),
        (scaled.softmax(-1) @ v, "Nothing is masked."),
        (scaled.masked_fill(allowed, -torch.inf).softmax(-1) @ v, "The mask is turned: True means seen."),
        (scaled.softmax(-1) * allowed @ v, "Mask the scores, before the softmax: your weights do not sum to 1."),
        ((scaled * allowed).softmax(-1) @ v, "A masked score must be minus infinity, not 0."),
        (hidden.softmax(0) @ v, "The softmax goes over the keys, the last axis, not over the queries."),
    ):
        rows = slice(1, 3)  # both see something, and not everything
        if torch.allclose(given[rows], mistake[rows], atol=1e-5, equal_nan=True):
            return wrong(hint)
    truth = hidden.softmax(-1).masked_fill(~seeing, 0.0) @ v
    if given[3].isnan().any():
        return wrong("A query that may see nobody gets NaN: set its weights to 0.")
    if not torch.allclose(given[3], truth[3], atol=1e-5):
        return wrong("A query that may see nobody must receive zeros, and yours receives something.")
    if not torch.allclose(given, truth, atol=1e-5):
        return wrong(f"One number should be {float(truth[0, 0]):.3f}, and yours is {float(given[0, 0]):.3f}.")
    return right("It agrees with the definition, for queries that see all, some and nobody.")


@check
def check_05_induction(look: Callable[[list[int]], list[int]]) -> Verdict:
    """``look(steps)``: for each step the place after the last time that it was played before now, -1 if never."""

    def places(steps: list[int], choose: Callable[[list[int]], int], ahead: int = 1) -> list[int]:
        before = [[j for j in range(t) if steps[j] == step] for t, step in enumerate(steps)]
        return [choose(found) + ahead if found else -1 for found in before]

    for steps in ([0, 1, 2, 0, 1, 3, 0], [2, 2, 1, 0, 2], [3, 1]):
        given, truth = look(list(steps)), places(steps, max)
        if given is None:
            return wrong("look returns None: return a list with a place for each step.")
        given = [int(place) for place in given]
        if len(given) != len(steps):
            return wrong(f"look returns {len(given)} places for {len(steps)} steps.")
        if given == truth:
            continue
        for mistake, hint in (
            (places(steps, max, 0), "That is where the step was played; what came after it stands one place later."),
            (places(steps, max, -1), "That is what came before it; one place after it stands what came next."),
            (places(steps, min), "That is after the first time that the step was played, not after the last."),
            ([t + 1 for t in range(len(steps))], "A step is not an earlier time of itself, and t + 1 is the future."),
        ):
            if given == mistake:
                return wrong(hint)
        if any(place > t for t, place in enumerate(given)):
            return wrong(f"For {steps} you look at {given}: a place after t is in the future, which the mask hides.")
        if any(place >= 0 for place, true in zip(given, truth, strict=True) if true < 0):
            return wrong("A step that was not played before has no place to look at: -1.")
        return wrong(f"For {steps} you look at {given}; it should be {truth}.")
    return right("That is what the second layer looks for: the place whose predecessor is the step of now.")
