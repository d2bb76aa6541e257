"""Write the repository's address, which _config.yml holds once, into everything that Colab needs: the chapters' first
code cell, which installs the package from there, their badges and pictures, and the site's launch buttons.

    python tools/colab.py [ADDRESS]

ADDRESS is the repository's on GitHub, as https://github.com/OWNER/NAME, or "" for none; left out, the one that is set.
Without an address there are no badges, pictures and launch buttons, and the cell says on Colab what to do.
"""

import json
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
COLAB = "https://colab.research.google.com"
ADDRESS = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+")
SETUP, BADGE, PICTURE = "setup", "badge", "picture"  # what the ids of the cells begin with
FIGURE = re.compile(r"^:::\{figure\} \.\./(\S+)\n(?::.*\n)*?:alt: (.*)", re.MULTILINE)  # a file of the repository
UNSEEN = {"tags": ["remove-cell"]}  # on a page of the site, which runs nothing and has launch buttons
FOLDED = {"cellView": "form"}  # on Colab only the title is shown

# A chapter is opened alone on Colab, so the cell cannot import this from anywhere. The package comes without its
# dependencies, and of these only what the runtime lacks, held to the versions of all that is there: a newer PyTorch or
# NumPy beside libraries that were built for another would break the runtime.
CELL = """\
# @title On Colab: install this book's package, and change no package that is there. Elsewhere: do nothing.
import sys

SOURCE = "{source}"
if "google.colab" in sys.modules:
    import importlib
    import subprocess
    import tempfile
    from importlib import metadata
    from pathlib import Path

    from packaging.requirements import Requirement

    PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    if not any(metadata.distributions(name="tfrgan-lite")):
        if not SOURCE:
            sys.exit("This copy of the book has no address to install from: run python tools/colab.py ADDRESS in it.")
        subprocess.run([*PIP, "install", "--quiet", "--no-deps", SOURCE], check=True)
    needs = [need for line in metadata.requires("tfrgan-lite") if not (need := Requirement(line)).marker]
    if missing := [str(need) for need in needs if not any(metadata.distributions(name=need.name))]:
        held = Path(tempfile.mkdtemp()) / "held.txt"
        held.write_bytes(subprocess.run([*PIP, "list", "--format=freeze"], check=True, capture_output=True).stdout)
        subprocess.run([*PIP, "install", "--quiet", "--constraint", held, *missing], check=True)
    importlib.invalidate_caches()
"""


def repository(root: Path) -> tuple[str, str]:
    """The configured address, "" if none, and the branch."""
    found = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]
    return found["url"], found["branch"]


def setup_cell(source: str) -> dict:
    """The first code cell of every chapter; source is what pip installs the package from, "" if there is none."""
    text = CELL.replace("{source}", source).rstrip("\n").splitlines(keepends=True)
    about = {"cell_type": "code", "execution_count": None, "id": SETUP, "metadata": FOLDED | UNSEEN}
    return about | {"outputs": [], "source": text}


def badge_cell(url: str, branch: str, name: str) -> dict:
    """The link that opens the chapter on Colab, for where a notebook is read by itself."""
    target = f"{COLAB}/github/{url.removeprefix('https://github.com/')}/blob/{branch}/notebooks/{name}.ipynb"
    text = f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({target})"
    return {"cell_type": "markdown", "id": BADGE, "metadata": UNSEEN, "source": [text]}


def picture_cells(url: str, branch: str, cell: dict) -> list[dict]:
    """The figures of a cell once more, by address, for where nobody understands the directive."""
    raw = f"{url.replace('github.com', 'raw.githubusercontent.com', 1)}/{branch}"
    cells = []
    for file, alt in FIGURE.findall("".join(cell["source"]) if cell["cell_type"] == "markdown" else ""):
        text = f"![{alt}]({raw}/{file}?sanitize=true)"  # without it an SVG comes as text
        cells.append(
            {"cell_type": "markdown", "id": f"{PICTURE}-{Path(file).stem}", "metadata": UNSEEN, "source": [text]}
        )
    return cells


def prepared(notebook: dict, name: str, url: str, branch: str, source: str | None = None) -> dict:
    """The notebook with badge and setup cell after its heading, and its figures by address; source is where the package
    is, the repository if None."""
    if source is None:
        source = f"git+{url}@{branch}" if url else ""
    ours = re.compile(rf"{SETUP}|{BADGE}|{PICTURE}-.*")
    heading, *rest = [cell for cell in notebook["cells"] if not ours.fullmatch(cell.get("id", ""))]
    badges = [badge_cell(url, branch, name)] if url else []
    if url:
        rest = [one for cell in rest for one in (cell, *picture_cells(url, branch, cell))]
    return notebook | {"cells": [heading, *badges, setup_cell(source), *rest]}


def stored(notebook: dict) -> str:
    """A notebook as the text of its file."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def configured(text: str, url: str) -> str:
    """The text of _config.yml with another address, and with launch buttons if there is one."""
    text = re.sub(r'^(  url:) ".*?"', rf'\1 "{url}"', text, flags=re.MULTILINE)
    return re.sub(r'^(  colab_url:) ".*?"', rf'\1 "{COLAB if url else ""}"', text, flags=re.MULTILINE)


def main(root: Path, arguments: list[str]) -> int:
    """Write it all; 1, and nothing is written, if the address is none."""
    url = arguments[0].strip().rstrip("/").removesuffix(".git") if arguments else repository(root)[0]
    if url and not ADDRESS.fullmatch(url):
        print(f"{url}: is no address of a repository on GitHub; write it as https://github.com/OWNER/NAME")
        return 1
    config = root / "_config.yml"
    config.write_text(configured(config.read_text(encoding="utf-8"), url), encoding="utf-8")
    for file in sorted((root / "notebooks").glob("*.ipynb")):
        notebook = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(stored(prepared(notebook, file.stem, *repository(root))), encoding="utf-8")
    print(
        f"the chapters are installed from {url}" if url else "no address is set: no badges, pictures and launch buttons"
    )
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit("usage: python tools/colab.py [ADDRESS]")
    sys.exit(main(ROOT, sys.argv[1:]))
