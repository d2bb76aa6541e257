"""List what the checks in executed notebooks said, as CSV: one line for each notebook and each check.

    python tools/grade.py FOLDER > grades.csv

Execute the notebooks first, so that the outputs are those of their code, and keep none of their answers as yours:

    TFRGAN_PROGRESS=off python -m pytest --nbmake --overwrite FOLDER
"""

import csv
import re
import sys
from pathlib import Path

from prose import read

CALL = re.compile(r"^(check_\d\d_\w+)\(", re.MULTILINE)
BEGINNINGS = {"Right.": "right", "Not yet.": "not yet"}  # of what a Verdict says
HEADER = ("notebook", "check", "verdict", "says")


def verdicts(notebook: dict) -> dict[str, tuple[str, str]]:
    """Each check that a cell calls -> "right", "not yet" or "no answer", and what it said.

    Of several calls of a check the last counts. Only a cell's result is read, not what it prints.
    """
    found = {}
    for cell in notebook["cells"]:
        called = CALL.findall("".join(cell["source"])) if cell["cell_type"] == "code" else []
        if called:
            results = [out for out in cell["outputs"] if out["output_type"] == "execute_result"]
            said = "".join(results[-1]["data"].get("text/plain", "")) if results else ""
            verdict = next((name for begin, name in BEGINNINGS.items() if said.startswith(begin)), "no answer")
            found[called[-1]] = (verdict, said)
    return found


def rows(folder: Path) -> list[tuple[str, str, str, str]]:
    """A row of HEADER for every check in the folder's notebooks, and in folders below it, by name."""
    files = sorted(file for file in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in file.parts)
    return [
        (file.relative_to(folder).as_posix(), name, *verdict)
        for file in files
        for name, verdict in verdicts(read(file)).items()
    ]


def main(folder: Path) -> int:
    """Print the rows; 1 if there are none."""
    found = rows(folder)
    if not found:
        print(f"{folder}: holds no notebook that calls a check; name the folder of the hand-ins", file=sys.stderr)
        return 1
    csv.writer(sys.stdout).writerows([HEADER, *found])
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/grade.py FOLDER")
    sys.exit(main(Path(sys.argv[1])))
