"""The book's claims and their tests: what is claimed where, which test holds it, and the page that shows both.

A claim is a numbered equation, ``$$ ... $$ (eq-03-hop)``, or a sentence with a mark before it, in notebook 03:
``<span id="claim-03-two"></span>``. Its test in ``tests/test_claims_03.py`` is ``test_eq_03_hop`` or
``test_claim_03_two``.
"""

import ast
import re
from pathlib import Path

from prose import cells, running

LABEL = r"\$\$\s*\((eq-[^)\s]+)\)"
MARK = r'<span id="(claim-[^"]*)"></span>'
UNIT = r"dBTP|dB|%|Hz|kHz|ms|s|LUFS|LU|nats|degrees|MB|GB|minutes|seconds|times|frames|samples|steps|songs|mixes"
MEASURED = re.compile(rf"\d ?(?:{UNIT})(?![\w/])")
EXERCISE = re.compile(r"^:::\{exercise\}.*?^:::$", re.MULTILINE | re.DOTALL)
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<![,:\s])\s*\n\s*\n")


def claims(notebook: dict) -> list[str]:
    """The labels of a notebook's equations and the marks of its sentences, in order."""
    found = re.compile(f"{LABEL}|{MARK}")
    return [label or mark for text in cells(notebook, "markdown") for label, mark in found.findall(text)]


def unmarked(notebook: dict) -> list[str]:
    """The sentences of running prose that give a number with a unit, and have neither a mark nor a numbered equation.
    Exercises and other questions claim nothing."""
    asked = (EXERCISE.sub("", text) for text in cells(notebook, "markdown"))
    texts = (re.sub(LABEL, "$$\0", re.sub(MARK, "\0", text)) for text in asked)
    prose = [running(text) for text in texts]
    sentences = [" ".join(sentence.split()) for text in prose for sentence in SENTENCE_END.split(text)]
    said = [sentence for sentence in sentences if MEASURED.search(sentence) and not sentence.endswith("?")]
    return [sentence for sentence in said if "\0" not in sentence]


def test_of(claim: str) -> str:
    """The name of a claim's test."""
    return f"test_{claim.replace('-', '_')}"


def tests(file: Path) -> dict[str, str]:
    """Name -> source, decorators included, of each test in a file; none if there is no file."""
    source = file.read_text(encoding="utf-8") if file.is_file() else ""
    found = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    lines = source.splitlines()
    begin = {node.name: min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1 for node in found}
    return {n.name: "\n".join(lines[begin[n.name] : n.end_lineno]) for n in found if n.name.startswith("test_")}


def with_links(notebook: dict) -> dict:
    """The notebook, changed in place: at each claim a link to its test on the page of :func:`page`."""

    def link(claim: str) -> str:
        href, name = f"../book/claims.html#{test_of(claim).replace('_', '-')}", f"The test of {claim}"
        return f'<a class="claim" href="{href}" title="{name}" aria-label="{name}">✓</a>'

    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = re.sub(MARK, lambda mark: f"{mark[0]}{link(mark[1])} ", "".join(cell["source"]))
            cell["source"] = re.sub(LABEL, lambda label: f"{label[0]}\n\n{link(label[1])}\n", text)
    return notebook


def page(chapters: dict[str, tuple[str, dict]], folder: Path) -> str:
    """Markdown of all claims with their tests.

    Args:
        chapters: number of a chapter -> the name of its file and its notebook.
        folder: where the tests lie.
    """
    parts = []
    for number, (name, notebook) in chapters.items():
        sources = tests(folder / f"test_claims_{number}.py")
        parts.append(f"## Chapter {number}")
        for claim in claims(notebook):
            test = test_of(claim)
            equation = claim.startswith("eq-")
            what = f"Equation {{eq}}`{claim}`" if equation else f"Claim `{claim}`"
            place = f"../notebooks/{name}.html#{'equation-' if equation else ''}{claim}"
            back = f'<a href="{place}">where it stands</a>'
            parts.append(f"({test.replace('_', '-')})=\n{what}, {back}:\n\n```python\n{sources[test]}\n```")
    return "\n\n".join(parts)
