"""The chapters of the parts store what they measure, and say of it what was measured."""

import ast
import re

import prose
import pytest

from tfrgan_lite.claims import QUESTIONS, difference, over_seeds
from tfrgan_lite.lesson.chapters import stored
from tfrgan_lite.metrics.bootstrap import mean_and_interval


def experiments(notebooks: dict[str, dict]) -> dict[str, str]:
    """The code of each chapter that stores what it measures."""
    code = {name: "\n\n".join(prose.cells(notebook, "code")) for name, notebook in notebooks.items()}
    return {name: text for name, text in code.items() if "Experiment(" in text}


def test_the_chapters_of_the_parts_store_what_they_measure_under_their_own_names(notebooks):
    found = experiments(notebooks)
    assert {"03", "04", "05", "06", "07"} <= {name[:2] for name in found}
    for name, text in found.items():
        assert re.findall(r'\bExperiment\("(\w+)", config\)', text) == [name]
        assert text.count("experiment.table(") >= 1


def test_every_question_asks_for_a_table_and_rows_that_its_chapter_has(notebooks):
    code = {name[:2]: text for name, text in experiments(notebooks).items()}
    for question in QUESTIONS:
        words = [node.value for node in ast.walk(ast.parse(code[question.chapter])) if isinstance(node, ast.Constant)]
        words = [word.strip() for word in words if isinstance(word, str)]
        assert question.tables in words, question.tables
        for row in (*question.ours, *question.others):
            assert any(word.partition(" (")[0] == row for word in words), row


@pytest.fixture(scope="module")
def measured(root) -> dict[str, dict]:
    """What the chapters stored in this project."""
    return stored(root / "book" / "results" / "chapters")


def test_what_is_stored_is_of_the_preset_that_the_book_shows_and_its_intervals_are_those_of_its_values(
    measured, notebooks
):
    for content in measured.values():
        assert content["chapter"] in experiments(notebooks) and content["provenance"]["preset"]["name"] == "cpu"
        for table in content["tables"].values():
            for entry in (entry for row in table["rows"].values() for entry in row.values()):
                if len(entry.get("values", ())) > 1:
                    again = mean_and_interval if table["over"] == "songs" else over_seeds
                    ends = [entry[end] for end in ("mean", "low", "high")]
                    assert ends == pytest.approx(again(entry["values"]), rel=1e-6, abs=1e-9)


def table_of(measured: dict[str, dict], number: str, title: str) -> dict:
    """A stored table; where the chapter has stored nothing yet, there is nothing to compare the prose with."""
    if number not in measured:
        pytest.skip(f"chapter {number} has stored nothing: python tools/experiments.py {number}")
    return measured[number]["tables"][title]


def means(table: dict, measure: str) -> dict[str, float]:
    return {row: found[measure]["mean"] for row, found in table["rows"].items() if measure in found}


def test_what_chapter_03_says_of_patches_and_of_the_vocoders_work_was_measured(measured):
    """A cut in frequency can part tracks that a cut in time cannot; the network does its work in one pass."""
    tokens = table_of(measured, "03", "What a token holds")
    assert all(difference(tokens, "purity", "patch 16x16", other)[1] > 0 for other in ("frame", "stride 16"))
    work = means(table_of(measured, "03", "Vocoders on tracks of held-out songs"), "work")
    assert max(work["X alone"], work["X and critics"]) < work["Griffin-Lim"]


def test_what_chapter_04_says_of_lengths_beyond_training_was_measured(measured):
    """To work at any length is a property of the formula, not of the network; a bag has nothing to lose."""
    table = table_of(measured, "04", "What sounds at the next step")
    within, beyond = (means(table, measure) for measure in ("17 to 48 steps", "65 to 128 steps"))
    assert all(beyond[kind] < within[kind] for kind in ("sinusoidal", "learned"))
    assert abs(beyond["none"] - within["none"]) < 5


def test_what_chapter_05_says_of_distance_was_measured(measured):
    """Distance costs attention little and the LSTM much."""
    rows = table_of(measured, "05", "A bar repeated")["rows"]
    lost = {row: found["4 steps ago"]["mean"] - found["32 steps ago"]["mean"] for row, found in rows.items()}
    assert lost["attention"] < 10 and lost["LSTM"] > 30


def test_what_chapter_06_says_of_units_and_shapes_was_measured(measured):
    """Units leave as β grows; orthogonal shapes are the easier case."""
    best = {}
    for name in ("engineers", "design", "shapes"):
        table = table_of(measured, "06", f"β-VAE on {name}")
        active = list(means(table, "active").values())
        assert active[-1] < active[0]
        best[name] = max(means(table, "MIG").values())
    assert max(best, key=best.get) == "shapes"


def test_what_chapter_07_says_of_the_mean_was_measured(measured):
    """A regression averages the engineers, and the average of left and right is the centre; the three draw."""
    table = table_of(measured, "07", "The coin")
    near, off = (means(table, measure) for measure in ("W1", "where the engineer never is"))
    assert off["regression"] > 95 and off["engineer again"] < 1
    assert all(near["engineer again"] < near[kind] < near["regression"] for kind in ("GAN", "CVAE", "BicycleGAN, KL 1"))
    shuffled = table_of(measured, "07", "What a discriminator tells apart")
    assert means(shuffled, "shuffled")["mlp"] == 0.5  # means of 16 frames do not know their order
