"""What an exercise's check answers: right, or what is wrong and where to look. Never a traceback."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from .progress import record


@dataclass(frozen=True)
class Verdict:
    """The answer of a check: ``right`` as a bool, ``says`` as a sentence. Shown as that sentence."""

    right: bool
    says: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return ("Right. " if self.right else "Not yet. ") + self.says


def right(says: str) -> Verdict:
    """A verdict for a right answer, with what it means."""
    return Verdict(True, says)


def wrong(says: str) -> Verdict:
    """A verdict for a wrong answer, with what is wrong and where to look."""
    return Verdict(False, says)


def check(judge: Callable[..., Verdict]) -> Callable[..., Verdict]:
    """Decorate a check: an answer of the wrong type or shape gets a verdict that says so, in place of a traceback, and
    a right one is kept (:mod:`tfrgan_lite.lesson.progress`).
    """

    @wraps(judge)
    def checked(*answer, **options) -> Verdict:
        try:
            verdict = judge(*answer, **options)
        except Exception as error:  # whatever a reader's answer raises is a fact about that answer
            message = (str(error).splitlines() or [""])[0]
            return wrong(f"The answer could not be tried: {type(error).__name__}: {message}")
        if verdict.right:
            record(judge.__name__, answer, options)
        return verdict

    return checked
