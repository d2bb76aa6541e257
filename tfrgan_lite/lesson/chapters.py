"""The book's page of experiments: what the chapters measured, from the JSON files that they wrote."""

import json
from pathlib import Path

from ..claims import questions_table
from ..errors import UserError
from .experiment import cells, headings, told_of

BEGINNING = """# Experiments of the chapters

What chapters measured when they were last run for this page, each with its preset, seeds, device, commit and date. The
tables in a chapter are those of the run that the chapter shows: another preset gives other numbers.

`python tools/experiments.py` runs the chapters again and stores what they measure; `python tools/results.py` writes
this page."""
NOTHING = "Not measured yet."
SPEAKS = """Behind each comparison stands the difference, taken between the same seeds or songs, and in brackets its
95 % interval. It speaks for a claim or against it where the interval leaves out 0; one in twenty does so by chance. The
last column counts the comparisons. An interval of Student's t knows no bounds: of a share it may reach beyond 0 or
100 %."""


def stored(folder: str | Path) -> dict[str, dict]:
    """What chapters stored: number -> content, of every JSON file in a folder, in the order of the numbers; none if
    there is no folder.

    Raises:
        UserError: for a file that holds something else.
    """
    found = {}
    for file in sorted(Path(folder).glob("*.json")):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            _section(content)
            if content["chapter"][:2] != file.stem:
                raise ValueError(content["chapter"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{file}: holds no chapter's results; remove it, or run tools/experiments.py") from error
        found[file.stem] = content
    return found


def chapters_page(folder: str | Path) -> str:
    """The page, in Markdown: each chapter's tables.

    Args:
        folder: with a JSON file for each chapter, as ``04.json``; some may be missing, or all.

    Raises:
        UserError: for a file that holds something else.
    """
    chapters = stored(folder)
    parts = [BEGINNING, *map(_section, chapters.values())]
    return "\n\n".join(parts if chapters else [*parts, NOTHING]) + "\n"


def claims_of_the_chapters(folder: str | Path) -> str:
    """Markdown: what the paper claims and the experiments in a folder say to it; empty if none says anything. Raises
    UserError as :func:`chapters_page`."""
    answered = questions_table(stored(folder))
    return f"{SPEAKS}\n\n{answered}" if answered else ""


def _section(content: dict) -> str:
    number, where = content["chapter"][:2], content["provenance"]
    told = (
        f"[Chapter {number}](../notebooks/{content['chapter']}.ipynb), preset `{where['preset']['name']}`;"
        f" {where['device']}, {where['threads']} {'thread' if where['threads'] == 1 else 'threads'}, torch"
        f" {where['torch']}, commit `{where['commit']}`, {where['date']}."
    )
    return "\n\n".join([f"## Chapter {number}", told, *(_table(*each) for each in content["tables"].items())])


def _table(title: str, table: dict) -> str:
    lines = [["", *headings(table)], ["---"] * (len(table["measures"]) + 1)]
    lines += [[row, *cells(table, row)] for row in table["rows"]]
    shown = "\n".join(f"| {' | '.join(text.replace('|', '&#124;') for text in line)} |" for line in lines)
    return f"**{title}.** {told_of(table)} Seeds: {', '.join(map(str, table['seeds']))}.\n\n{shown}"
