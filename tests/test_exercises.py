"""Every exercise of the book: its solution passes its check, its empty answer does not, mistakes have hints.

Solutions are read from the notebooks, and the hints from the tables of ``tests/test_checks_NN.py``, which try them.
"""

import ast
import importlib
import re

import grade
import pytest
from chapters import ROOT, chapters
from prose import read

EXERCISE = re.compile(r"^:::\{exercise\}[^\n]*\n:label: (\S+)$", re.MULTILINE)
SOLUTION = re.compile(r"^:::\{solution\} (\S+)\n(.*?)^:::$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NONSENSE = "could not be tried"  # what every check says of a wrong type: no hint at a mistake

# What a solution takes from the chapter's cells beside imports, functions and classes: as small as will do, and in
# place of hours of training and rendering what such runs might give.
GIVEN = {
    "ex-02-own": """
experiment = None
def on_held_out_songs(job, preset, progress):
    return [(3.0 + 0.1 * k, 2.8 + 0.11 * k) for k in range(6)]
""",
    "ex-04-scale": """
seeds, steps = range(3), 0
def train(kind, seed, steps, scale):
    return 0.8 - 0.05 * abs(scale - 1) + 0.01 * seed
def accuracy(trained, lengths):
    return trained
""",
    "ex-07-parts": """
SEEDS, rounds, config = 3, 10, preset("ci")
WIDTHS = torch.tensor([0.4, 0.6, 0.8])
width = WIDTHS.repeat_interleave(20)[:, None].expand(SEEDS, -1, -1)
truth, noise = toss(width, torch.Generator().manual_seed(0)), torch.zeros(SEEDS, 60, 1)
""",
    "ex-09-cheat": """
few = None
def evaluate(systems, preset):
    floor = {"matched_db": (2.1, 1.9, 2.3), "diversity": (1.0, 0.9, 1.1)}
    return {"systems": {"stubborn": {"matched_db": (2.0, 1.8, 2.2), "diversity": (0, 0, 0)}, "another engineer": floor}}
""",
    "ex-12-change": """
config = few = lessons = preset("ci")
class Trainer:
    def __init__(self, config, lessons):
        self.generator = torch.nn.Identity()
    def fit(self, progress):
        pass
def evaluate(systems, preset, against):
    differences = {"energy": (0.5, 0.2, 0.8), "matched_db": (0.0, -0.1, 0.1)}
    return {"seeds": {name: len(many) for name, many in systems.items()}, "differences": {"without": differences}}
""",
}


class Chapter:
    """A chapter's exercises: labels in order, the cell with the call of each check, and the solutions' first blocks."""

    def __init__(self, notebook: dict):
        self.labels, self.cells, self.blocks = [], {}, {}
        sources = []
        for cell in notebook["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                self.labels += EXERCISE.findall(source)
                solutions = SOLUTION.findall(source + "\n")
                self.blocks |= {label: block[0] for label, text in solutions if (block := BLOCK.findall(text))}
            else:
                sources.append(source)
                if grade.CALL.search(source):
                    self.cells[self.labels[-1]] = source
        self.nodes = [node for source in sources for node in ast.parse(source).body]

    def check(self, label: str) -> str:
        """The name of the check that the exercise's cell calls."""
        return grade.CALL.findall(self.cells[label])[-1]

    def names(self, label: str) -> dict:
        """What an answer finds: the chapter's imports, functions and classes, and what GIVEN holds for it."""
        kinds, names = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef), {"quick": True}
        kept = [node for node in self.nodes if isinstance(node, kinds)]
        exec(compile(ast.Module(kept, []), label, "exec"), names)
        exec(GIVEN.get(label, ""), names)
        return names


CHAPTERS = {file.name[:2]: Chapter(read(file)) for file in chapters(ROOT)}
EXERCISES = [(number, label) for number, chapter in CHAPTERS.items() for label in chapter.labels]


def last_value(source: str, names: dict):
    """Run a cell, and give its last line's value, as a notebook shows it."""
    *body, last = ast.parse(source).body
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def call_of(chapter: Chapter, label: str) -> str:
    """The line that calls the check: the solution's own if it has one, else that of the exercise's cell."""
    for source in (chapter.blocks[label], chapter.cells[label]):
        if calls := [line for line in source.splitlines() if grade.CALL.match(line)]:
            return calls[-1]
    raise AssertionError(f"{label}: no check is called")


def wrong_answers(number: str) -> dict[str, set[str]]:
    """Check -> the hints that the chapter's tests expect of it for wrong answers."""
    found = {}
    for test in vars(importlib.import_module(f"test_checks_{number}")).values():
        for mark in getattr(test, "pytestmark", []):
            if mark.name == "parametrize" and mark.args[0][-1] == "hint":
                checks = [name for name in test.__code__.co_names if name.startswith("check_")]
                assert len(checks) == 1, f"{test.__name__}: tries {checks}; one check at a time"
                found.setdefault(checks[0], set()).update(row[-1] for row in mark.args[1])
    return {check: {hint for hint in hints if hint != NONSENSE} for check, hints in found.items()}


@pytest.mark.parametrize("number", CHAPTERS)
def test_a_chapter_has_three_exercises_each_with_its_check_and_its_solution(number):
    chapter = CHAPTERS[number]
    assert len(chapter.labels) >= 3 and len(set(chapter.labels)) == len(chapter.labels)
    assert all(label.startswith(f"ex-{number}-") for label in chapter.labels)
    assert list(chapter.cells) == chapter.labels, "a cell between exercise and solution calls its check"
    assert set(chapter.blocks) == set(chapter.labels), "a solution begins with the code that passes"
    checks = [chapter.check(label) for label in chapter.labels]
    module = vars(importlib.import_module(f"tfrgan_lite.lesson.checks_{number}"))
    assert sorted(checks) == sorted(name for name in module if name.startswith("check_")), "a check without an exercise"


@pytest.mark.parametrize(("number", "label"), EXERCISES)
def test_the_solution_passes_and_the_empty_answer_does_not(number, label):
    chapter = CHAPTERS[number]
    names = chapter.names(label)
    empty = last_value(chapter.cells[label], names)
    assert not empty and NONSENSE not in empty.says, empty
    exec(chapter.blocks[label], names)
    verdict = eval(call_of(chapter, label), names)
    assert verdict and repr(verdict).startswith("Right. "), verdict


@pytest.mark.parametrize("number", CHAPTERS)
def test_at_least_two_typical_mistakes_are_refused_with_hints_of_their_own(number):
    hints = wrong_answers(number)
    checks = [CHAPTERS[number].check(label) for label in CHAPTERS[number].labels]
    assert {check: hints.get(check, set()) for check in checks if len(hints.get(check, ())) < 2} == {}


@pytest.mark.parametrize(("number", "label"), EXERCISES)
@pytest.mark.parametrize(
    "nonsense", ["x", 3, [1], {}, {"a": None}, lambda: 1, object()], ids=lambda x: type(x).__name__
)
def test_nonsense_gets_a_verdict_and_no_traceback(number, label, nonsense):
    check = vars(importlib.import_module(f"tfrgan_lite.lesson.checks_{number}"))[CHAPTERS[number].check(label)]
    count = check.__wrapped__.__code__.co_argcount
    verdict = check(*[nonsense] * count)
    assert not verdict and "\n" not in verdict.says
