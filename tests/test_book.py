"""The book's sources keep their promises: chapters are listed, stored clean, described in words, and have solutions."""

import ast
import re

import pytest
import yaml

PLOTS = {"plot", "imshow", "bar", "barh", "hist", "scatter", "semilogx", "semilogy", "loglog", "pcolormesh"}
NO_PLOTS = {"close", "style", "rcParams", "switch_backend"}
EXERCISE = re.compile(r"^[:`]{3,}\{exercise\}.*?\n((?:.*\n)*?)[:`]{3,}\s*$", re.MULTILINE)
SOLUTION = re.compile(r"^[:`]{3,}\{solution\}\s*(\S+)\s*\n((?::.*\n)*)", re.MULTILINE)


def draws(source: str, helpers: set[str]) -> bool:
    """Whether running the cell calls a plotting function; what is inside a def is not run."""
    waiting = list(ast.parse(source).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Call):
            names = ast.unparse(node.func).split(".")
            by_pyplot = names[0] == "plt" and len(names) > 1 and not NO_PLOTS & set(names)
            if by_pyplot or (len(names) > 1 and names[-1] in PLOTS) or names[0] in helpers:
                return True
        waiting.extend(ast.iter_child_nodes(node))
    return False


def plot_helpers(sources: list[str]) -> set[str]:
    """Names that the notebook imports from tfrgan_lite.lesson.plots, or that name this module."""
    nodes = [node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    whole = {
        a.asname or a.name for n in nodes if n.module == "tfrgan_lite.lesson" for a in n.names if a.name == "plots"
    }
    return whole | {a.asname or a.name for n in nodes if n.module == "tfrgan_lite.lesson.plots" for a in n.names}


def problems(name: str, notebook: dict) -> list[str]:
    """What is wrong with a stored notebook, one line each."""
    found, meta = [], notebook["metadata"]
    if (notebook["nbformat"], notebook["nbformat_minor"]) < (4, 5):
        found.append("format: older than 4.5")
    if meta.get("kernelspec", {}).get("name") != "python3":
        found.append("kernelspec: not python3")
    if "execution" in meta:
        found.append("metadata: execution, which would override the time limit")
    cells = notebook["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    helpers = plot_helpers(["".join(cell["source"]) for cell in code])
    for number, cell in enumerate(code, 1):
        source, where = "".join(cell["source"]), f"code cell {number}"
        if cell["outputs"] or cell["execution_count"] is not None or "execution" in cell["metadata"]:
            found.append(f"{where}: stored with outputs or an execution count")
        if forbidden := {"skip-execution", "raises-exception", "remove-output"} & set(cell["metadata"].get("tags", [])):
            found.append(f"{where}: tag {', '.join(forbidden)}")
        if len(source.splitlines()) > 25:
            found.append(f"{where}: {len(source.splitlines())} lines, more than 25")
        if draws(source, helpers):
            shown = cell["metadata"].get("mystnb", {})
            alt, figure = shown.get("image", {}).get("alt", ""), shown.get("figure", {})
            if len(alt.split()) < 3 or not figure.get("caption"):
                found.append(f"{where}: a figure without alt text or caption")
            if not figure.get("name", "").startswith(f"fig-{name[:2]}-"):
                found.append(f"{where}: a figure whose name does not begin with fig-{name[:2]}-")
    text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown") + "\n"
    asked = [re.search(r"^:label:\s*(\S+)", body, re.MULTILINE) for body in EXERCISE.findall(text)]
    labels = {label[1] for label in asked if label}
    solved = dict(SOLUTION.findall(text))
    if not asked or None in asked:
        found.append("exercises: none, or one without a label")
    if labels != set(solved):
        found.append(f"exercises: {sorted(labels ^ set(solved))} lack a solution or an exercise")
    if any("dropdown" not in options for options in solved.values()):
        found.append("exercises: a solution that is not folded (:class: dropdown)")
    if not cells or not "".join(cells[0]["source"]).startswith("# "):
        found.append("heading: the first cell does not begin with one")
    return found


def test_notebooks_are_stored_as_they_should_be(notebooks):
    assert {name: found for name, notebook in notebooks.items() if (found := problems(name, notebook))} == {}


def test_no_two_cells_of_a_notebook_have_one_id(notebooks):
    for name, notebook in notebooks.items():
        ids = [cell["id"] for cell in notebook["cells"]]
        assert {each for each in ids if ids.count(each) > 1} == set(), name


def cell(kind: str, source: str, **metadata) -> dict:
    extra = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "source": [source], "metadata": metadata} | extra


GOOD_FIGURE = {"image": {"alt": "A sine of 5 Hz."}, "figure": {"caption": "A sine.", "name": "fig-03-sine"}}
GOOD_EXERCISE = ":::{exercise} Phase\n:label: ex-1\n\nWhat?\n:::\n\n:::{solution} ex-1\n:class: dropdown\n\nThat.\n:::"


def example(*cells: dict, **metadata) -> dict:
    meta = {"kernelspec": {"name": "python3"}} | metadata
    body = [cell("markdown", "# Title"), *cells, cell("markdown", GOOD_EXERCISE)]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": meta, "cells": body}


def test_a_good_notebook_has_no_problem():
    helper = cell("code", "def show(x):\n    plt.plot(x)\nplt.close('all')")
    assert problems("03_x", example(helper, cell("code", "ax.plot(x)", mystnb=GOOD_FIGURE))) == []


@pytest.mark.parametrize(
    ("notebook", "said"),
    [
        (example(nbformat=4) | {"nbformat_minor": 4}, "format"),
        (example(kernelspec={"name": "conda"}), "kernelspec"),
        (example(execution={"timeout": 9}), "metadata"),
        (example(cell("code", "1") | {"execution_count": 1}), "outputs"),
        (example(cell("code", "1") | {"outputs": [{}]}), "outputs"),
        (example(cell("code", "1", tags=["skip-execution"])), "skip-execution"),
        (example(cell("code", "1", tags=["raises-exception"])), "raises-exception"),
        (example(cell("code", "1\n" * 26)), "26 lines"),
        (example(cell("code", "plt.show()")), "alt text"),
        (
            example(cell("code", "for a in axes:\n    a.imshow(x)", mystnb={"figure": GOOD_FIGURE["figure"]})),
            "alt text",
        ),
        (example(cell("code", "from tfrgan_lite.lesson.plots import mel as m\nm(x)")), "alt text"),
        (
            example(cell("code", "ax.plot(x)", mystnb=GOOD_FIGURE | {"figure": {"caption": "c", "name": "x"}})),
            "fig-03-",
        ),
        (example() | {"cells": [cell("markdown", "# Title")]}, "exercises: none"),
        (example(cell("markdown", ":::{exercise}\n:label: ex-2\n\nWhat?\n:::")), "ex-2"),
        (example(cell("markdown", GOOD_EXERCISE.replace(":class: dropdown\n", "").replace("ex-1", "ex-3"))), "folded"),
        (example() | {"cells": [cell("markdown", GOOD_EXERCISE)]}, "heading"),
    ],
)
def test_a_bad_notebook_is_found_out(notebook, said):
    found = problems("03_x", notebook)
    assert len(found) >= 1 and any(said in line for line in found), found


def test_the_contents_list_exactly_the_notebooks_and_pages_that_exist(root):
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    listed = [toc["root"]] + [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    kinds = {"notebooks": ".ipynb", "book": ".md"}
    exist = [f"{folder}/{p.stem}" for folder, suffix in kinds.items() for p in (root / folder).glob(f"*{suffix}")]
    assert sorted(listed) == sorted(exist)
    chapters = [entry for entry in listed if entry.startswith("notebooks/")]
    assert chapters == sorted(chapters), "the chapters are not in the order of their numbers"


def test_notation_gives_names_that_the_code_uses(root):
    page = (root / "book" / "notation.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`(\w+)`", page.split(":::{list-table}")[1].split("\n:::")[0]))
    assert {"tracks", "frames", "mels", "d_model", "Generator"} <= names
    code = "\n".join(file.read_text(encoding="utf-8") for file in (root / "tfrgan_lite").rglob("*.py"))
    assert {name for name in names if not re.search(rf"\b{name}\b", code)} == set()
