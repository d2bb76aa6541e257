"""The back matter keeps its word: glossary, references, API reference, the pages for teachers and of changes, links."""

import importlib
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import docstrings
import prose
import pytest
from pybtex.database import Entry, parse_file
from test_package_layout import ORDER

import tfrgan_lite

GENERAL = "## General terms"
ENTRY = re.compile(r"^(?![:#])(\S.*)\n  (\S.*)$", re.MULTILINE)
CITED = re.compile(r"\{cite:\w+\}`([^`]+)`")


def page(root: Path, name: str) -> str:
    return (root / "book" / f"{name}.md").read_text(encoding="utf-8")


def texts(root: Path, notebooks: dict[str, dict]) -> Iterator[tuple[Path, str]]:
    """Every page of the book and every chapter: its file and its Markdown."""
    for file in sorted((root / "book").glob("*.md")):
        yield file, file.read_text(encoding="utf-8")
    for name, notebook in notebooks.items():
        yield root / "notebooks" / f"{name}.ipynb", "\n\n".join(prose.cells(notebook, "markdown"))


# The glossary


def entries(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Term -> definition: of the terms that chapters link, and of the general ones."""
    chapters, general = page(root, "glossary").split(GENERAL)
    return dict(ENTRY.findall(chapters)), dict(ENTRY.findall(general))


def misplaced(text: str) -> list[str]:
    """Links to the glossary that do not stand where a chapter first uses the words, and those given twice."""
    links, found = prose.linked_terms(text), []
    running = prose.running(text)
    for shown, term, start in links:
        if re.search(rf"(?<![\w-]){re.escape(shown)}(?![\w-])", running[:start], re.IGNORECASE):
            found.append(f"{term}: {shown!r} is used before it is linked")
    linked = [term.lower() for _, term, _ in links]
    return found + [f"{term}: linked twice" for term in sorted(set(linked)) if linked.count(term) > 1]


def test_the_glossary_has_its_terms_in_order_and_each_names_the_chapter_that_teaches_it(root):
    chapters, general = entries(root)
    assert 50 <= len(chapters) + len(general) <= 80 and not set(chapters) & set(general)
    for terms in (chapters, general):
        names = [term.lower().replace("β", "beta") for term in terms]
        assert names == sorted(names)
    for term, definition in (chapters | general).items():
        said, number, file = re.fullmatch(r"(.*) \(\[chapter (\d\d)\]\(\.\./(notebooks/.*)\)\)", definition).groups()
        assert (root / file).is_file() and file.startswith(f"notebooks/{number}_"), term
        assert 1 <= len(re.findall(r"[.](?: [A-Z]|$)", said)) <= 2, f"{term}: one or two sentences"


def test_links_to_the_glossary_lead_there_and_stand_at_first_use(root, notebooks):
    chapters, general = entries(root)
    known = {term.lower() for term in chapters | general}
    linked, wrong = set(), {}
    for file, text in texts(root, notebooks):
        terms = {term.lower() for _, term, _ in prose.linked_terms(text)}
        assert terms <= known, f"{file.name}: {terms - known}"
        if file.suffix == ".ipynb":
            linked |= terms
            wrong[file.name] = misplaced(text)
    assert {name: found for name, found in wrong.items() if found} == {}
    assert {term for term in chapters if term.lower() not in linked} == set(), (
        f"no chapter links them: link them, or move them below {GENERAL!r}"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A fader. The {term}`fader`.", "before it is linked"),
        ("Two Faders, {term}`faders <fader>`.", "before it is linked"),
        ("The {term}`Fader` and the {term}`faders <fader>`.", "linked twice"),
        ("# The fader\n\n$fader$ `fader` [fader](x.md)\n\nThe {term}`fader`, a fader.", None),
        ("A fader-like thing and crossfader; the {term}`fader`.", None),
    ],
)
def test_a_misplaced_link_is_found(text, said):
    found = misplaced(text)
    assert (found == []) if said is None else (len(found) == 1 and said in found[0])


# The references


def unsourced(entry: Entry) -> bool:
    """Whether an entry has neither an address or number nor a word on why."""
    return not {"doi", "url", "isbn"} & set(entry.fields) and "No DOI" not in entry.fields.get("note", "")


def test_every_reference_can_be_found_and_is_cited(root, notebooks):
    found = parse_file(str(root / "book" / "references.bib")).entries
    assert [key for key, entry in found.items() if unsourced(entry)] == []
    for key, entry in found.items():
        assert re.fullmatch(r"10\.\d{4,5}/\S+", entry.fields.get("doi", "10.1234/x")), key
        assert re.fullmatch(r"https://[^\s{}]+", entry.fields.get("url", "https://x")), key
        digits = [int(digit) for digit in entry.fields.get("isbn", "").replace("-", "")]
        assert sum(digits[0::2]) % 10 == -3 * sum(digits[1::2]) % 10 and len(digits) in (0, 13), f"{key}: ISBN"
    cited = {
        key.strip() for _, text in texts(root, notebooks) for keys in CITED.findall(text) for key in keys.split(",")
    }
    assert cited == set(found)


def test_an_unsourced_reference_is_found():
    assert unsourced(Entry("book", fields={"title": "t", "note": "2nd printing"}))
    assert not unsourced(Entry("book", fields={"note": "No DOI known"}))


# The API reference


def modules(root: Path) -> list[str]:
    """Every module of the package but its command line, in the order in which data flows."""
    found = []
    for part in ORDER:
        folder = root / "tfrgan_lite" / part
        inner = sorted(file.stem for file in folder.glob("*.py") if file.stem != "__init__")
        found += [part, *(f"{part}.{name}" for name in inner)]
    return [f"tfrgan_lite.{name}" for name in found if name != "__main__"]


def test_the_api_reference_has_every_module_in_the_order_of_the_data(root):
    listed = re.findall(r"^\.\. automodule:: (\S+)$", page(root, "api"), re.MULTILINE)
    assert listed == modules(root), "book/api.md: give each module its heading and its automodule, in this order"


def test_the_names_to_begin_with_exist(root):
    names = re.findall(r"\{py:\w+\}`(?:[^`<]*<)?~?([\w.]+)>?`", page(root, "api"))
    assert len(names) > 15
    for name in names:
        parts = name.split(".")
        depth = next(n for n in range(len(parts), 0, -1) if (root.joinpath(*parts[:n]).with_suffix(".py")).is_file())
        found = importlib.import_module(".".join(parts[:depth]))
        for attribute in parts[depth:]:
            found = getattr(found, attribute)


def test_a_bar_in_a_docstring_is_a_bar():
    assert docstrings.escaped("mean of |x|, ``a | b``") == r"mean of \|x\|, ``a | b``"


# Links and commands


def test_links_between_pages_lead_somewhere(root, notebooks):
    for file, text in texts(root, notebooks):
        shown = prose.FENCE.sub("", text)
        for target in re.findall(r"\]\(([^)\s]+)\)", shown) + re.findall(r"^:::\{figure\} (\S+)", shown, re.MULTILINE):
            if not re.match(r"(https?:|mailto:|#)", target):
                assert (file.parent / target.split("#")[0]).is_file(), f"{file.name}: {target}"
        for target in re.findall(r"\{doc\}`(?:[^`<]*<)?([^`>]+)>?`", shown):
            found = [file.parent / f"{target}{suffix}" for suffix in (".md", ".ipynb")]
            assert any(path.is_file() for path in found), f"{file.name}: {target}"


def test_pages_name_commands_and_files_that_exist(root):
    targets = set(re.findall(r"^(\w[\w-]*):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for file in (root / "book").glob("*.md"):
        text = file.read_text(encoding="utf-8")
        assert set(re.findall(r"(?:^|`)make ([\w-]+)", text, re.MULTILINE)) <= targets, file.name
        for name in re.findall(r"\b((?:tools|tests|benchmarks|tfrgan_lite)/[\w/.]*\w)", text):
            assert (root / name).exists() or list(root.glob(name.replace("NN", "[0-9][0-9]"))), f"{file.name}: {name}"


def test_the_page_for_teachers_names_every_chapter_and_a_check_that_works(root, notebooks):
    text = page(root, "teachers")
    weeks = text.split("## One day")[0]
    assert {name for name in notebooks if f"](../notebooks/{name}.ipynb)" not in weeks} == set()
    call = re.search(r"import (check_00_wire); print\(check_00_wire\(([^)]*)\)\)", text)
    check = getattr(importlib.import_module("tfrgan_lite.lesson.checks_00"), call[1])
    assert check(*map(float, call[2].split(",")))


def test_changes_stand_newest_first_and_ask_for_what_the_package_can_tell(root):
    for table in page(root, "changes").split("\n## ")[2:]:
        days = [datetime.strptime(day, "%d %B %Y") for day in re.findall(r"^\* - (\d.*)$", table, re.MULTILINE)]
        assert days and days == sorted(days, reverse=True)
    assert "tfrgan_lite.__version__" in page(root, "changes") and re.fullmatch(r"[\d.]+", tfrgan_lite.__version__)
