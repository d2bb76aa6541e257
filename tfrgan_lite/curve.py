"""The trade between distance and diversity as a figure: the same generator, one thing changed by and by."""

from collections.abc import Iterable
from io import StringIO
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from .variants import SUBJECT, TIMES

GREY = "#808080"  # is read on white and on black
COLOURS = ("#3b82c4", "#d97706", "#3f9b5f", "#b45fb0")  # as well
MARKERS = ("o", "s", "^", "D")
PANELS = {"matched_db": "log-mel distance, dB", "energy": "energy distance"}
STYLE: dict[Any, object] = {  # by the names of matplotlib.rcParams
    "svg.hashsalt": "tfrgan",  # the same numbers, the same file
    "svg.fonttype": "none",
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "font.size": 9,
}


def series(names: Iterable[str]) -> dict[str, list[tuple[float, str]]]:
    """The lines of the curve: what is changed -> (how many times as large, the system's name), the least first.

    A system called ``spread × 0.5`` is a point of the line ``spread``; TFR-GAN is on each line, at 1.
    """
    names = list(names)
    lines: dict[str, list[tuple[float, str]]] = {}
    for name in names:
        what, sign, factor = name.rpartition(TIMES)
        if sign:
            lines.setdefault(what, []).append((float(factor), name))
    whole = [(1.0, SUBJECT)] if SUBJECT in names else []
    return {what: sorted(points + whole) for what, points in lines.items()}


def in_order(names: Iterable[str]) -> list[str]:
    """TFR-GAN, then line by line what is on it, then all others."""
    names = list(names)
    on_lines = [name for points in series(names).values() for _, name in points]
    return list(dict.fromkeys([*(name for name in names if name == SUBJECT), *on_lines, *names]))


def draw(results: dict, floor: str) -> str:
    """The figure as SVG: for each of PANELS the distance over the diversity, a line for each series, and the floor.

    Args:
        results: of `evaluate`, whose systems are named as :func:`series` reads them.
        floor: the system that no other has to beat.
    """
    systems = results["systems"]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.6), layout="constrained")
        for axes, (measure, label) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
            for number, (what, points) in enumerate(series(systems).items()):
                look: dict[str, object] = {
                    "color": COLOURS[number % len(COLOURS)],
                    "marker": MARKERS[number % len(MARKERS)],
                }
                _points(axes, [systems[name] for _, name in points], measure, label=what, linewidth=1, **look)
                for factor, name in points:
                    if name != SUBJECT:
                        _note(axes, systems[name], measure, f"{factor:g}")
            for name, marker in ((SUBJECT, "*"), (floor, "P")):
                if {measure, "diversity"} <= set(systems.get(name, ())):
                    look = {"color": GREY, "marker": marker, "markersize": 10, "linestyle": "none"}
                    _points(axes, [systems[name]], measure, label=name, **look)
            axes.axvline(1, color=GREY, linewidth=0.5, linestyle=":")
            axes.set(xlabel="diversity, of the engineers' own", ylabel=label)
            axes.spines[["top", "right"]].set_visible(False)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
        out = StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _points(axes, rows: list[dict], measure: str, **look) -> None:
    """Points with their intervals in both directions."""
    (x, x_errors), (y, y_errors) = (_with_errors([row[name] for row in rows]) for name in ("diversity", measure))
    axes.errorbar(x, y, xerr=x_errors, yerr=y_errors, elinewidth=0.5, markersize=look.pop("markersize", 5), **look)


def _with_errors(values: list[list[float]]) -> tuple[list[float], list[list[float]]]:
    means = [mean for mean, _, _ in values]
    below, above = ([max(0.0, sign * (v[k] - v[0])) for v in values] for k, sign in ((1, -1), (2, 1)))
    return means, [below, above]


def _note(axes, row: dict, measure: str, text: str) -> None:
    place = (row["diversity"][0], row[measure][0])
    axes.annotate(text, place, xytext=(4, 4), textcoords="offset points", fontsize=7)


def describe(results: dict, floor: str) -> str:
    """What the figure shows, in a line, for who does not see it."""
    systems = results["systems"]

    def point(name: str) -> str:
        row = systems[name]
        return f"{row['matched_db'][0]:.2f} dB, {row['energy'][0]:.2f} and {row['diversity'][0]:.2f}"

    parts = ["Two plots over diversity: log-mel distance on the left, energy distance on the right"]
    for name in (SUBJECT, floor):
        if name in systems and {*PANELS, "diversity"} <= set(systems[name]):
            parts.append(f"{name} is at {point(name)}")
    for what, points in series(systems).items():
        (least, first), (most, last) = points[0], points[-1]
        parts.append(f"the line of the {what} goes from {point(first)} at {least:g} to {point(last)} at {most:g}")
    return "; ".join(parts) + "."
