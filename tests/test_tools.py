"""The tools behind `make`: a change re-executes the chapters that depend on it and no others; a failure stays one."""

import base64
import copy
import io
import json
import re
from pathlib import Path

import accessible
import build_site
import chapters
import experiments
import keys
import make_pdf
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import prose
import pytest
from PIL import Image

FILES = {
    "tfrgan_lite/__init__.py": "",
    "tfrgan_lite/errors.py": "class UserError(ValueError): ...",
    "tfrgan_lite/audio.py": "from .errors import UserError",
    "tfrgan_lite/mel.py": "from . import audio",
    "tfrgan_lite/losses.py": "import math",
    "tfrgan_lite/generator.py": "def f():\n    from .losses import math",
    "tfrgan_lite/weights/generator.safetensors": "weights",
    "tfrgan_lite/studio/__init__.py": "from .song import song",
    "tfrgan_lite/studio/song.py": "from ..errors import UserError\nfrom . import bank\nsong = 1",
    "tfrgan_lite/studio/bank.py": "import json",
    "tfrgan_lite/studio/samples/piano.ogg": "notes",
    "tfrgan_lite/__main__.py": "from .generator import f",
    "requirements.txt": "torch\n",
    "_config.yml": "title: t\n",
    "book/index.md": "# Book\n",
    "book/timings.md": "# Timings\n\n<!-- timings -->\n",
    "book/claims.md": "# Claims\n\n<!-- claims -->\n",
}
PAGES = "- file: book/timings\n- file: book/claims\n"  # in the table of contents
CHAPTERS = {
    "01_mel": "import tfrgan_lite.mel",
    "02_studio": "from tfrgan_lite.studio import song",
    "03_generator": "x = 1\n%matplotlib inline\nfrom tfrgan_lite import generator",
    "04_none": "print(1 + 1)",
    "05_shell": "!python -m tfrgan_lite mix .",
}


@pytest.fixture
def project(tmp_path) -> Path:
    """A small project with five chapters, none executed."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    entries = "".join(f"- file: notebooks/{name}\n" for name in CHAPTERS)
    (tmp_path / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\nchapters:\n{entries}{PAGES}")
    (tmp_path / "notebooks").mkdir()
    for name, source in CHAPTERS.items():
        write_chapter(tmp_path, name, source)
    return tmp_path


def write_chapter(root: Path, name: str, source: str) -> None:
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [nbformat.v4.new_markdown_cell(f"# Chapter {name}"), nbformat.v4.new_code_cell(source)]
    nbformat.write(notebook, root / "notebooks" / f"{name}.ipynb")


def mark_executed(root: Path, preset: str) -> None:
    """Leave what a successful run of every chapter leaves."""
    chapters.folder(root, preset).mkdir(parents=True, exist_ok=True)
    for notebook in chapters.chapters(root):
        kept = chapters.folder(root, preset) / notebook.name
        kept.write_bytes(notebook.read_bytes())
        run = {"key": keys.chapter_key(root, notebook, preset), "seconds": 61.2, "device": "CPU", "cores": 2}
        kept.with_suffix(".json").write_text(json.dumps(run | {"jobs": 1, "torch": "2.0", "date": "2026-01-02"}))


def names(todo) -> set[str]:
    return {notebook.stem[:2] for notebook in todo}


@pytest.mark.parametrize(
    ("changed", "executed"),
    [
        ("tfrgan_lite/mel.py", {"01"}),
        ("tfrgan_lite/audio.py", {"01"}),
        ("tfrgan_lite/errors.py", {"01", "02"}),
        ("tfrgan_lite/studio/song.py", {"02"}),
        ("tfrgan_lite/studio/samples/piano.ogg", {"02"}),
        ("tfrgan_lite/losses.py", {"03", "05"}),
        ("tfrgan_lite/weights/generator.safetensors", {"03", "05"}),
        ("tfrgan_lite/__main__.py", {"05"}),
        ("tfrgan_lite/__init__.py", {"01", "02", "03", "05"}),
        ("notebooks/04_none.ipynb", {"04"}),
        ("requirements.txt", {"01", "02", "03", "04", "05"}),
        ("book/index.md", set()),
    ],
)
def test_a_change_re_executes_the_chapters_that_depend_on_it_and_no_others(project, changed, executed):
    assert names(chapters.stale(project, "ci")) == {"01", "02", "03", "04", "05"}
    mark_executed(project, "ci")
    assert chapters.stale(project, "ci") == {}
    with (project / changed).open("a") as file:
        file.write("\n")
    assert names(chapters.stale(project, "ci")) == executed


def test_a_chapter_with_a_desk_depends_on_its_script(root):
    needed = keys.dependencies(root, root / "notebooks" / "00_ten_minute_tour.ipynb")
    assert root / "tfrgan_lite" / "lesson" / "assets" / "desk.js" in needed


def test_each_preset_is_executed_by_itself(project):
    mark_executed(project, "ci")
    assert names(chapters.stale(project, "cpu")) == {"01", "02", "03", "04", "05"}


def test_a_lost_copy_is_made_again(project):
    mark_executed(project, "ci")
    (chapters.folder(project, "ci") / "04_none.ipynb").unlink()
    assert names(chapters.stale(project, "ci")) == {"04"}


def test_execution_keeps_successes_and_reports_the_failing_cell(project, capsys):
    (project / "_toc.yml").write_text(
        "root: book/index\nchapters:\n- file: notebooks/04_none\n- file: notebooks/06_bad\n"
    )
    write_chapter(project, "06_bad", "import os\nassert os.environ['TFRGAN_PRESET'] == 'ci'\n1 / 0")
    assert chapters.main(project, "ci") == 1
    said = capsys.readouterr().out
    assert "ZeroDivisionError" in said and "1 / 0" in said and "failed: 06_bad" in said
    assert names(chapters.stale(project, "ci")) == {"06"}
    kept = nbformat.read(chapters.folder(project, "ci") / "04_none.ipynb", 4)
    assert kept.cells[1].outputs[0].text == "2\n"

    write_chapter(project, "06_bad", "open('left.txt', 'w').close()")
    assert chapters.main(project, "ci") == 1
    assert "06_bad.ipynb: leaves left.txt beside itself" in capsys.readouterr().out

    write_chapter(project, "06_bad", "print('good')")
    assert chapters.main(project, "ci") == 0
    assert "1 of 2 to execute" in capsys.readouterr().out
    assert chapters.main(project, "ci") == 0
    assert "nothing to execute" in capsys.readouterr().out


def test_what_chapters_measure_is_stored_whole_or_not_at_all(project, monkeypatch, capsys):
    """Only the chapters that are asked for run, and run again; where one of them fails, nothing is stored."""
    where = {"preset": {"name": "ci"}, "device": "CPU", "threads": 1, "torch": "2", "commit": "a", "date": "b"}
    found = {"chapter": "04_none", "provenance": where, "tables": {}}
    store = "Path(os.environ['TFRGAN_RESULTS'], '04.json').write_text"
    source = f"# {experiments.MODULE}\nimport os\nfrom pathlib import Path\n{store}({json.dumps(found)!r})"
    write_chapter(project, "04_none", source)
    write_chapter(project, "05_shell", f"# {experiments.MODULE}")
    target = project / "book" / "results" / "chapters"
    assert experiments.main(project, "ci", ["04"]) == 0
    assert "1 of 1 to execute" in capsys.readouterr().out
    assert json.loads((target / "04.json").read_text()) == found and len(list(target.iterdir())) == 1
    assert experiments.main(project, "ci", ["01", "04"]) == 1
    assert "chapter 01: measures nothing; choose among 04, 05" in capsys.readouterr().out
    assert names(chapters.stale(project, "ci")) == {"01", "02", "03", "05"}, "04 need not run again, nor did it"

    def passes(root, preset, notebook, threads):
        (chapters.folder(root, preset) / notebook.name).write_bytes(notebook.read_bytes())
        return 1.0, "AssertionError" if notebook.stem in failing else ""

    monkeypatch.setattr(chapters, "execute", passes)
    (target / "04.json").unlink()
    failing = ["05_shell"]
    for said in ("failed: 05_shell", "chapter 05: has stored nothing"):
        assert experiments.main(project, "ci", []) == 1
        assert said in capsys.readouterr().out and not list(target.iterdir())
        failing.clear()


def test_the_site_is_not_built_from_chapters_that_are_out_of_date(project, capsys):
    assert build_site.main(project, "ci") == 1
    assert "01_mel" in capsys.readouterr().out


def test_staging_takes_executed_copies_and_fills_the_pages_of_timings_and_claims(project):
    mark_executed(project, "ci")
    claimed = nbformat.read(project / "notebooks" / "01_mel.ipynb", 4)
    claimed.cells[0].source += "\n\n$$\na\n$$ (eq-01-a)"
    nbformat.write(claimed, project / "notebooks" / "01_mel.ipynb")
    (project / "tests").mkdir()
    (project / "tests" / "test_claims_01.py").write_text("def test_eq_01_a():\n    assert True\n")
    target = project / "_build" / "source"
    build_site.stage(project, "ci", target)
    table = (target / "book" / "timings.md").read_text()
    assert "| [Chapter 01_mel](../notebooks/01_mel.ipynb) | 1 min | 61 s | ci | CPU | 2 | 2.0 | 2026-01-02 |" in table
    assert "| all chapters | 5 min | 5 min 6 s | ci |" in table and "<!--" not in table
    assert {file.stem for file in (target / "notebooks").iterdir()} == set(CHAPTERS)
    page = (target / "book" / "claims.md").read_text()
    assert "assert True" in page and "<!--" not in page


def test_a_chapter_gets_its_times_into_its_opening_box(notebooks):
    run = {"seconds": 61.2, "device": "CPU", "cores": 2, "jobs": 1}
    for name, notebook in notebooks.items():
        text = "\n".join(prose.cells(build_site.timed(copy.deepcopy(notebook), "cpu", run), "markdown"))
        box = re.search(r"^:::\{admonition\} In this chapter\n(.*?)^:::$", text, re.MULTILINE | re.DOTALL)[1]
        minutes = prose.reading_minutes(notebook)
        assert f"- **Reading time**: {minutes} min. **Running time**: 61 s with the preset `cpu` (CPU, cores: 2)" in box
        assert text.count("**Running time**") == 1, name


def test_a_plot_is_stored_in_half_the_bytes_and_looks_the_same():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
    left.plot(np.random.default_rng(0).normal(size=200).cumsum(), color="#D55E00")
    right.imshow(np.random.default_rng(1).random((60, 60)), cmap="cividis")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    data = {"image/png": base64.b64encode(buffer.getvalue()).decode() + "\n", "text/plain": "<Figure>"}
    cells = [{"cell_type": "markdown"}, {"cell_type": "code", "outputs": [{"data": data}, {"text": "1"}]}]
    [_, cell] = build_site.with_small_pictures({"cells": cells})["cells"]
    small = base64.b64decode(cell["outputs"][0]["data"]["image/png"])
    before, after = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int) for png in (buffer.getvalue(), small))
    assert len(small) < 0.5 * len(buffer.getvalue())
    assert before.shape == after.shape and abs(before - after).mean() < 1


def test_the_bibliography_is_a_list_for_a_screen_reader():
    body = '<div role="list"><div class="citation" role="doc-biblioentry">One.</div></div>'
    assert accessible.mended(body) == '<div role="list"><div class="citation" role="listitem">One.</div></div>'


def test_no_pdf_without_a_site(tmp_path, capsys):
    assert make_pdf.main(tmp_path, tmp_path / "book.pdf") == 1
    assert "run make book first" in capsys.readouterr().out


def test_a_page_gets_the_html_of_a_widget_and_not_its_state():
    view, state = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"

    def notebook(*data: dict) -> dict:
        outputs = [{"output_type": "display_data", "data": each} for each in data]
        cells = [{"cell_type": "markdown"}, {"cell_type": "code", "outputs": outputs}]
        return {"cells": cells, "metadata": {"widgets": {state: {"state": {"x": 1}}}}}

    page = {"text/plain": "a desk", "text/html": "<p>"}
    assert build_site.without_widgets(notebook(page | {view: {}})) == {**notebook(page), "metadata": {}}
    bare = notebook({"text/plain": "a bar", view: {}})
    assert build_site.without_widgets(json.loads(json.dumps(bare))) == bare, "what has no HTML is left as it is"


def test_a_warning_fails_the_build_each_time_and_a_mended_page_passes(project, capsys, root):
    (project / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n- file: book/timings\n- file: book/claims\n"
    )
    (project / "book" / "index.md").write_text("# Book\n\n{ref}`nowhere`\n")
    for _ in range(2):
        assert build_site.main(project, "ci") != 0
        assert "nowhere" in capsys.readouterr().out
    (project / "book" / "index.md").write_text("# Book\n")
    assert build_site.main(project, "ci") == 0
    assert "building" in capsys.readouterr().out
    assert build_site.main(project, "ci") == 0
    assert "nothing to build" in capsys.readouterr().out
    assert (project / "_build" / "html" / "book" / "index.html").is_file()


def test_names_are_resolved_as_python_does(root):
    source = "from ..audio import x\nfrom . import song\nfrom .score import y\nimport tfrgan_lite.mel as m, torch"
    found = keys.imports(source, "tfrgan_lite.studio")
    modules = {name for name in found if keys.module_file(root, name)}
    assert modules >= {f"tfrgan_lite.{name}" for name in ("audio", "studio", "studio.song", "studio.score", "mel")}
    assert not modules & {"torch", "tfrgan_lite.song", "tfrgan_lite.score"}
    process = "import subprocess\nsubprocess.run(['python', '-m', 'tfrgan_lite'])"
    assert "tfrgan_lite.__main__" in keys.imports(process, "")
