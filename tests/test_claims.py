"""Every numbered equation of the book has a test, and every such test has its equation.

An equation labelled ``(eq-03-hop)`` in notebook 03 is tested by ``test_eq_03_hop`` in ``tests/test_claims_03.py``.
"""

import ast
import re
from pathlib import Path

LABEL = re.compile(r"\$\$\s*\((eq-[^)\s]+)\)|^:label:\s*(eq-\S+)|\\label\{(eq-[^}]+)\}", re.MULTILINE)


def labels(notebook: dict) -> list[str]:
    """The labels of a notebook's equations."""
    cells = ("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    return [next(filter(None, found)) for text in cells for found in LABEL.findall(text)]


def claim_tests(folder: Path) -> dict[str, str]:
    """Name of each function test_eq_... in the folder's test_claims_*.py -> the file's name."""
    return {
        node.name: file.stem
        for file in sorted(folder.glob("test_claims_*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_eq_")
    }


def expected(notebooks: dict[str, dict]) -> dict[str, str]:
    """Name of the test that each label asks for -> the file that it belongs in."""
    found = [(label, name[:2]) for name, notebook in notebooks.items() for label in labels(notebook)]
    for label, chapter in found:
        assert re.fullmatch(rf"eq-{chapter}-[a-z0-9-]+", label), (
            f"{label} in chapter {chapter}: name it eq-{chapter}-name"
        )
    assert len(found) == len({label for label, _ in found}), "a label is given twice"
    return {f"test_{label.replace('-', '_')}": f"test_claims_{chapter}" for label, chapter in found}


def test_labels_are_found_in_all_three_spellings():
    text = (
        "$$\na = b\n$$ (eq-03-one)\n$$c$$(eq-03-two)\n\n:label: eq-03-three\n\\label{eq-03-four}\nsee {eq}`eq-03-five`"
    )
    cells = [{"cell_type": "markdown", "source": [text]}, {"cell_type": "code", "source": ["# $$x$$ (eq-03-six)"]}]
    assert labels({"cells": cells}) == ["eq-03-one", "eq-03-two", "eq-03-three", "eq-03-four"]


def test_every_equation_has_its_test_and_every_test_its_equation(root, notebooks):
    assert claim_tests(root / "tests") == expected(notebooks)
