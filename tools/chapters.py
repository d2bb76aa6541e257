"""Execute the book's chapters through nbmake, each only if it, or a module that it imports, has changed.

    python tools/chapters.py PRESET

Executed copies go to _build/chapters/PRESET/, each with a JSON file that holds its key and the time that it took. The
key is written after success only, so a chapter that failed is executed again. What a chapter measured goes to the
folder results in there (tfrgan_lite.lesson.experiment).
"""

import datetime
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import yaml
from keys import chapter_key

ROOT = Path(__file__).resolve().parent.parent
CELL_TIMEOUT_S = 1800


def entries(root: Path) -> list[str]:
    """The pages of the table of contents, in its order: paths from the root, without a suffix."""

    def files(node):
        if isinstance(node, dict):
            for key, value in node.items():
                yield from [value] if key in ("file", "root") else files(value)
        elif isinstance(node, list):
            for item in node:
                yield from files(item)

    return list(files(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))))


def chapters(root: Path) -> list[Path]:
    """The notebooks of the table of contents, in its order."""
    return [root / f"{entry}.ipynb" for entry in entries(root) if entry.startswith("notebooks/")]


def folder(root: Path, preset: str) -> Path:
    """Where the executed copies of a preset lie."""
    return root / "_build" / "chapters" / preset


def measured(root: Path, preset: str, notebook: Path) -> Path:
    """Where that lies which the chapter measured in its last run, if it passed and stores anything."""
    return folder(root, preset) / "results" / f"{notebook.stem[:2]}.json"


def record(root: Path, preset: str, notebook: Path) -> dict:
    """What is known of the chapter's last run if it passed: key, seconds, date, device, cores, torch; else {}."""
    path = folder(root, preset) / f"{notebook.stem}.json"
    executed = path.with_suffix(".ipynb")
    return json.loads(path.read_text()) if path.is_file() and executed.is_file() else {}


def stale(root: Path, preset: str) -> dict[Path, str]:
    """The chapters that must be executed, each with the key that it will have."""
    keys = {notebook: chapter_key(root, notebook, preset) for notebook in chapters(root)}
    return {notebook: key for notebook, key in keys.items() if record(root, preset, notebook).get("key") != key}


def device() -> str:
    """The device that a chapter computes on: the GPU's name, or CPU."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


def execute(root: Path, preset: str, notebook: Path, threads: int) -> tuple[float, str]:
    """Execute a copy of the chapter; seconds that it took, and what is wrong if it failed, else ''.

    A chapter that leaves files where it runs fails, too: run again, it would find them.
    """
    kept = folder(root, preset) / notebook.name
    results = measured(root, preset, notebook)
    for old in (kept.with_suffix(".json"), results):
        old.unlink(missing_ok=True)
    # Elsewhere, because nbmake passes over notebooks in a folder called _build; and what a chapter writes is not kept.
    with tempfile.TemporaryDirectory() as place:
        copy = Path(shutil.copy(notebook, place))
        command = [sys.executable, "-m", "pytest", "--nbmake", "--overwrite", f"--nbmake-timeout={CELL_TIMEOUT_S}"]
        command += ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(copy)]
        env = os.environ | {"TFRGAN_PRESET": preset, "OMP_NUM_THREADS": str(threads)}
        env |= {"TFRGAN_RESULTS": place, "TFRGAN_PROGRESS": "off"}
        start = time.monotonic()
        done = subprocess.run(command, cwd=place, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        left = {item.name for item in Path(place).iterdir()} - {copy.name, results.name}
        if done.returncode == 0 and left:
            return time.monotonic() - start, f"{notebook.name}: leaves {', '.join(sorted(left))} beside itself"
        if done.returncode == 0:
            shutil.copyfile(copy, kept)
            if (found := Path(place) / results.name).is_file():
                results.parent.mkdir(exist_ok=True)
                shutil.copyfile(found, results)
    return time.monotonic() - start, done.stdout + done.stderr if done.returncode else ""


def say(line: str) -> None:
    """Print a line at once and in one piece, since two chapters may speak at the same time."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(root: Path, preset: str, only: Collection[str] | None = None) -> int:
    """Bring all chapters up to date, or those with the numbers ``only``; 1 if one failed."""
    folder(root, preset).mkdir(parents=True, exist_ok=True)
    wanted = [notebook for notebook in chapters(root) if only is None or notebook.stem[:2] in only]
    todo = {notebook: key for notebook, key in stale(root, preset).items() if notebook in wanted}
    total = len(wanted)
    if not todo:
        say(f"chapters ({preset}): all {total} are up to date, nothing to execute")
        return 0
    cores = os.cpu_count() or 1
    # Short chapters share the cores; a chapter that trains wants all of them, and its time is put into the book.
    jobs = min(2, cores) if preset == "ci" else 1
    about = {"date": datetime.date.today().isoformat(), "device": device(), "cores": cores, "torch": version("torch")}
    about |= {"preset": preset, "python": platform.python_version(), "jobs": jobs}
    say(f"chapters ({preset}): {len(todo)} of {total} to execute, {jobs} at a time")
    failed = []

    def run(notebook: Path) -> None:
        last = previous[notebook]
        say(f"  {notebook.stem}: executing{f' ({last:.0f} s last time)' if last else ''} ...")
        seconds, report = execute(root, preset, notebook, max(1, cores // jobs))
        if report:
            failed.append(notebook.stem)
            say(f"{report}\n  {notebook.stem}: FAILED after {seconds:.0f} s")
            return
        entry = about | {"key": todo[notebook], "seconds": round(seconds, 1)}
        (folder(root, preset) / f"{notebook.stem}.json").write_text(json.dumps(entry, indent=1) + "\n")
        say(f"  {notebook.stem}: passed in {seconds:.0f} s")

    previous = {notebook: record(root, preset, notebook).get("seconds", 0) for notebook in todo}
    with ThreadPoolExecutor(jobs) as pool:
        # The longest first, and those that nobody has timed from the last chapter on, which is the one that trains.
        list(pool.map(run, sorted(reversed(todo), key=lambda notebook: previous[notebook] or math.inf, reverse=True)))
    say(f"chapters ({preset}): {total - len(failed)} of {total} passed" + "".join(f"\n  failed: {f}" for f in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("ci", "cpu", "gpu"):
        sys.exit("usage: python tools/chapters.py ci|cpu|gpu")
    sys.exit(main(ROOT, sys.argv[1]))
