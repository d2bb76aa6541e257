"""Write what was measured where it is shown: `python tools/results.py`, after `python -m tfrgan_lite evaluate`.

From the JSON files in book/results come the page book/results.md with its figures and the table in README.md; from
those in book/results/chapters, which `python tools/experiments.py` writes, the page book/experiments.md; from both,
what became of the paper's claims, in book/paper.md. The pages get their lines in _toc.yml.
"""

import json
import re
import sys
from pathlib import Path

from tfrgan_lite.errors import UserError
from tfrgan_lite.lesson.chapters import chapters_page, claims_of_the_chapters
from tfrgan_lite.page import claims_of_the_mixer, figures, results_page
from tfrgan_lite.report import FLOOR, NOTHING, table
from tfrgan_lite.variants import COIN, JITTER, PAPER, RIVALS, SUBJECT

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- results: tools/results.py writes this -->", "<!-- end of results -->"
SYSTEMS = ("equal loudness", "knowledge rules", "learned rule with coin", COIN, JITTER, *RIVALS, PAPER, SUBJECT, FLOOR)
MEASURES = ("matched_db", "energy", "diversity", "gain_db", "width_sd")


def compared_most(folder: Path) -> dict | None:
    """The results that judge the generator beside most of SYSTEMS, of files alike the first by name; None if none do.

    Raises UserError for a file that holds no results.
    """
    found = [_read(file) for file in sorted(folder.glob("*.json"))]
    judged = [results for results in found if SUBJECT in results["systems"]]
    return max(judged, key=lambda results: sum(name in results["systems"] for name in SYSTEMS), default=None)


def summary(results: dict | None) -> str:
    """Markdown for the README: the main measures of the main systems."""
    if results is None:
        return NOTHING
    rows = {name: results["systems"][name] for name in SYSTEMS if name in results["systems"]}
    where = results["provenance"]
    return (
        f"Measured on {results['songs']} songs that training never saw, mixed by {where['preset']['judges']} engineers"
        f" each ({where['date']}, commit `{where['commit']}`).\nSmaller is better, but for the diversity, which should"
        " be 1, and the width, which should be 0. In brackets: the 95 % interval over songs.\n\n"
        f"{table({'systems': rows}, MEASURES)}\n\nAll systems and measures: `book/results.md`."
    )


def claims(folder: Path) -> str:
    """Markdown for the page on the paper: what became of each claim, by the trained mixers and by the chapters."""
    found = {
        "In the trained mixer": claims_of_the_mixer(folder),
        "In the chapters' experiments": claims_of_the_chapters(folder / "chapters"),
    }
    return "\n\n".join(f"## {title}\n\n{text or NOTHING}" for title, text in found.items())


def with_results(file: Path, text: str) -> str:
    """A file's text with the results between its two markers. Raises UserError if it has not got them."""
    before, begin, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError(f"{file.name}: has no place for the results; put {BEGIN} and {END} where they belong")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def with_page(toc: str, page: str) -> str:
    """The table of contents with a page; a new one is the first of the back matter. Raises UserError without one."""
    if re.search(rf"^ +- file: {page}$", toc, re.MULTILINE):
        return toc
    place = re.search(r"^ +- caption: Back matter\n +chapters:\n( +)", toc, re.MULTILINE)
    if not place:
        raise UserError("_toc.yml: has no part called Back matter; add one")
    return f"{toc[: place.start(1)]}{place[1]}- file: {page}\n{toc[place.start(1) :]}"


def written(root: Path) -> dict[Path, str]:
    """What each file must hold, by the JSON files of the project at ``root``.

    Raises UserError if there are none, or a file cannot take its part.
    """
    book, readme, toc = root / "book", root / "README.md", root / "_toc.yml"
    listed = toc.read_text(encoding="utf-8")
    for name in ("experiments", "results", "paper"):
        listed = with_page(listed, f"book/{name}")
    return {
        book / "results.md": results_page(book / "results"),
        **figures(book / "results"),
        book / "experiments.md": chapters_page(book / "results" / "chapters"),
        book / "paper.md": with_results(book / "paper.md", claims(book / "results")),
        readme: with_results(readme, summary(compared_most(book / "results"))),
        toc: listed,
    }


def _read(file: Path) -> dict:
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
        return {name: results[name] for name in ("systems", "songs", "provenance")}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file}: holds no results of evaluate; remove it, or write it anew") from error


if __name__ == "__main__":
    try:
        for path, text in written(ROOT).items():
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(ROOT))
    except UserError as error:
        sys.exit(f"error: {error}")
