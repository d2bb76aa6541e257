"""A quiz that answers back, with a reason for every choice: one for each part of the book, or one of your own.

It is plain HTML with a little script: no kernel, no network. The page keeps the reader's choices in its own storage, so
they are there after a reload and after a restart of the kernel. Without JavaScript the answers lie in folds.
"""

import hashlib
import html
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError

QUIZZES = Path(__file__).parent / "quizzes"
NAME = re.compile(r"[a-z0-9-]+")


@dataclass(frozen=True)
class Choice:
    """One choice: what it ``says``, whether it is ``right``, and ``why`` it is or is not."""

    says: str
    right: bool
    why: str


@dataclass(frozen=True)
class Question:
    """What is asked: a ``name`` that stays, the question, its choices, one of which is right, and where to ``look``:
    chapter and section, empty for nowhere.
    """

    name: str
    asks: str
    choices: tuple[Choice, ...]
    look: tuple[str, ...]


class Quiz:
    """What :func:`quiz` returns: a form in a notebook and in the book, the questions as text elsewhere.

    Attributes:
        title, questions: as in the file.
        html: the form with its style and script, self-contained.
    """

    def __init__(self, name: str, title: str, questions: tuple[Question, ...]):
        self.name, self.title, self.questions = name, title, questions

    def __repr__(self) -> str:
        lines = [f"Quiz: {self.title}"]
        for number, question in enumerate(self.questions, 1):
            lines += [f"{number}. {question.asks}", *(f"   - {choice.says}" for choice in question.choices)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return self.html

    @property
    def html(self) -> str:  # noqa: D102 - among the class's attributes
        mark, count = f"quiz-{self.name}", len(self.questions)
        style, script = ((QUIZZES / name).read_text(encoding="utf-8") for name in ("quiz.css", "quiz.js"))
        forms = "\n".join(_form(mark, n, question) for n, question in enumerate(self.questions, 1))
        return f"""<style>{style}</style><section class="quiz" id="{mark}" aria-label="Quiz: {html.escape(self.title)}">
<p><b>{html.escape(self.title)}: {count} questions</b></p>
{forms}
<p class="quiz-end"><span role="status"></span> <button type="button" hidden>Begin again</button></p>
<script>{script.strip()}("{mark}");</script></section>"""


def quiz(part: int | str | Path) -> Quiz:
    """The quiz that closes a part of the book, or one of your own.

    Args:
        part: 1, 2 or 3; or the path of a TOML file. The file has a ``title`` and tables ``[[question]]``, each with an
            ``id`` of letters a to z, digits and hyphens, ``asks``, ``choices`` (2 or more, each with ``says``, ``why``,
            and ``right = true`` for one) and, if wanted, ``look`` (chapter and section).

    Raises:
        UserError: if there is no such part or file, or something in it is missing, doubled or no text: what.
    """
    path = QUIZZES / f"part_{part}.toml" if isinstance(part, int) else Path(part)
    if isinstance(part, int) and not path.is_file():
        raise UserError(f"part: {part} has no quiz; give 1, 2 or 3, or the path of a TOML file")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give 1, 2 or 3, or a TOML file") from error
    except ValueError as error:
        raise UserError(f"{path}: is no TOML ({error}); correct it") from error
    tables = content.get("question")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise UserError(f"{path}: has no question; give at least one [[question]]")
    questions = tuple(_question(f"{path}: question {n}", table) for n, table in enumerate(tables, 1))
    if len({question.name for question in questions}) < len(questions):
        raise UserError(f"{path}: two questions have one id; give each its own")
    name = re.sub("[^a-z0-9]+", "-", path.stem.lower()).strip("-")
    return Quiz(name, _text(f"{path}", content, "title"), questions)


def _question(where: str, table: dict) -> Question:
    name, asks = (_text(where, table, key) for key in ("id", "asks"))
    if not NAME.fullmatch(name):
        raise UserError(f"{where}: id is {name!r}; use letters a to z, digits and hyphens")
    given = table.get("choices")
    if not isinstance(given, list) or len(given) < 2 or not all(isinstance(choice, dict) for choice in given):
        raise UserError(f"{where}: choices needs 2 or more, each with says and why")
    choices = tuple(
        Choice(
            _text(f"{where}, choice {n}", one, "says"),
            one.get("right") is True,
            _text(f"{where}, choice {n}", one, "why"),
        )
        for n, one in enumerate(given, 1)
    )
    if sum(choice.right for choice in choices) != 1:
        raise UserError(
            f"{where}: {sum(choice.right for choice in choices)} choices are right; mark one with right = true"
        )
    if len({choice.says for choice in choices}) < len(choices):
        raise UserError(f"{where}: two choices say the same; change one")
    look = table.get("look", [])
    if not isinstance(look, list) or len(look) not in (0, 2) or not all(isinstance(part, str) for part in look):
        raise UserError(f"{where}: look is {look!r}; give chapter and section, as two strings")
    return Question(name, asks, choices, tuple(look))


def _text(where: str, table: dict, key: str) -> str:
    text = table.get(key)
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"{where}: {key} is missing or no text; give it")
    return text


def _form(mark: str, number: int, question: Question) -> str:
    """A question: its choices as radio buttons, a button, a line for the answer, and a fold with all answers."""
    name = f"{mark}-{question.name}"
    look = " Look at chapter {}, “{}”.".format(*question.look) if question.look else ""
    options, reasons = [], []
    for choice in question.choices:
        # What is kept is a digest of question and choice: if either is written anew, an old answer counts no longer.
        value = hashlib.sha256(f"{question.asks}\n{choice.says}".encode()).hexdigest()[:8]
        verdict = f"{'Right' if choice.right else 'No'}: {choice.why}"
        told = verdict + ("" if choice.right else look)
        options.append(
            f'<label><input type="radio" name="{name}" value="{value}" data-verdict="{html.escape(told)}"'
            f"{' data-right' if choice.right else ''}> {html.escape(choice.says)}</label>"
        )
        reasons.append(f"<li><b>{html.escape(choice.says)}.</b> {html.escape(verdict)}</li>")
    reasons.append(f"<li>{html.escape(look.strip())}</li>" if look else "")
    return f"""<fieldset><legend>{number}. {html.escape(question.asks)}</legend>
{"".join(options)}
<p class="quiz-answer" hidden><button type="button">Answer</button> <span role="status"></span></p>
<details><summary>All answers, with reasons</summary><ul>{"".join(reasons)}</ul></details></fieldset>"""
