"""Run ruff, mypy and pytest, unless nothing that they look at has changed since all passed.

python tools/check.py
"""

import os
import subprocess
import sys
from pathlib import Path

from keys import digest, environment, tree

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("tfrgan_lite", "tests", "tools", "notebooks", "book", "benchmarks", ".github")
FILES = ("pyproject.toml", "_config.yml", "_toc.yml", "README.md", "Makefile", ".ci/run", ".pre-commit-config.yaml")
# One thread for each of several processes: the networks of the tests are too small to gain from more.
WORKERS = min(4, os.cpu_count() or 1)
COMMANDS = (
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["mypy"],
    ["pytest", "-n", str(WORKERS), "--dist", "loadfile"],
)


def main() -> int:
    """The first exit code that is not 0, else 0."""
    files = tree(*(ROOT / name for name in FOLDERS)) + [ROOT / name for name in FILES]
    key, stamp = digest(ROOT, files, *environment(ROOT)), ROOT / "_build" / "tests.key"
    if stamp.is_file() and stamp.read_text() == key:
        print("tests: passed before, and nothing has changed since; make clean makes them run again")
        return 0
    stamp.unlink(missing_ok=True)
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    for command in COMMANDS:
        print("$", *command, flush=True)
        if code := subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=env).returncode:
            print(f"tests: FAILED in {' '.join(command)}")
            return code
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(key)
    return 0


if __name__ == "__main__":
    sys.exit(main())
