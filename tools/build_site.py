"""Build the site from the executed chapters, with warnings as errors, only if something that it shows has changed.

    python tools/build_site.py PRESET

The pages are staged in _build/source, where the timings page gets its table, each chapter its times, and every claim a
link to its test; and Jupyter Book writes _build/html.
"""

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import chapters
import claims
from keys import PACKAGE, digest, environment, tree
from PIL import Image
from prose import read, reading_minutes

ROOT = chapters.ROOT
# What a chapter's opening box says until the chapter has been run.
UNTIMED = "**Running time**: see [Timings](../book/timings.md)."


def title(notebook: Path) -> str:
    """The chapter's heading."""
    for cell in read(notebook)["cells"]:
        for line in "".join(cell["source"]).splitlines():
            if cell["cell_type"] == "markdown" and line.startswith("# "):
                return line[2:].strip()
    return notebook.stem


def timings(root: Path, preset: str) -> str:
    """A Markdown table of how long each chapter takes to read, and took to run, by the records of the runs that the
    book shows."""
    rows = ["| chapter | reading | running | preset | device | cores | PyTorch | date |"]
    rows.append("|---|---:|---:|---|---|---:|---|---|")
    seconds, minutes = 0.0, 0
    for notebook in chapters.chapters(root):
        run = chapters.record(root, preset, notebook)
        seconds += run["seconds"]
        reading = reading_minutes(read(notebook))
        minutes += reading
        link = f"[{title(notebook)}](../notebooks/{notebook.name})"
        where = f"{preset} | {run['device']} | {_cores(run)} | {run['torch']} | {run['date']}"
        rows.append(f"| {link} | {reading} min | {_clock(run['seconds'])} | {where} |")
    return "\n".join([*rows, f"| all chapters | {minutes} min | {_clock(seconds)} | {preset} | | | | |"])


def stage(root: Path, preset: str, target: Path) -> None:
    """Copy what the site is built from to the folder target, which is emptied first."""
    shutil.rmtree(target, ignore_errors=True)
    (target / "notebooks").mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copyfile(root / name, target / name)
    shutil.copytree(root / "book", target / "book")
    for notebook in chapters.chapters(root):
        executed = with_small_pictures(without_widgets(read(chapters.folder(root, preset) / notebook.name)))
        staged = claims.with_links(timed(executed, preset, chapters.record(root, preset, notebook)))
        (target / "notebooks" / notebook.name).write_text(json.dumps(staged), encoding="utf-8")
    told = {notebook.stem[:2]: (notebook.stem, read(notebook)) for notebook in chapters.chapters(root)}
    fill(target / "book" / "timings.md", "<!-- timings -->", timings(root, preset))
    fill(target / "book" / "claims.md", "<!-- claims -->", claims.page(told, root / "tests"))


def fill(page: Path, marker: str, text: str) -> None:
    """Put the text where the page has its marker."""
    before = page.read_text(encoding="utf-8")
    if marker not in before:
        raise SystemExit(f"{page.name}: the line {marker} is missing; put it where its tables or tests belong")
    page.write_text(before.replace(marker, text), encoding="utf-8")


def timed(notebook: dict, preset: str, run: dict) -> dict:
    """The notebook with its reading time and, from the record of its run, its running time in the opening box."""
    took = f"{_clock(run['seconds'])} with the preset `{preset}` ({run['device']}, cores: {_cores(run)})"
    said = f"**Reading time**: {reading_minutes(notebook)} min. **Running time**: {took}"
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = "".join(cell["source"]).replace(UNTIMED, f"{said}; see [Timings](../book/timings.md).")
    return notebook


def without_widgets(notebook: dict) -> dict:
    """The notebook with no widget that also has HTML: a page has no kernel, and the HTML would be in it twice."""
    view = "application/vnd.jupyter.widget-view+json"
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if "text/html" in output.get("data", {}):
                output["data"].pop(view, None)
    if view not in str([cell.get("outputs") for cell in notebook["cells"]]):
        notebook["metadata"].pop("widgets", None)
    return notebook


def main(root: Path, preset: str) -> int:
    """Build the site; the exit code of Jupyter Book, or 1 if chapters must be executed first."""
    if waiting := chapters.stale(root, preset):
        names = ", ".join(notebook.stem for notebook in waiting)
        print(f"site ({preset}): changed, or what they import has, since they were executed: {names}; make book again")
        return 1
    build, source = root / "_build", root / "_build" / "source"
    stage(root, preset, source)
    # The API reference shows docstrings; our Sphinx extensions and this file make pages of all that.
    documented = [*tree(source, root / "tools"), *(root / PACKAGE).rglob("*.py")]
    key, stamp, index = (
        digest(root, documented, *environment(root)),
        build / "html.key",
        build / "html" / "index.html",
    )
    if stamp.is_file() and stamp.read_text() == key and index.is_file():
        print(f"site ({preset}): up to date, nothing to build")
    else:
        # From nothing: an incremental build would not repeat the warnings of pages that it leaves alone.
        stamp.unlink(missing_ok=True)
        for old in ("html", ".doctrees", ".jupyter_cache"):
            shutil.rmtree(build / old, ignore_errors=True)
        command = [str(Path(sys.executable).parent / "jupyter-book"), "build", "-q", "-W", "-n", "--keep-going"]
        command += ["--path-output", str(root), str(source)]
        # Our Sphinx extensions lie beside this file; and the API reference is that of this copy of the package.
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parent), str(root)])}
        print(f"site ({preset}): building", flush=True)
        done = subprocess.run(
            command,
            cwd=root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode or not index.is_file():
            print(f"{done.stdout}\nsite ({preset}): FAILED, see the warnings above")
            return done.returncode or 1
        stamp.write_text(key)
    print(f"the book is built: open {index.relative_to(root)} in a browser")
    return 0


def with_small_pictures(notebook: dict) -> dict:
    """The notebook with each plot in the 256 colours that serve it best: less than half as large, and to the eye the
    same."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                output["data"]["image/png"] = base64.b64encode(_palette(base64.b64decode("".join(png)))).decode()
    return notebook


def _palette(png: bytes) -> bytes:
    picture, buffer = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
    picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(buffer, "PNG")
    return buffer.getvalue()


def _cores(run: dict) -> int:
    """How many cores the chapter had to itself."""
    return max(1, run["cores"] // run["jobs"])


def _clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{int(seconds) // 60} min {int(seconds) % 60} s"


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("ci", "cpu", "gpu"):
        sys.exit("usage: python tools/build_site.py ci|cpu|gpu")
    sys.exit(main(ROOT, sys.argv[1]))
