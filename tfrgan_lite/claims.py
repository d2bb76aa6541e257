"""What the paper claims of the generator's parts, and what the table of ablations says to it. The page of results.

Only what a part does to the mixes is asked here; what lies in the latents is chapter 06's.
"""

from dataclasses import dataclass

from .report import MEASURES
from .variants import PAPER

SIGNS = {"matched_db": 1, "energy": 1, "gain_db": 1, "covered": 1, "keys": -1}  # of a difference that is for the worse
FOR, AGAINST, BOTH, NEITHER = "for it", "against it", "both ways", "no difference to be seen"


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        text: of the paper, in short.
        without: the rows that lack what it is about: where they are worse, they speak for it.
        with_it: the rows that have it in place of ours: where they are better, they speak for it.
    """

    text: str
    without: tuple[str, ...] = ()
    with_it: tuple[str, ...] = ()


CLAIMS = (
    Claim("A Transformer grasps the whole of a song, which an LSTM's gradients do not.", without=("LSTM",)),
    Claim("Patches of the mel spectrogram suit a Transformer.", with_it=("16×16 patches",)),
    Claim(
        "Position encoding, learned over tracks and time, strengthens it.",
        without=("no position", "sinusoidal position"),
    ),
    Claim("A β-VAE module after each feed-forward network betters the mix.", without=("no β-VAE",)),
    Claim(
        "The weight β of its KL is what makes it work.",
        without=("β = 0",),
        with_it=("β = 1e-3", "β = 1e-2", "β = 1e-1"),
    ),
    Claim("Attention across tracks makes them give way to each other.", without=("no attention across tracks",)),
    Claim(
        "Noise and a style label in the start token give diverse mixes that are true to the style.",
        with_it=("noise in the start token alone", PAPER),
    ),
    Claim("Adversarial training makes the mixes true to the data.", without=("no adversary",)),
    Claim("An MLP will do as the discriminator.", with_it=("MLP critic",)),
)


def claims_table(results: dict) -> str:
    """Markdown: each claim, and for each row that answers it what is better or worse than with all of ours, as far as
    the 95 % interval of the difference leaves out 0; empty if no row answers any.

    Args:
        results: of `evaluate` with ``against``, the ablations.
    """
    lines = []
    for claim in CLAIMS:
        told = [
            (row, sign, _apart(results["differences"][row]))
            for rows, sign in ((claim.without, 1), (claim.with_it, -1))
            for row in rows
            if row in results["differences"]
        ]
        if told:
            speaks = {sign * better_or_worse for _, sign, found in told for better_or_worse, _ in found}
            verdict = {(): NEITHER, (1,): FOR, (-1,): AGAINST}.get(tuple(sorted(speaks)), BOTH)
            cells = "; ".join(f"{row}: {', '.join(words for _, words in found) or 'as ours'}" for row, _, found in told)
            lines.append(f"| {claim.text} | {cells} | {verdict} |")
    return "\n".join(["| the paper says | measured | which speaks |", "|---|---|---|", *lines]) if lines else ""


def _apart(differences: dict[str, list[float]]) -> list[tuple[int, str]]:
    """1 and how much worse a row is, -1 and how much better, for each measure that tells it apart."""
    found = []
    for measure, sign in SIGNS.items():
        difference, low, high = differences.get(measure, (0.0, 0.0, 0.0))
        if low > 0 or high < 0:
            worse = 1 if sign * difference > 0 else -1
            name, digits = MEASURES[measure][:2]
            found.append((worse, f"{name} {difference:+.{digits}f}, {'worse' if worse > 0 else 'better'}"))
    return found
