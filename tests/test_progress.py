"""tfrgan_lite.lesson.progress: right answers outlive a kernel, damage is set aside, and tests do nobody's exercises."""

import json
import re
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from tfrgan_lite.errors import UserError
from tfrgan_lite.lesson import progress
from tfrgan_lite.lesson.checks_00 import check_00_width, check_00_wire
from tfrgan_lite.lesson.progress import LONGEST, folder
from tfrgan_lite.lesson.verdict import check, right


@pytest.fixture
def kept(tmp_path, monkeypatch) -> Path:
    """A reader's folder that is not there yet."""
    monkeypatch.setenv("TFRGAN_PROGRESS", str(tmp_path / "mine"))
    return tmp_path / "mine"


def of(check: str):
    return {exercise.check: exercise for exercise in progress()}[check]


def width_of(mix):
    m, s = (mix[0] + mix[1]) / 2, (mix[0] - mix[1]) / 2
    energy = m.square().sum() + s.square().sum()
    return float(s.square().sum() / energy) if energy > 0 else 0.0


def test_a_right_answer_is_kept_and_a_wrong_one_is_not(kept):
    assert not check_00_wire(0.8, 0.4, 0.4)
    assert not kept.exists() and of("check_00_wire").done is None
    assert check_00_wire(0.4, 0.2, swapped=0.2)
    assert not check_00_wire(0.8, 0.4, 0.4), "a later slip does not undo it"
    wire = of("check_00_wire")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", wire.done) and wire.answer == "0.4\n0.2\nswapped=0.2"
    assert (wire.chapter, wire.asks[:10]) == ("00", "Exercise 1")


def test_of_a_function_the_source_is_kept(kept):
    assert check_00_width(width_of)
    assert of("check_00_width").answer.startswith("def width_of(mix):\n    m, s = ")
    assert of("check_00_width").answer.endswith("else 0.0")


CELL = "def twice(x):\n    # by hand\n    return 2 * x\n\n\ncheck_00_any(twice)"
FIRST = f"""
from IPython.core.interactiveshell import InteractiveShell
from tfrgan_lite.lesson.verdict import check, right

def check_00_any(answer):
    return right("Yes.")

notebook = InteractiveShell()
notebook.push({{"check_00_any": check(check_00_any)}})
notebook.run_cell({CELL!r})
notebook.run_cell("from tfrgan_lite.lesson.checks_00 import check_00_wire")
notebook.run_cell("check_00_wire(0.4, 0.2, 0.2)")
"""
SECOND = "from tfrgan_lite.lesson import progress; print(progress(0))"


def test_another_kernel_finds_what_was_done_in_a_notebooks_cells(kept, tmp_path, monkeypatch):
    """Two processes, one after the other: what a restart of the kernel is."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    for code in (FIRST, SECOND):
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("1 of ") and re.search(r"^\d{4}-\d\d-\d\d  check_00_wire ", said, re.MULTILINE)
    answer = json.loads((kept / "check_00_any.json").read_text())["answer"]
    assert answer == CELL.split("\n\n\n")[0], "the function as it stands in its cell"


def test_the_table_has_heads_and_a_caption_and_shows_answers_as_text(kept):
    @check
    def check_00_wire(answer):
        return right("Yes.")

    assert check_00_wire("<script>alert(1)</script>")
    found = progress("00")
    page = found._repr_html_()
    assert page.count("<tr>") == 1 + len(found) and page.count('scope="col"') == 4
    assert page.count('<th scope="row">00</th>') == len(found)
    assert f"<caption>1 of {len(found)} exercises are done. Kept in {kept}.</caption>" in page
    assert "<script" not in page and "&lt;script&gt;" in page and page.count("<details>") == 1
    assert repr(found).count("\n") == len(found) and "not yet" in repr(found)


def test_every_chapter_has_three_and_they_are_in_order():
    """The three of each chapter are exercises of the notebooks: tests/test_exercises.py."""
    chapters = [exercise.chapter for exercise in progress()]
    assert chapters == sorted(chapters) and all(chapters.count(chapter) >= 3 for chapter in chapters)
    assert {exercise.chapter for exercise in progress(3)} == {"03"}
    with pytest.raises(UserError, match="chapter: 99 has no exercises; give one of 00, 01"):
        progress(99)


@pytest.mark.parametrize("content", ["{", "[1]", '{"done": 1, "answer": "x"}', "\0", ""])
def test_a_damaged_file_is_set_aside_and_told(kept, content):
    kept.mkdir()
    (kept / "check_00_wire.json").write_text(content)
    with pytest.warns(UserWarning, match="check_00_wire.json: is damaged, and set aside as check_00_wire.damaged-1"):
        assert of("check_00_wire").done is None
    assert (kept / "check_00_wire.damaged-1").read_text() == content, "nothing is lost"
    (kept / "check_00_wire.json").write_text(content)
    with pytest.warns(UserWarning, match="damaged-2"):
        assert check_00_wire(0.4, 0.2, 0.2)
    assert of("check_00_wire").done and (kept / "check_00_wire.damaged-2").is_file()
    assert json.loads((kept / "check_00_wire.json").read_text())["answer"] == "0.4\n0.2\n0.2"


def test_a_folder_that_cannot_be_made_leaves_the_verdict_right(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TFRGAN_PROGRESS", str(tmp_path / "file" / "mine"))
    with pytest.warns(UserWarning, match="cannot be made.*the answer is right, and is not kept"):
        assert check_00_wire(0.4, 0.2, 0.2)


def test_off_keeps_nothing_and_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("TFRGAN_PROGRESS", "off")
    monkeypatch.chdir(tmp_path)
    assert check_00_wire(0.4, 0.2, 0.2) and folder() is None
    assert list(tmp_path.iterdir()) == [] and "Nothing is kept" in repr(progress(0))


def test_without_a_setting_it_is_the_users_data_folder(monkeypatch):
    monkeypatch.delenv("TFRGAN_PROGRESS")
    assert folder() == platformdirs.user_data_path("tfrgan-lite", appauthor=False) / "progress"


def test_a_long_answer_is_cut(kept):
    @check
    def check_00_wire(answer):
        return right("Yes.")

    assert check_00_wire("x" * 10 * LONGEST)
    assert len(of("check_00_wire").answer) == LONGEST


def test_tests_and_the_book_do_no_exercise_of_the_readers(progress_folder, root):
    assert folder() == progress_folder
    assert '"TFRGAN_PROGRESS": "off"' in (root / "tools" / "chapters.py").read_text(encoding="utf-8")
