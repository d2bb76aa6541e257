"""The book's page of results, from the JSON files of `evaluate`: mixers, ablations, and the curve; and what these say
to the paper's claims."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .claims import claims_table, learned_table
from .curve import describe, draw, in_order
from .errors import UserError
from .report import FLOOR, MEASURES, bars_table, cell, table, tables
from .variants import ABLATIONS, CURVE, KINDS, MIXERS, SUBJECT, VARIANTS

SPEAKS = (
    "Named is what the 95 % interval tells apart: over songs and seeds for what is measured of mixes; over seeds alone,"
    " paired, by Student's t, for the score, which is the energy score of the mean spectra that are drawn for the"
    " preset's held-out songs at the end of each training."
)
BY_HEART = (
    "The energy score of what is drawn, the smaller the better, on songs that were learned from and on as many held-out"
    " ones, means over seeds; the difference with its 95 % interval over seeds. The critic is the discriminator, in the"
    " last tenth of the steps: it is right half of the time where it cannot tell the mixes from engineers'."
)
COMPACT = ("matched_db", "energy", "diversity", "gain_db", "style", "covered", "width_sd", "keys")


def results_page(folder: str | Path, page: str | Path | None = None) -> str:
    """The book's page of results: a section of Markdown for every JSON file of `evaluate` in a folder, mixers first,
    then by file name.

    Args:
        folder: where the JSON files are, and the figures of :func:`figures`.
        page: where the page shall be, which its links to the figures start from; beside the folder if None.

    Raises:
        UserError: if there is no such file, or one holds something else.
    """
    folder = Path(folder)
    away = os.path.relpath(folder, Path(page).parent if page else folder.parent)
    sections = [_section(file, results, Path(away).as_posix()) for file, results in _read_all(folder)]
    return (
        "# Results\n\nWritten from the JSON files beside it by `python -m tfrgan_lite evaluate`.\n\n"
        + "\n\n".join(sections)
        + "\n"
    )


def claims_of_the_mixer(folder: str | Path) -> str:
    """Markdown: what became of the paper's claims by each JSON file of ablations in a folder; empty if none answers
    any. Raises UserError as :func:`results_page`."""
    parts = []
    for file, results in _read_all(Path(folder)):
        if _kind(results) == ABLATIONS:
            with _reading(file):
                parts += [_told(results), answered] if (answered := claims_table(results)) else []
    return "\n\n".join([SPEAKS, *parts]) if parts else ""


def figures(folder: str | Path) -> dict[Path, str]:
    """The files that the page shows, each with its SVG: a figure for every JSON file of a curve. Raises UserError as
    :func:`results_page`."""
    found = {}
    for file, results in _read_all(Path(folder)):
        if _kind(results) == CURVE:
            with _reading(file):
                found[file.with_suffix(".svg")] = draw(results, FLOOR)
    return found


def _read_all(folder: Path) -> list[tuple[Path, dict]]:
    """All results in a folder, in the order of the page."""
    found = []
    for file in sorted(folder.glob("*.json")):
        with _reading(file):
            results = json.loads(file.read_text(encoding="utf-8"))
            found.append((KINDS.index(_kind(results)), file, results))
    if not found:
        raise UserError(f"{folder}: holds no results; write one with python -m tfrgan_lite evaluate --out FILE.json")
    return [(file, results) for _, file, results in sorted(found, key=lambda each: each[:2])]


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Raises UserError for a file whose content is not what evaluate writes."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file}: holds no results of evaluate; remove it, or write it anew") from error


def _kind(results: dict) -> str:
    return results.get("kind", MIXERS)


def _section(file: Path, results: dict, away: str) -> str:
    with _reading(file):
        shown = {MIXERS: _mixers, ABLATIONS: _ablations, CURVE: _curve}[_kind(results)]
        head = f"## {file.stem.replace('_', ' ').capitalize()}"
        parts = [head, _told(results), shown(results, f"{away}/{file.stem}.svg")]
        return "\n\n".join([*parts, training_table(results)] if results.get("training") else parts)


def _told(results: dict) -> str:
    """Where the numbers come from."""
    where, training = results["provenance"], results.get("training", {})
    counts = sorted({len(runs) for runs in training.values()} or {max(results["seeds"].values(), default=1)})
    least, most = counts[0], counts[-1]
    means = f", means of {most if least == most else f'{least} to {most}'} seeds" if most > 1 else ""
    seeds = (f", seed {where['seed']}" if not training else "") + means
    return (
        f"{results['songs']} held-out songs with {where['preset']['judges']} engineers each; preset"
        f" `{where['preset']['name']}`{seeds}; {where['device']}, torch {where['torch']}, commit"
        f" `{where['commit']}`, {where['date']}."
    )


def _mixers(results: dict, _: str) -> str:
    met = f"{bars_table(results['bars'])}\n\n" if results["bars"] else ""
    return met + tables(results)


def _ablations(results: dict, _: str) -> str:
    asked = [
        f"- **{name}**{_changes(name)}: {VARIANTS[name].answers}" for name in results["systems"] if name in VARIANTS
    ]
    learned = learned_table(results.get("training", {}))
    heart = [f"**What is learned by heart**\n\n{BY_HEART}\n\n{learned}"] if learned else []
    return "\n\n".join(["\n".join(asked), ablation_table(results), *heart])


def _curve(results: dict, figure: str) -> str:
    systems = results["systems"]
    rows = {name: systems[name] for name in in_order(systems)}
    return (
        f":::{{figure}} {figure}\n:alt: {describe(results, FLOOR)}\n:class: dark-light\n\nDistance against diversity:"
        " down is nearer to the engineers, and a diversity of 1 is theirs. Each line changes one thing, so many times"
        f" as large as for {SUBJECT}; bars are 95 % intervals over songs, and seeds if there are several.\n:::\n\n"
        + table({"systems": rows}, ("matched_db", "energy", "diversity"))
    )


def _changes(name: str) -> str:
    return f" (`{VARIANTS[name].changes}`)" if VARIANTS[name].changes else ""


def ablation_table(results: dict) -> str:
    """Markdown: the main measures of TFR-GAN, and of each other row with its difference to them."""
    shown = [name for name in COMPACT if any(name in row for row in results["systems"].values())]
    lines = [f"| row | seeds | {' | '.join(MEASURES[name][0] for name in shown)} |", "|---" * (len(shown) + 2) + "|"]
    for system in sorted(results["systems"], key=lambda name: name != SUBJECT):
        row, apart = results["systems"][system], results["differences"].get(system, {})
        cells = [_told_apart(row.get(name), apart.get(name), MEASURES[name][1]) for name in shown]
        lines.append(f"| {system} | {results['seeds'].get(system, '–')} | {' | '.join(cells)} |")
    return "\n".join(lines) + (
        f"\n\nBelow {SUBJECT}: the value, the difference to {SUBJECT} and in brackets its 95 % interval over songs and"
        " seeds, the same ones for both; **bold** where the interval leaves out 0. One in twenty does so by chance."
    )


def _told_apart(values: list[float] | None, apart: list[float] | None, digits: int) -> str:
    if values is None:
        return "–"
    if apart is None:
        return cell(values, digits)
    difference, low, high = (f"{value:+.{digits}f}" for value in apart)
    mark = "**" if apart[1] > 0 or apart[2] < 0 else ""
    return f"{values[0]:.{digits}f}, {mark}{difference}{mark} ({low} to {high})"


def training_table(results: dict) -> str:
    """Markdown: how each row was trained, and the commands that do it again."""
    kind, preset = _kind(results), results["provenance"]["preset"]["name"]
    lines = ["| row | changes | seeds | steps | minutes | commit | date | device |", "|---" * 8 + "|"]
    for row, runs in results["training"].items():
        weights_of = VARIANTS[row].weights_of if row in VARIANTS else None
        changes = f"weights of {weights_of}" if weights_of else _either(runs, "changes").replace("|", "/") or "nothing"
        minutes = _either([{"minutes": f"{run['seconds'] / 60:.1f}"} for run in runs if run.get("seconds")], "minutes")
        seed, steps, *where = (_either(runs, name) for name in ("seed", "steps", "commit", "date", "device"))
        lines.append(f"| {row} | {' | '.join([changes, seed, steps, minutes or '–', *where])} |")
    again = (
        f"python -m tfrgan_lite train --preset {preset} --variant ROW --seed SEED --steps STEPS --out FOLDER\n"
        f"python -m tfrgan_lite evaluate --preset {preset} --trained FOLDER --rows {kind} --songs {results['songs']}"
        " --out FILE.json"
    )
    told = "The same again, the first line for each row and seed:"
    return "\n\n".join(["**Training**", "\n".join(lines), told, f"```sh\n{again}\n```"])


def _either(runs: list[dict], name: str) -> str:
    """What runs have under a name, each value once, in the order of the runs."""
    return ", ".join(dict.fromkeys(str(run[name]) for run in runs if name in run))
