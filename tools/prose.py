"""The prose of a chapter, apart from its code, mathematics and directives; and how long a chapter takes to read."""

import json
import re
from pathlib import Path

WORDS_PER_MINUTE = 200
LINES_PER_MINUTE = 30  # of code
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SOLUTION = re.compile(r"^:::\{solution\}.*?^:::$", re.MULTILINE | re.DOTALL)
# What is no running prose, in the order in which it is looked for.
APART = (
    FENCE,
    re.compile(
        r"^:::\{(?:admonition\} (?:In this chapter|Before you start)|figure\}).*?^:::$", re.MULTILINE | re.DOTALL
    ),
    re.compile(r"\$\$.*?\$\$(?: ?\(eq-[^)]*\))?", re.DOTALL),
    re.compile(r"^(?:#|>|\||:).*$", re.MULTILINE),  # headings, quotations, tables, directives with their options
    re.compile(r"\$[^$]+\$"),
    re.compile(r"\[[^\]]*\]\([^)]*\)"),
    re.compile(r"(?:\{[\w:]+\})?`[^`]*`"),
    re.compile(r'"[^"]*"'),  # other people's words, and names of sections
)
TERM = re.compile(r"\{term\}`(?:([^`<]+?)\s*<([^>`]+)>|([^`<]+))`")


def cells(notebook: dict, kind: str) -> list[str]:
    """The sources of a notebook's cells of one kind, "markdown" or "code", that its page shows."""
    shown = [cell for cell in notebook["cells"] if "remove-cell" not in cell["metadata"].get("tags", [])]
    return ["".join(cell["source"]) for cell in shown if cell["cell_type"] == kind]


def running(text: str) -> str:
    """The text with everything that is not running prose replaced by as many blanks; line ends stay."""
    for pattern in APART:
        text = pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    return text


def reading_minutes(notebook: dict) -> int:
    """Whole minutes, at least 1, that a chapter takes to read: its words at 200 a minute, formulas included, and its
    lines of code at 30 a minute. Solutions, which stay folded, do not count."""
    text = FENCE.sub("", SOLUTION.sub("", "\n\n".join(cells(notebook, "markdown"))))
    words = [piece for piece in text.split() if any(letter.isalpha() for letter in piece)]
    code = [line for source in cells(notebook, "code") for line in source.splitlines() if line.strip()]
    return max(1, round(len(words) / WORDS_PER_MINUTE + len(code) / LINES_PER_MINUTE))


def read(notebook: Path) -> dict:
    """The notebook's content."""
    return json.loads(notebook.read_text(encoding="utf-8"))


def linked_terms(text: str) -> list[tuple[str, str, int]]:
    """Every link to the glossary in a text, in order: the words shown, the entry, and where the link begins."""
    return [(m[1] or m[3], m[2] or m[3], m.start()) for m in TERM.finditer(text)]
