"""What is shown of the results is what the JSON files say: the page, the README's table, the table of contents."""

import json

import pytest
import results

from tfrgan_lite.errors import UserError
from tfrgan_lite.lesson.chapters import chapters_page, claims_of_the_chapters
from tfrgan_lite.page import claims_of_the_mixer, figures, results_page
from tfrgan_lite.report import FLOOR
from tfrgan_lite.variants import SUBJECT

TOC = """format: jb-book
root: book/index
parts:
  - caption: Build the mixer
    chapters:
      - file: notebooks/12_train_end_to_end
  - caption: Back matter
    chapters:
      - file: book/notation
"""


def test_the_project_shows_its_results(root):
    """Without any, there is no page, and the README says so; with some, each file holds what they give."""
    readme, toc = ((root / name).read_text(encoding="utf-8") for name in ("README.md", "_toc.yml"))
    if any((root / "book" / "results").glob("*.json")):
        shown = {path: path.read_text(encoding="utf-8") for path in results.written(root) if path.exists()}
        assert shown == results.written(root), "run python tools/results.py"
    else:
        assert results.with_results(root / "README.md", results.NOTHING) == readme
        assert not (root / "book" / "results.md").exists() and "book/results" not in toc
    assert (root / "book" / "experiments.md").read_text(encoding="utf-8") == chapters_page(
        root / "book" / "results" / "chapters"
    ), "run python tools/results.py"


def measured(**systems):
    """Results of evaluate with one number a system."""
    row = {
        name.replace("_", " "): {"matched_db": [x, x - 0.1, x + 0.1], "diversity": [1, 1, 1]}
        for name, x in systems.items()
    }
    return {
        "systems": row,
        "songs": 48,
        "provenance": {
            "preset": {"judges": 8, "name": "cpu"},
            "seed": 0,
            "device": "x86_64 CPU",
            "torch": "2",
            "commit": "abc1234",
            "date": "2026-01-31",
        },
        "validity": {},
        "seeds": dict.fromkeys(row, 1),
        "bars": [],
    }


@pytest.fixture
def project(tmp_path):
    """A project with two files of results; the second has more of the systems that the README shows."""
    (tmp_path / "book" / "results").mkdir(parents=True)
    for name in ("README.md", "book/paper.md"):
        (tmp_path / name).write_text(f"# Title\n\n{results.BEGIN}\nold\n{results.END}\n\nThe rest.\n")
    (tmp_path / "_toc.yml").write_text(TOC)
    wide = {SUBJECT: 1.25, "equal loudness": 3.5, "an ablation": 2, FLOOR: 1.5}
    for name, systems in {"ablations": {SUBJECT: 1.3, "an ablation": 2, FLOOR: 1.5}, "mixers": wide}.items():
        (tmp_path / "book" / "results" / f"{name}.json").write_text(json.dumps(measured(**systems)))
    return tmp_path


def test_page_readme_and_contents_are_written(project):
    found = {path.name: text for path, text in results.written(project).items()}
    assert found["results.md"] == results_page(project / "book" / "results")
    readme = found["README.md"]
    assert readme.startswith("# Title\n") and readme.endswith("\n\nThe rest.\n") and "old" not in readme
    assert "48 songs" in readme and "8 engineers" in readme and "`abc1234`" in readme and "2026-01-31" in readme
    rows = [line.split(" |")[0] for line in readme.splitlines() if line.startswith("| ")]
    assert rows == ["| system", "| equal loudness", f"| {SUBJECT}", f"| {FLOOR}"]  # in the README's own order
    assert "1.25 (1.15 to 1.35)" in readme and "1.30" not in readme
    assert found["_toc.yml"] == TOC.replace(
        "      - file: book/notation",
        "".join(f"      - file: book/{name}\n" for name in ("paper", "results", "experiments", "notation")).rstrip(),
    )
    assert found["experiments.md"] == chapters_page(project / "book" / "results" / "chapters")


def test_the_page_on_the_paper_holds_both_tables_of_claims(root, project):
    """Each on the page if there is anything to say, and else that nothing is measured yet."""
    found = results.written(project)[project / "book" / "paper.md"]
    assert found.count(results.NOTHING) == 2 and "old" not in found and found.endswith("\n\nThe rest.\n")
    folder = root / "book" / "results"
    page = results.written(root)[root / "book" / "paper.md"]
    for table in (claims_of_the_mixer(folder), claims_of_the_chapters(folder / "chapters")):
        assert not table or table in page


def test_a_curve_is_drawn_beside_its_numbers(project):
    """Its figure is a file of the project as the page is, and the page shows it."""
    folder = project / "book" / "results"
    points = measured(**{SUBJECT: 1.25, "spread × 0.5": 1.3, FLOOR: 1.5})
    for row in points["systems"].values():
        row["energy"] = row["matched_db"]
    (folder / "curve.json").write_text(json.dumps({**points, "kind": "curve", "training": {}}))
    found = results.written(project)
    assert found[folder / "curve.svg"] == figures(folder)[folder / "curve.svg"]
    assert "<svg" in found[folder / "curve.svg"]
    assert ":::{figure} results/curve.svg" in found[project / "book" / "results.md"]
    assert found == results.written(project)  # the same numbers, the same bytes


def test_writing_again_changes_nothing(project):
    for path, text in results.written(project).items():
        path.write_text(text)
    assert results.written(project) == {path: path.read_text() for path in results.written(project)}


def test_results_without_the_generator_leave_the_readme_open(project):
    (project / "book" / "results" / "mixers.json").write_text(json.dumps(measured(equal_loudness=3)))
    (project / "book" / "results" / "ablations.json").unlink()
    readme = results.written(project)[project / "README.md"]
    assert results.NOTHING in readme and "| " not in readme


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("README.md", f"# Title\n{results.END}\n{results.BEGIN}\n", "README.md: has no place"),
        ("book/paper.md", "# Title\n", "paper.md: has no place"),
        ("_toc.yml", TOC.replace("Back matter", "Rest"), "_toc.yml: has no part"),
        ("book/results/ablations.json", "[]", "ablations.json: holds no results"),
    ],
)
def test_what_cannot_be_written_is_said(project, file, text, said):
    (project / file).write_text(text)
    with pytest.raises(UserError, match=said):
        results.written(project)


def test_without_results_there_is_no_page(project):
    for file in (project / "book" / "results").glob("*.json"):
        file.unlink()
    with pytest.raises(UserError, match="holds no results"):
        results.written(project)
