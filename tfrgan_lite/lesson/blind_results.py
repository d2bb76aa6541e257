"""What listeners gave in blind tests, read from the JSON that :func:`tfrgan_lite.lesson.blind` saves."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from scipy.stats import binomtest

from ..errors import UserError
from ..seeds import over_seeds
from .blind import FORMAT

# BS.1534's post-screening: who scores the hidden reference below 90 in more than 15 % of the trials is left out.
LEAST_SCORE, MOST_MISSED = 90, 0.15


@dataclass(frozen=True)
class BlindResults:
    """What :func:`blind_results` returns; a table in a notebook.

    Attributes:
        scores: sound -> mean score of 0 to 100, and the ends of its 95 % interval by Student's t, infinite for a single
            value; without those who are excluded.
        over: what the intervals are over: "listeners", each by their own mean; or "trials", if only one is left.
        kept, excluded: the listeners whose scores count, and those who failed the post-screening.
        abx: the two sounds, in alphabetical order -> right answers, trials, and the p-value: the probability that
            guessing gets as many right or more. Nobody is excluded here.
    """

    scores: dict[str, tuple[float, float, float]]
    over: str
    kept: list[str]
    excluded: list[str]
    abx: dict[tuple[str, str], tuple[int, int, float]]

    def _repr_markdown_(self) -> str:
        ranked = sorted(self.scores.items(), key=lambda item: -item[1][0])
        rows = [f"| {name} | {mean:.1f} | {low:.1f} to {high:.1f} |" for name, (mean, low, high) in ranked]
        lines = [f"| sound | mean score | 95 % interval, over {self.over} |", "|---|---|---|", *rows] if rows else []
        if self.kept or self.excluded:
            lines += ["", f"Listeners: {len(self.kept)}; left out: {', '.join(self.excluded) or 'nobody'}."]
        if self.abx:
            pairs = [f"| {a} or {b} | {right} of {n} | {p:.2g} |" for (a, b), (right, n, p) in self.abx.items()]
            lines += ["", "| ABX | right | p of guessing |", "|---|---|---|", *pairs]
        return "\n".join(lines).strip()


def blind_results(given: Sequence[str | Path | Mapping]) -> BlindResults:
    """Read what listeners saved: mean scores with intervals after post-screening, and how well pairs are told apart.

    Files with the same name or code count as one listener; a file without one is a listener of its own. The sounds that
    a listener scored in several trials count by the mean over these.

    Args:
        given: paths of saved JSON files, or their content as a dict, such as ``results`` of a blind test; of tests with
            the same labels, over one excerpt or several.

    Raises:
        UserError: for nothing, a file that is missing or was not saved by a blind test, or a score, a choice or a label
            that cannot be.
    """
    if isinstance(given, str | Path | Mapping):
        raise UserError("given: is a single result; put it into a list")
    if not given:
        raise UserError("given: is empty; save a blind test's results and give the files' paths")
    trials: dict[str, list[tuple[dict, str]]] = {}
    right: Counter = Counter()
    tried: Counter = Counter()
    nameless = count(1)
    for k, each in enumerate(given):
        where, content = _read(each, k)
        listener = content["listener"].strip() or f"listener {next(nameless)}"
        scored = [(_scores(trial, content["reference"], where), content["reference"]) for trial in content["mushra"]]
        if scored:
            trials.setdefault(listener, []).extend(scored)
        for run in content["abx"]:
            pair, hits, asked = _run(run, where)
            right[pair] += hits
            tried[pair] += asked
    excluded = [name for name, own in trials.items() if _missed(own) > MOST_MISSED]
    kept = {name: [scores for scores, _ in own] for name, own in trials.items() if name not in excluded}
    alone = len(kept) == 1
    units = next(iter(kept.values())) if alone else [_mean(own) for own in kept.values()]
    labels = dict.fromkeys(label for scores in units for label in scores)
    return BlindResults(
        scores={label: over_seeds([scores[label] for scores in units if label in scores]) for label in labels},
        over="trials" if alone else "listeners",
        kept=list(kept),
        excluded=excluded,
        abx={
            pair: (right[pair], n, float(binomtest(right[pair], n, alternative="greater").pvalue))
            for pair, n in sorted(tried.items())
        },
    )


def _read(given: str | Path | Mapping, k: int) -> tuple[str, Mapping]:
    """Where a result is from, in words, and what it holds."""
    where = f"given[{k}]" if isinstance(given, Mapping) else str(given)
    content = given
    if not isinstance(given, Mapping):
        try:
            content = json.loads(Path(given).read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{where}: cannot be read ({error.strerror}); give the path of a saved result") from error
        except ValueError as error:
            raise UserError(f"{where}: is no JSON; save the blind test's results again") from error
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        raise UserError(f'{where}: is not from a blind test (format "{FORMAT}"); give what its page saves')
    for key, kind in (("listener", str), ("reference", str), ("mushra", list), ("abx", list)):
        if not isinstance(content.get(key), kind):
            raise UserError(f"{where}: {key}: is missing or damaged; save the blind test's results again")
    return where, content


def _scores(trial: object, reference: str, where: str) -> dict[str, float]:
    scores = trial.get("scores") if isinstance(trial, Mapping) else None
    if not isinstance(scores, Mapping) or reference not in scores:
        raise UserError(f"{where}: mushra: a trial has no score for the reference {reference!r}; save it again")
    for label, score in scores.items():
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 100:
            raise UserError(f"{where}: mushra: {label!r} has the score {score!r}; give 0 to 100")
    return dict(scores)


def _run(run: object, where: str) -> tuple[tuple[str, str], int, int]:
    """The pair of an ABX run, how many answers are right, and of how many."""
    told = run if isinstance(run, Mapping) else {}
    a, b, x, answers = (told.get(key) for key in ("a", "b", "x", "answers"))
    if not (isinstance(a, str) and isinstance(b, str)) or a == b:
        raise UserError(f"{where}: abx: a and b are {a!r} and {b!r}; give two different labels")
    if not (isinstance(x, list) and isinstance(answers, list) and x and len(x) == len(answers)) or any(
        letter not in ("A", "B") for letter in x + answers
    ):
        raise UserError(f'{where}: abx: x and answers do not fit; give as many "A" or "B" in each, at least one')
    return (min(a, b), max(a, b)), sum(one == other for one, other in zip(x, answers, strict=True)), len(x)


def _missed(own: list[tuple[dict, str]]) -> float:
    """The share of a listener's trials in which the hidden reference went unrecognised."""
    return sum(scores[reference] < LEAST_SCORE for scores, reference in own) / len(own)


def _mean(own: list[dict[str, float]]) -> dict[str, float]:
    heard = {label: [scores[label] for scores in own if label in scores] for scores in own for label in scores}
    return {label: sum(values) / len(values) for label, values in heard.items()}
