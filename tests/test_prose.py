"""What the tools read in a notebook: its prose, how long it takes to read, and what its checks said."""

import re

import grade
import nbformat
import prose
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tfrgan_lite.lesson.verdict import right, wrong


def test_running_prose_is_what_is_left_without_code_formulas_and_links():
    text = '# A fader\n\nOne $x$ two `y` {eq}`z` [l](m) "q"\n\n$$\na\n$$ (eq-03-a)\n\n```python\nb\n```\n> c\n| d |\n'
    text += ":::{note}\ne"
    assert prose.running(text).split() == ["One", "two", "e"]
    assert len(prose.running(text)) == len(text)


def test_the_opening_box_is_a_table_of_contents_and_no_prose():
    assert prose.running(":::{admonition} In this chapter\n- faders\n:::\n\nA fader.").split() == ["A", "fader."]
    assert "faders" in prose.running(":::{admonition} Predict, then run\nfaders\n:::")


def test_reading_time_counts_words_and_lines_of_code_and_leaves_solutions_folded():
    solution = ":::{solution} ex-1\n:class: dropdown\n\n" + "word " * 900 + "\n:::"
    cells = [new_markdown_cell("word " * 380 + "= 3 +\n\n" + solution + "\n\n" + "word " * 20)]
    assert prose.reading_minutes(new_notebook(cells=cells)) == 2
    cells.append(new_code_cell("x = 1\n\n" * 90))
    assert prose.reading_minutes(new_notebook(cells=cells)) == 5
    assert prose.reading_minutes(new_notebook()) == 1


def test_a_chapter_takes_at_most_45_minutes_to_read(notebooks):
    minutes = {name: prose.reading_minutes(notebook) for name, notebook in notebooks.items()}
    assert {name: taken for name, taken in minutes.items() if taken > 45} == {}
    assert min(minutes.values()) >= 5


def called(source: str, *outputs) -> dict:
    return new_code_cell(source, outputs=list(outputs), execution_count=1)


def result(said: str) -> dict:
    return new_output("execute_result", {"text/plain": said}, execution_count=1)


@pytest.fixture
def hand_ins(tmp_path):
    """Two hand-ins: one with a right, a wrong and an unanswered check, one without checks."""
    cells = [
        called("from x import check_00_a\ncheck_00_a(1)", result(repr(right("Yes.")))),
        called("check_00_b(None)", result(repr(wrong("Halve it, then add.")))),
        called("check_00_c(1)", new_output("stream", name="stdout", text="Right. So I say.")),
    ]
    (tmp_path / "group").mkdir()
    nbformat.write(new_notebook(cells=cells), tmp_path / "group" / "ann.ipynb")
    nbformat.write(new_notebook(cells=[called("1 + 1", result("2"))]), tmp_path / "bob.ipynb")
    return tmp_path


def test_grades_are_read_from_results_and_not_from_what_is_printed(hand_ins):
    rows = grade.rows(hand_ins)
    assert [row[:3] for row in rows] == [
        ("group/ann.ipynb", "check_00_a", "right"),
        ("group/ann.ipynb", "check_00_b", "not yet"),
        ("group/ann.ipynb", "check_00_c", "no answer"),
    ]
    assert rows[1][3] == "Not yet. Halve it, then add."


def test_the_last_call_of_a_check_counts():
    tries = [called("check_00_a(1)", result(repr(wrong("No.")))), called("check_00_a(2)", result(repr(right("Yes."))))]
    assert grade.verdicts(new_notebook(cells=tries)) == {"check_00_a": ("right", "Right. Yes.")}


def test_grades_come_as_csv_and_an_empty_folder_is_told(hand_ins, capsys):
    assert grade.main(hand_ins) == 0
    assert 'group/ann.ipynb,check_00_b,not yet,"Not yet. Halve it, then add."' in capsys.readouterr().out
    (hand_ins / "group" / "ann.ipynb").unlink()
    assert grade.main(hand_ins) == 1
    assert "no notebook" in capsys.readouterr().err


def test_every_check_in_the_chapters_would_be_graded(notebooks):
    for name, notebook in notebooks.items():
        named = {check for source in prose.cells(notebook, "code") for check in re.findall(r"\bcheck_\d\d_\w+", source)}
        assert named and named == set(grade.verdicts(notebook)), name
