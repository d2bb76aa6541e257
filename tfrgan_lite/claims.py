"""What the paper claims, and what was measured: of the generator's parts by the table of ablations; of position,
attention, β-VAE and discriminator by the chapters' experiments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from .metrics.bootstrap import mean_and_interval
from .report import MEASURES, cell
from .seeds import over_seeds
from .variants import FEW, PAPER, SUBJECT

SCORE = "held_out_score"
SIGNS = {  # of a difference that is for the worse
    "matched_db": 1,
    "energy": 1,
    "gain_db": 1,
    "covered": 1,
    "keys": -1,
    "style": -1,
    SCORE: 1,
}
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


LESS_BY_HEART = "Regularisation keeps the model from learning its songs by heart."
REGULARISED = (  # more, less: what the second has of regularisation, the first has not
    (f"{FEW}, no β-VAE", FEW),
    (FEW, f"{FEW}, β = 1e-2"),
    ("no β-VAE", SUBJECT),
    (SUBJECT, "β = 1e-2"),
)
SCORES = ("own_score", SCORE, "accuracy")
Trained = Mapping[str, Sequence[dict]]  # name of a row -> what is told of the training of each seed


def claims_table(results: dict) -> str:
    """Markdown: each claim, and for each row that answers it what is better or worse than with all of ours, as far as
    the 95 % interval of the difference leaves out 0; empty if no row answers any. The measures' intervals are over
    songs and seeds; that of the energy score of what is drawn for held-out songs is over seeds, by Student's t.

    Args:
        results: of `evaluate` with ``against``, the ablations.
    """
    lines, training = [], results.get("training", {})
    for claim in CLAIMS:
        told = [
            (row, sign, _apart(results["differences"][row] | _score(training, row)))
            for rows, sign in ((claim.without, 1), (claim.with_it, -1))
            for row in rows
            if row in results["differences"]
        ]
        if told:
            speaks = {sign * better_or_worse for _, sign, found in told for better_or_worse, _ in found}
            cells = "; ".join(f"{row}: {', '.join(words for _, words in found) or 'as ours'}" for row, _, found in told)
            lines.append(f"| {claim.text} | {cells} | {_verdict(speaks)} |")
    lines += _regularised(training)
    return "\n".join(["| the paper says | measured | which speaks |", "|---|---|---|", *lines]) if lines else ""


def _apart(differences: Mapping[str, Sequence[float]]) -> list[tuple[int, str]]:
    """1 and how much worse a row is, -1 and how much better, for each measure that tells it apart."""
    found = []
    for measure, sign in SIGNS.items():
        difference, low, high = differences.get(measure, (0.0, 0.0, 0.0))
        if low > 0 or high < 0:
            worse = 1 if sign * difference > 0 else -1
            name, digits = ("score, held-out songs", 3) if measure == SCORE else MEASURES[measure][:2]
            found.append((worse, f"{name} {difference:+.{digits}f}, {'worse' if worse > 0 else 'better'}"))
    return found


def _score(training: Trained, row: str) -> dict[str, Sequence[float]]:
    """The difference of a row's energy score on held-out songs to ours, seed by seed, as a measure; {} if untold."""
    one, ours = ({run["seed"]: run[SCORE] for run in training.get(name, ()) if SCORE in run} for name in (row, SUBJECT))
    both = sorted(one.keys() & ours.keys())
    return {SCORE: over_seeds([one[seed] - ours[seed] for seed in both])} if both else {}


def _verdict(speaks: set[int]) -> str:
    """In a word: what speaks for a claim is 1, what speaks against it -1."""
    return {(): NEITHER, (1,): FOR, (-1,): AGAINST}.get(tuple(sorted(speaks)), BOTH)


def by_heart(training: Trained, row: str) -> dict[int, float]:
    """Of each seed of a row whose training tells it, how much lower the energy score is on songs that were learned from
    than on held-out ones."""
    runs = [run for run in training.get(row, ()) if "own_score" in run]
    return {run["seed"]: run[SCORE] - run["own_score"] for run in runs}


def _regularised(training: Trained) -> list[str]:
    """The line of LESS_BY_HEART: of each pair of rows the difference, seed by seed, in what is learned by heart."""
    words, speaks = [], set()
    for more, less in REGULARISED:
        one, other = (by_heart(training, row) for row in (more, less))
        if both := sorted(one.keys() & other.keys()):
            difference = over_seeds([one[seed] - other[seed] for seed in both])
            speaks |= {1} if difference[1] > 0 else {-1} if difference[2] < 0 else set()
            words.append(f"{more} less {less}: {cell(difference, 3)}")
    return [f"| {LESS_BY_HEART} | by heart, {'; '.join(words)} | {_verdict(speaks)} |"] if words else []


def learned_table(training: Trained) -> str:
    """Markdown: of each row the energy scores of its own songs and of held-out ones, what it has learned by heart, and
    how often its discriminator was right at the end; empty if no training tells it."""
    lines = []
    for row, runs in training.items():
        if gaps := by_heart(training, row):
            own, held_out, right = ([run[key] for run in runs if key in run] for key in SCORES)
            told = [f"{np.mean(own):.3f}", f"{np.mean(held_out):.3f}", cell(over_seeds([*gaps.values()]), 3)]
            lines.append(f"| {row} | {' | '.join(told)} | {f'{100 * np.mean(right):.0f} %' if right else '–'} |")
    head = "| row | score, own songs | score, held-out songs | by heart | critic right |"
    return "\n".join([head, "|---|---|---|---|---|", *lines]) if lines else ""


@dataclass(frozen=True)
class Question:
    """A claim that a chapter's experiment answers.

    Attributes:
        text: of the claim, in short.
        chapter: its number.
        tables: how the titles of the chapter's tables begin that answer it.
        ours: the rows that the claim says are better, without what follows their names in brackets, as a strength.
        others: those that it says are worse.
    """

    text: str
    chapter: str
    tables: str
    ours: tuple[str, ...]
    others: tuple[str, ...]


QUESTIONS = (
    Question(
        "Position encoding strengthens a Transformer, which is insensitive to order without it.",
        chapter="04",
        tables="What sounds at the next step",
        ours=("sinusoidal", "learned"),
        others=("none",),
    ),
    Question(
        "A Transformer reaches back to where an LSTM's gradient does not.",
        chapter="05",
        tables="A bar repeated",
        ours=("attention",),
        others=("LSTM",),
    ),
    Question(
        "β-VAE outperforms VAE (β = 1) and InfoGAN.",
        chapter="06",
        tables="The contest on",
        ours=("β-VAE",),
        others=("VAE", "InfoGAN"),
    ),
    Question(
        "An MLP will do as the discriminator.",
        chapter="07",
        tables="What a discriminator tells apart",
        ours=("mlp",),
        others=("spectral",),
    ),
)


def difference(table: dict, measure: str, row: str, other: str) -> tuple[float, float, float]:
    """How much more a row of a chapter's table has of a measure than another, and the 95 % interval of that, each seed
    or song by itself.

    Args:
        table: as :class:`tfrgan_lite.lesson.experiment.Table` has it.
    """
    one, two = (np.array(table["rows"][name][measure]["values"]) for name in (row, other))
    return mean_and_interval(one - two) if table["over"] == "songs" else over_seeds(one - two)


def questions_table(chapters: Mapping[str, dict]) -> str:
    """Markdown: each of QUESTIONS, what the chapter's experiment says to it as far as the 95 % intervals of the
    differences leave out 0, and which it speaks for; empty if no chapter answers any.

    Args:
        chapters: number -> what :class:`tfrgan_lite.lesson.experiment.Experiment` stored.
    """
    lines = []
    for question in QUESTIONS:
        tables = chapters.get(question.chapter, {"tables": {}})["tables"]
        said, speaks = [], []
        for title in (title for title in tables if title.startswith(question.tables)):
            table, sentences = tables[title], []
            for measure, row in product(table["measures"], _named(table, question.ours)):
                found = [_better(table, measure, row, other) for other in _named(table, question.others)]
                sentences.append(f"{measure}: {row} is {' and '.join(words for _, words in found)}")
                speaks += [better for better, _ in found]
            said.append(f"**{title}.** {'; '.join(sentences)}.")
        if said:
            lines.append(f"| {question.text} | {' '.join(said)} | {_counted(speaks)} |")
    return "\n".join(["| the paper says | measured | which speaks |", "|---|---|---|", *lines]) if lines else ""


def _counted(speaks: Sequence[int]) -> str:
    """In words: how many of the comparisons speak for a claim, 1, and how many against it, -1."""
    told = [f"{way} in {count}" for way, one in ((FOR, 1), (AGAINST, -1)) if (count := speaks.count(one))]
    return f"{', '.join(told)} of {len(speaks)}" if told else NEITHER


def _named(table: dict, names: tuple[str, ...]) -> list[str]:
    return [row for row in table["rows"] if row.partition(" (")[0] in names]


def _better(table: dict, measure: str, row: str, other: str) -> tuple[int, str]:
    """1 if a row is better than another, -1 if it is worse, 0 if that cannot be told; and that in words."""
    about, apart = table["measures"][measure], difference(table, measure, row, other)
    more = 1 if apart[1] > 0 else -1 if apart[2] < 0 else 0
    better = more if about["better"] == "higher" else -more
    words = {1: "better than", -1: "worse than", 0: "not told apart from"}[better]
    by, low, high = (f"{value:+.{about['digits']}f}" for value in apart)
    return better, f"{words} {other}, {' '.join([by, about['unit']]).strip()} ({low} to {high})"
