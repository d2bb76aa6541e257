"""What a reader has answered rightly, kept in files of their own: a kernel that starts again forgets nothing."""

import datetime
import html
import inspect
import itertools
import json
import os
import textwrap
import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import platformdirs

from ..errors import UserError
from ..files import make_folder, written_whole

OFF = "off"  # the value of TFRGAN_PROGRESS that keeps nothing
LONGEST = 4000  # characters of an answer that are kept


@dataclass(frozen=True)
class Exercise:
    """One exercise: ``check``, the name of its check; ``asks``, the check's first line; ``done``, the day of the last
    right answer as YYYY-MM-DD, None if there was none; ``answer``, what it was, as Python.
    """

    check: str
    asks: str
    done: str | None
    answer: str

    @property
    def chapter(self) -> str:
        """The chapter's number, two digits."""
        return self.check.split("_")[1]


class Progress(list):
    """What :func:`progress` returns: a list of :class:`Exercise`, a table in a notebook, lines of text elsewhere."""

    @property
    def _summary(self) -> str:
        done, place = sum(exercise.done is not None for exercise in self), folder()
        kept = f"Kept in {place}" if place else "Nothing is kept, as TFRGAN_PROGRESS says"
        return f"{done} of {len(self)} exercises are done. {kept}."

    def __repr__(self) -> str:
        rows = [f"{one.done or 'not yet':10s}  {one.check:32s} {one.asks}" for one in self]
        return "\n".join([self._summary, *rows])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{one.chapter}</th><td>{html.escape(one.asks)}<br><code>{one.check}</code></td>'
            f"<td>{one.done or 'not yet'}</td><td>{_folded(one.answer)}</td></tr>"
            for one in self
        )
        heads = "".join(f'<th scope="col">{name}</th>' for name in ("chapter", "exercise", "done", "your answer"))
        return (
            f"<table><caption>{html.escape(self._summary)}</caption>"
            f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        )


def folder() -> Path | None:
    """Where right answers are kept: the environment's TFRGAN_PROGRESS, else the user's data folder; None if that is
    "off".
    """
    given = os.environ.get("TFRGAN_PROGRESS")
    if given == OFF:
        return None
    return Path(given or platformdirs.user_data_path("tfrgan-lite", appauthor=False) / "progress").expanduser()


def progress(chapter: str | int | None = None) -> Progress:
    """All exercises of the book, which of them have been answered rightly, when, and how.

    Args:
        chapter: only this chapter's, such as "03" or 3.

    Raises:
        UserError: if there is no such chapter.
    """
    modules = {file.stem[-2:]: file.stem for file in Path(__file__).parent.glob("checks_*.py")}
    number = str(chapter).rjust(2, "0")
    if chapter is not None and number not in modules:
        raise UserError(f"chapter: {chapter!r} has no exercises; give one of {', '.join(sorted(modules))}")
    found = Progress()
    for _, module in sorted(item for item in modules.items() if chapter is None or item[0] == number):
        for name, check in vars(import_module(f".{module}", __package__)).items():
            if name.startswith("check_"):
                kept = _read(name)
                asks = (check.__doc__ or "").splitlines()[0]
                found.append(Exercise(name, asks, kept.get("done"), kept.get("answer", "")))
    return found


def record(check: str, answer: tuple, options: dict) -> None:
    """Keep a right answer to an exercise in the place of the one before; a folder that cannot be written to is told in
    a warning, since an answer is right whether it is kept or not.

    Args:
        check: the name of its check.
        answer, options: what the check was called with. Of a function the source is kept, of all else what it prints.
    """
    place = folder()
    if place is None:
        return
    told = [_told(value) for value in answer] + [f"{name}={_told(value)}" for name, value in options.items()]
    kept = {"done": datetime.date.today().isoformat(), "answer": "\n".join(told)[:LONGEST]}
    try:
        make_folder(place)
        _read(check)  # sets a damaged file aside before it would be replaced
        with written_whole(place / f"{check}.json") as path:
            path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except UserError as error:
        warnings.warn(f"{error}; the answer is right, and is not kept (TFRGAN_PROGRESS names the folder)", stacklevel=3)


def _read(check: str) -> dict[str, str]:
    """What is kept of an exercise; {} if nothing. A damaged file is set aside, with a warning that says where."""
    place = folder()
    path = place / f"{check}.json" if place else None
    if path is None or not path.is_file():
        return {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(kept, dict) and isinstance(kept.get("done"), str) and isinstance(kept.get("answer"), str):
            return kept
    except OSError as error:
        warnings.warn(f"{path}: cannot be read ({error.strerror}); its exercise counts as not done", stacklevel=3)
        return {}
    except ValueError:
        pass
    names = (path.with_suffix(f".damaged-{n}") for n in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    try:
        path.replace(aside)
        told = f"set aside as {aside.name}"
    except OSError as error:
        told = f"left where it is ({error.strerror})"
    warnings.warn(f"{path}: is damaged, and {told}; its exercise counts as not done", stacklevel=3)
    return {}


def _told(value: Any) -> str:
    """A value as the reader wrote it, as far as that is known."""
    try:
        return textwrap.dedent(inspect.getsource(value)).strip()
    except (OSError, TypeError):  # no function, or one whose source is not kept
        return repr(value)


def _folded(answer: str) -> str:
    return f"<details><summary>show</summary><pre>{html.escape(answer)}</pre></details>" if answer else ""
