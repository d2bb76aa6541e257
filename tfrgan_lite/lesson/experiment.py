"""What a chapter measured: a table for its reader and, where it is asked for, a JSON file for the page of experiments.

The file is written into the folder that the environment variable TFRGAN_RESULTS names, as ``tools/chapters.py`` does;
without it nothing is written.
"""

import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..config import Preset
from ..errors import UserError
from ..files import make_folder, written_whole
from ..metrics.bootstrap import mean_and_interval
from ..provenance import provenance
from ..seeds import over_seeds

FOLDER = "TFRGAN_RESULTS"
BETTER = ("higher", "lower", "")
HOW = {"seeds": "Student's t", "songs": "the songs drawn again"}


@dataclass(frozen=True)
class Measure:
    """What a column of a table says.

    Attributes:
        unit: of its numbers, empty if they have none.
        better: ``higher`` or ``lower``; empty if neither is.
        digits: behind the point, where the numbers are shown.
    """

    unit: str = ""
    better: str = ""
    digits: int = 2

    def __post_init__(self) -> None:
        if self.better not in BETTER:
            raise UserError(f"better: {self.better!r} is unknown; choose higher, lower or nothing")


class Interval(NamedTuple):
    """A number and its 95 % interval that a chapter worked out by itself, as of the difference of two scores."""

    mean: float
    low: float
    high: float


class Table:
    """What :meth:`Experiment.table` returns: a table in a notebook and in the book, lines of text in a terminal.

    Attributes:
        content: what is stored: ``over`` seeds or songs, ``count`` of them, ``seeds``, the ``measures``, and of each of
            the ``rows`` for each measure its ``mean``, the ends ``low`` and ``high`` of its interval (None if it has
            none) and, if they are known, the ``values``.
    """

    def __init__(self, title: str, content: dict):
        self.content = content
        self.caption = f"{title}. {told_of(content)}"
        self.heads = ["", *headings(content)]
        self.lines = [[row, *cells(content, row)] for row in content["rows"]]

    def __repr__(self) -> str:
        lines = [self.heads, *self.lines]
        wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = ("  ".join(text.ljust(width) for text, width in zip(line, wide, strict=True)) for line in lines)
        return "\n".join([self.caption, *(line.rstrip() for line in padded)])

    def _repr_html_(self) -> str:
        heads = "".join(_cell(head, "col") for head in self.heads[1:])
        body = "".join(f"<tr>{_cell(row, 'row')}{''.join(map(_cell, found))}</tr>" for row, *found in self.lines)
        label = html.escape(self.caption)
        # A wide table scrolls by itself on a narrow page, by keyboard as well. The class is that of pandas' tables, for
        # which notebooks and the book's theme have light and dark colours.
        return (
            f'<div role="region" aria-label="{label}" tabindex="0" style="overflow-x: auto"><table class="dataframe">'
            f'<caption style="color: inherit">{label}</caption>'
            f"<thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        )


def _cell(text: str, scope: str | None = None) -> str:
    begin, end = (f'<th scope="{scope}">', "</th>") if scope else ("<td>", "</td>")
    return begin + html.escape(text) + end


class Experiment:
    """The results of one chapter, table by table.

    Args:
        chapter: the notebook's name without suffix, as ``04_positional_encoding``.
        preset: that it ran with.
    """

    def __init__(self, chapter: str, preset: Preset):
        self.chapter, self.preset = chapter, preset
        self.tables: dict[str, dict] = {}

    def table(
        self,
        title: str,
        rows: Mapping[str, Mapping[str, ArrayLike | Interval]],
        measures: Mapping[str, Measure],
        seeds: Sequence[int],
        songs: int | None = None,
    ) -> Table:
        """Show what was measured, and store it with all tables before it, whole or not at all, where that is asked for.

        Args:
            title: of the table; a second one with it takes the place of the first.
            rows: for each row its values of each measure, one for each seed or song; a single one has no interval. Or
                the :class:`Interval` itself. A row may lack a measure.
            measures: what the columns are, in their order.
            seeds: of what was trained or drawn.
            songs: how many songs the intervals are over, by the bootstrap; over the seeds, by Student's t, if None.

        Raises:
            UserError: for no rows, a measure that is not announced, values that are too many, too few or no numbers,
                or a folder that cannot be written to.
        """
        over, count = ("seeds", len(seeds)) if songs is None else ("songs", songs)
        if not rows or not count:
            raise UserError(f"{title!r}: has no rows or no {over}; give at least one of each")
        found = {
            row: {
                name: _entry(f"{title!r}, {row}, {name}", name in measures, values, over, count)
                for name, values in columns.items()
            }
            for row, columns in rows.items()
        }
        about = {name: asdict(measure) for name, measure in measures.items()}
        seeds = [int(seed) for seed in seeds]
        self.tables[title] = {"over": over, "count": count, "seeds": seeds, "measures": about, "rows": found}
        if folder := os.environ.get(FOLDER):
            self._write(Path(folder))
        return Table(title, self.tables[title])

    def _write(self, folder: Path) -> None:
        make_folder(folder)
        found = {"chapter": self.chapter, "provenance": provenance(self.preset), "tables": self.tables}
        with written_whole(folder / f"{self.chapter[:2]}.json") as temporary:
            text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
            temporary.write_text(f"{text}\n", encoding="utf-8")


def _entry(where: str, announced: bool, found: ArrayLike | Interval, over: str, count: int) -> dict:
    """One cell of a table as it is stored; ``where`` says which one it is, should it be wrong."""
    if not announced:
        raise UserError(f"{where}: is not among the measures; say there what it is")
    known = isinstance(found, Interval)
    given = np.asarray(found, dtype=np.float64)
    if given.ndim != 1 or not np.isfinite(given).all():
        raise UserError(f"{where}: is {found!r}; give finite numbers, one for each of the {over}".replace("\n", " "))
    if not known and len(given) not in (1, count):
        raise UserError(f"{where}: has {len(given)} values for {count} {over}; give one for each, or a single one")
    values = [float(f"{value:.6g}") for value in given]
    if known:
        return dict(zip(Interval._fields, values, strict=True))
    if len(values) == 1:
        return {"mean": values[0], "low": None, "high": None, "values": values}
    interval = mean_and_interval(values) if over == "songs" else over_seeds(values)
    return dict(zip(Interval._fields, interval, strict=True)) | {"values": values}


def told_of(content: dict) -> str:
    """On a stored table: what the intervals are over, and what is better, if that is the same for all measures."""
    over, count = content["over"], content["count"]
    told = (
        f"Mean and 95 % interval over {count} {over} ({HOW[over]})."
        if count > 1
        else f"One of the {over}: no interval."
    )
    return f"{told} {_one_way(content).capitalize()} is better." if _one_way(content) else told


def headings(content: dict) -> list[str]:
    """Of a stored table's columns: the name of each measure, its unit, and what is better, if they differ in that."""
    found = []
    for name, measure in content["measures"].items():
        unit = f", {measure['unit']}" if measure["unit"] else ""
        better = f" ({measure['better']} is better)" if measure["better"] and not _one_way(content) else ""
        found.append(name + unit + better)
    return found


def _one_way(content: dict) -> str:
    """What is better in all columns of a table; empty if they differ in that."""
    ways = {measure["better"] for measure in content["measures"].values()}
    return ways.pop() if len(ways) == 1 else ""


def cells(content: dict, row: str) -> list[str]:
    """A row of a stored table as text: each measure's number and its interval."""
    found, told = content["rows"][row], []
    for name, measure in content["measures"].items():
        ends = [found[name][end] for end in Interval._fields] if name in found else []
        ends = [f"{end:z.{measure['digits']}f}" for end in ends if end is not None]  # z: no minus before a zero
        told.append(f"{ends[0]} ({ends[1]} to {ends[2]})" if len(ends) == 3 else "".join(ends) or "–")
    return told
