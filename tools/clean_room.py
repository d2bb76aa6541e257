"""Prove that a chapter works on a runtime like Colab's, where nobody has prepared anything.

    python tools/clean_room.py [CHAPTER]

A new environment with Colab's versions (tests/colab-constraints.txt; PyTorch is that of .venv, which is too large to
fetch again), the package as a wheel, and one chapter, 00 if none is named, copied alone into an empty folder and
executed with the preset ci. Its first cell installs the wheel. Then no file of a package that was there before may
have changed, and the package must come from the environment. It takes minutes, most of them to fetch and install.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import colab
from keys import PACKAGE, tree
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ROOT / "tests" / "colab-constraints.txt"
AT_HAND = ("torch", "torchaudio")
CELL_TIMEOUT_S = 600
# What anywidget asks of Colab before it shows a widget.
FAKE = {"__init__.py": "", "output.py": "def enable_custom_widget_manager():\n    pass\n"}

Files = dict[str, tuple[int, int]]  # path -> size, time of the last change


def build_wheel(place: Path) -> Path:
    """The package's wheel, built in a copy of what it is made of."""
    source = place / "source"
    shutil.copytree(ROOT / PACKAGE, source / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT.md"):
        shutil.copy(ROOT / name, source)
    build = "import setuptools.build_meta as b; b.build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (wheel,) = (source / "dist").glob("*.whl")
    return wheel


def lacking(wheel: Path, root: Path) -> list[str]:
    """Files of the package, code and data, that are not in the wheel as they are below root."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    files = {file.relative_to(root).as_posix(): file for file in tree(root / PACKAGE)}
    return [name for name, file in sorted(files.items()) if held.get(name) != file.read_bytes()]


def needed(names: Iterable[str], there: set[str]) -> dict[str, metadata.Distribution]:
    """The distributions of this environment by these names, and all that they need but what is there already."""
    found, waiting = {}, [Requirement(name) for name in names]
    seen = set()
    while waiting:
        need = waiting.pop()
        name = canonicalize_name(need.name)
        if name in there or (name, frozenset(need.extras)) in seen:
            continue
        seen.add((name, frozenset(need.extras)))
        found[name] = metadata.distribution(need.name)
        for line in found[name].requires or ():
            part = Requirement(line)
            if not part.marker or any(part.marker.evaluate({"extra": extra}) for extra in ("", *need.extras)):
                waiting.append(part)
    return found


def pins() -> list[str]:
    """Colab's versions, as name==version, but for those of PyTorch."""
    return [line for line in VERSIONS.read_text().splitlines() if not line.startswith(("#", *AT_HAND))]


class Room:
    """An environment of its own in a folder, whose Python believes that it is on Colab."""

    def __init__(self, place: Path):
        venv.create(place, with_pip=True)
        self.place, self.python = place, place / "bin" / "python"
        hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MPLBACKEND")
        self.env = {name: value for name, value in os.environ.items() if name not in hidden}
        self.env |= {name: str(place / "home") for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")}
        (self.packages,) = (place / "lib").glob("python3*/site-packages")
        alone = [line for line in pins() if line.startswith("accelerate")]  # it would ask for PyTorch
        install = ("install", "--quiet", "--no-compile")
        self.pip(*install, *(line for line in pins() if line not in alone), "psutil", "pyyaml")
        self.pip(*install, "--no-deps", *alone)
        self.lend(place / "lent")

    def run(self, *command: str | Path, cwd: Path | None = None) -> str:
        """What a program of the room prints. Raises SystemExit with all that it said if it failed."""
        env = self.env | {"PATH": f"{self.place / 'bin'}{os.pathsep}{self.env['PATH']}"}
        done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{done.stdout}{done.stderr}\nclean room: FAILED in {' '.join(map(str, command[:4]))} ...")
        return done.stdout

    def pip(self, *arguments: str) -> str:
        """What pip says in the room."""
        return self.run(self.python, "-m", "pip", "--disable-pip-version-check", *arguments)

    def lend(self, folder: Path) -> None:
        """Let the room see this environment's PyTorch, by links, and a module google.colab."""
        (folder / "google" / "colab").mkdir(parents=True)
        for name, text in FAKE.items():
            (folder / "google" / "colab" / name).write_text(text)
        there = {line.split("==")[0] for line in self.frozen()}
        for distribution in needed(AT_HAND, there).values():
            for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
                if not (folder / top).is_symlink():
                    (folder / top).symlink_to(distribution.locate_file(top))
        # A line that imports is executed whenever the room's Python starts.
        (self.packages / "lent.pth").write_text(f"{folder}\nimport google.colab\n")

    def frozen(self) -> set[str]:
        """Every package that pip finds, as name==version, names as pip compares them."""
        lines = (line.split("==") for line in self.pip("list", "--format=freeze").split())
        return {f"{canonicalize_name(name)}=={version}" for name, version in lines}

    def files(self) -> Files:
        """All files of the room's packages, but for what Python compiles."""
        return {str(file): (file.stat().st_size, file.stat().st_mtime_ns) for file in tree(self.packages)}


def touched(before: Files, after: Files) -> list[str]:
    """Files that were there before and are gone or others now."""
    return sorted(name for name, state in before.items() if after.get(name) != state)


def main(chapter: str) -> int:
    """Build the room, run the chapter, compare; 1 if something is not as it must be."""
    begun = time.monotonic()

    def say(line: str) -> None:
        print(f"clean room, {time.monotonic() - begun:3.0f} s: {line}", flush=True)

    (notebook,) = (ROOT / "notebooks").glob(f"{chapter}*.ipynb")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        wheel = build_wheel(place)
        if missing := lacking(wheel, ROOT):
            say(f"FAILED: not in the wheel, see package-data in pyproject.toml: {', '.join(missing)}")
            return 1
        say(f"{wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB, holds all files of the package")
        room = Room(place / "room")
        before, files = room.frozen(), room.files()
        if missing := {line.replace("_", "-") for line in pins()} - before:
            say(f"FAILED: installed in another version: {', '.join(sorted(missing))}")
            return 1
        say(f"{len(before)} packages, {len(pins())} of them pinned to Colab's versions")
        alone = place / "alone"
        alone.mkdir()
        content = json.loads(notebook.read_text(encoding="utf-8"))
        own = colab.prepared(content, notebook.stem, *colab.repository(ROOT), source=str(wheel))
        (alone / notebook.name).write_text(colab.stored(own), encoding="utf-8")
        room.env |= {"TFRGAN_PRESET": "ci", "TFRGAN_CACHE": str(place / "cache"), "TFRGAN_PROGRESS": "off"}
        room.run("jupyter-execute", f"--timeout={CELL_TIMEOUT_S}", notebook.name, cwd=alone)
        say(f"{notebook.stem} passed, alone in an empty folder")
        after, lost = room.frozen(), touched(files, room.files())
        source = room.run(room.python, "-c", f"import {PACKAGE}; print({PACKAGE}.__file__)", cwd=alone).strip()
    added = ", ".join(sorted(after - before))
    if before - after or lost:
        say(f"FAILED: changed {', '.join(sorted(before - after)) or lost[0]}; added {added}")
    elif not source.startswith(str(room.packages)):
        say(f"FAILED: the package came from {source}")
    else:
        say(f"no file of a package changed; added {added}")
        return 0
    return 1


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit("usage: python tools/clean_room.py [CHAPTER]")
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "00"))
