"""What chapters measure: shown and stored, whole or not at all, put on a page, and set beside what the paper claims."""

import json
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch

from tfrgan_lite.claims import AGAINST, FOR, NEITHER, difference, over_seeds, questions_table
from tfrgan_lite.config import preset
from tfrgan_lite.errors import UserError
from tfrgan_lite.lesson.chapters import NOTHING, chapters_page, claims_of_the_chapters, stored
from tfrgan_lite.lesson.experiment import FOLDER, Experiment, Interval, Measure
from tfrgan_lite.metrics.bootstrap import mean_and_interval
from tfrgan_lite.seeds import mean_over_seeds

CI = preset("ci")
RIGHT, ERROR = Measure("%", "higher", 1), Measure("dB", "lower")


def student(values: list[float], factor: float) -> float:
    """Half of a 95 % interval by hand: the factor from a table of t, times the standard error."""
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return factor * math.sqrt(variance / len(values))


def test_an_interval_over_seeds_is_students_for_each_column():
    values = [[1.0, 10.0], [2.0, 10.0], [4.5, 10.0]]
    for given in (values, np.array(values), torch.tensor(values)):
        mean, half = mean_over_seeds(given)
        assert mean == pytest.approx([2.5, 10]) and half == pytest.approx([student([1, 2, 4.5], 4.3027), 0], abs=1e-3)
    mean, half = mean_over_seeds([1.0, 2.0, 3.0, 4.0])
    assert isinstance(mean, float) and half == pytest.approx(student([1, 2, 3, 4], 3.1824), abs=1e-3)
    assert mean_over_seeds([[3.0, 4.0]])[1].tolist() == [math.inf] * 2 and over_seeds([3]) == (3, -math.inf, math.inf)
    for useless in ([], 3.0):
        with pytest.raises(UserError, match="^values: has no seeds"):
            mean_over_seeds(useless)


def test_a_table_is_shown_and_nothing_is_written_unless_that_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.chdir(tmp_path)
    rows = {"none": {"right": torch.tensor([50.0, 60, 55])}, "learned & <b>": {"right": [90, 91, 95], "error": [1.5]}}
    table = Experiment("04_x", CI).table("What comes next", rows, {"right": RIGHT, "error": ERROR}, range(3))
    assert list(tmp_path.iterdir()) == []
    half = student([50, 60, 55], 4.3027)
    assert table.content["rows"]["none"]["right"] == {
        "mean": pytest.approx(55),
        "low": pytest.approx(55 - half, abs=1e-3),
        "high": pytest.approx(55 + half, abs=1e-3),
        "values": [50, 60, 55],
    }
    caption, heads, none, learned = repr(table).splitlines()
    assert caption == "What comes next. Mean and 95 % interval over 3 seeds (Student's t)."
    assert heads.split("  ")[-1] == "error, dB (lower is better)" and "right, % (higher is better)" in heads
    assert none.split() == ["none", "55.0", f"({55 - half:.1f}", "to", f"{55 + half:.1f})", "–"]
    assert learned.endswith("1.50")  # one value has no interval


def test_a_table_can_be_read_by_ear():
    """A caption, a scope for every head, a region that the keyboard reaches; and what is text stays text."""
    rows = {"a < b": {"x & y": [1, 2]}, "c": {"x & y": [3, 5]}}
    table = Experiment("04_x", CI).table("Two <rows>", rows, {"x & y": Measure(better="lower")}, (1, 2))
    region = ElementTree.fromstring(table._repr_html_())
    assert region.get("tabindex") == "0" and region.get("role") == "region"
    assert region.get("aria-label") == region.find("table/caption").text == table.caption
    assert table.caption.startswith("Two <rows>. ") and table.caption.endswith("Lower is better.")
    assert [(head.get("scope"), head.text) for head in region.iter("th")] == [
        ("col", "x & y"),
        ("row", "a < b"),
        ("row", "c"),
    ]
    assert [cell.text for cell in region.iter("td")][1:] == ["1.50 (-4.85 to 7.85)", "4.00 (-8.71 to 16.71)"]


def test_what_is_measured_is_stored_with_where_it_comes_from(monkeypatch, tmp_path):
    folder = tmp_path / "deep" / "results"
    monkeypatch.setenv(FOLDER, str(folder))
    songs, known = [0.5, 0.75, 0.25, 1.0], Interval(0.1, -0.2, 0.4)
    experiment = Experiment("06_codes", CI)
    experiment.table("First", {"a": {"right": [1, 2]}}, {"right": RIGHT}, seeds=(7, 8))
    experiment.table("Second", {"a": {"right": songs, "error": known}}, {"right": RIGHT, "error": ERROR}, (7,), 4)
    assert [path.name for path in folder.iterdir()] == ["06.json"]
    found = stored(folder)["06"]
    assert found["chapter"] == "06_codes" and list(found["tables"]) == ["First", "Second"]
    where = found["provenance"]
    assert {"device", "threads", "torch", "commit", "date", "seed"} <= set(where) and where["preset"]["name"] == "ci"
    first, second = found["tables"].values()
    assert first["seeds"] == [7, 8] and (second["over"], second["count"], second["seeds"]) == ("songs", 4, [7])
    assert first["measures"] == {"right": {"unit": "%", "better": "higher", "digits": 1}}
    ends = [second["rows"]["a"]["right"][end] for end in ("mean", "low", "high")]
    assert ends == pytest.approx(mean_and_interval(songs)) and second["rows"]["a"]["right"]["values"] == songs
    assert second["rows"]["a"]["error"] == {"mean": 0.1, "low": -0.2, "high": 0.4}


@pytest.mark.parametrize(
    ("rows", "seeds", "said"),
    [
        ({}, (1,), "has no rows or no seeds"),
        ({"a": {"right": [1]}}, (), "has no rows or no seeds"),
        ({"a": {"wrong": [1, 2]}}, (1, 2), "a, wrong: is not among the measures"),
        ({"a": {"right": [1, 2, 3]}}, (1, 2), "a, right: has 3 values for 2 seeds"),
        ({"a": {"right": [1, math.nan]}}, (1, 2), "a, right: is .*; give finite numbers"),
        ({"a": {"right": torch.ones(2, 2)}}, (1, 2), "a, right: is .*; give finite numbers"),
        ({"a": {"right": Interval(1, -math.inf, 3)}}, (1, 2), "a, right: is .*; give finite numbers"),
    ],
)
def test_what_is_no_result_is_refused_in_one_line_and_stores_nothing(rows, seeds, said, monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    experiment = Experiment("06_codes", CI)
    experiment.table("Good", {"a": {"right": [1, 2]}}, {"right": RIGHT}, (1, 2))
    before = (tmp_path / "06.json").read_bytes()
    with pytest.raises(UserError, match=said) as refused:
        experiment.table("Title", rows, {"right": RIGHT}, seeds)
    assert str(refused.value).startswith("'Title'") and "\n" not in str(refused.value)
    experiment.table("Good", {"a": {"right": [1, 2]}}, {"right": RIGHT}, (1, 2))
    assert (tmp_path / "06.json").read_bytes() == before
    with pytest.raises(UserError, match="better: 'more' is unknown"):
        Measure("%", "more")


def test_a_file_is_written_whole_or_not_at_all(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    experiment = Experiment("06_codes", CI)
    experiment.table("Good", {"a": {"right": [1, 2]}}, {"right": RIGHT}, (1, 2))
    before = (tmp_path / "06.json").read_bytes()

    def full(path, *text, **options):
        path.write_bytes(b"{")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(UserError, match="06.json: cannot be written"):
        experiment.table("More", {"a": {"right": [1, 2]}}, {"right": RIGHT}, (1, 2))
    assert (tmp_path / "06.json").read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["06.json"]
    monkeypatch.setenv(FOLDER, str(tmp_path / "06.json"))
    with pytest.raises(UserError, match="06.json: cannot be made"):
        experiment.table("More", {"a": {"right": [1, 2]}}, {"right": RIGHT}, (1, 2))


# The page


def chapter(name: str, **tables: dict) -> dict:
    """What a chapter would store: title -> (rows, measures)."""
    experiment = Experiment(name, CI)
    for title, (rows, measures) in tables.items():
        experiment.table(title.replace("_", " "), rows, measures, range(3))
    where = {"preset": {"name": "cpu"}, "device": "x86_64 CPU", "threads": 2, "torch": "2.1", "commit": "abc1234"}
    return {"chapter": name, "provenance": where | {"date": "2026-01-31"}, "tables": experiment.tables}


def contest(beta: float, vae: float, gan: float) -> dict:
    """Chapter 06's contest with means as given; the seeds differ by 0.1, the kinds do not differ in that."""
    rows = {"β-VAE (β = 30)": beta, "VAE (β = 1)": vae, "FactorVAE (γ = 10)": 0.9, "InfoGAN (λ = 0.4)": gan}
    rows = {kind: {"MIG": [mean - 0.1, mean, mean + 0.1 + k / 1000]} for k, (kind, mean) in enumerate(rows.items())}
    return chapter("06_codes", The_contest_on_shapes=(rows, {"MIG": Measure(better="higher")}))


def test_the_page_shows_each_chapter_with_where_its_numbers_come_from(tmp_path):
    rows = {"a|b": {"right": [50, 51, 52]}, "c": {"right": [1, 1, 1], "error": [0.5]}}
    four = chapter("04_position", What_sounds_at_the_next_step=(rows, {"right": RIGHT, "error": ERROR}))
    for number, content in {"06": contest(0.5, 0.4, 0.3), "04": four}.items():
        (tmp_path / f"{number}.json").write_text(json.dumps(content))
    page = chapters_page(tmp_path)
    assert page.index("## Chapter 04") < page.index("## Chapter 06")
    claims = claims_of_the_chapters(tmp_path)
    assert claims.index("one in twenty") < claims.index("| the paper says |") and "the paper says" not in page
    assert claims_of_the_chapters(tmp_path / "none") == ""
    told = (
        "[Chapter 04](../notebooks/04_position.ipynb), preset `cpu`; x86_64 CPU, 2 threads, torch 2.1, commit `abc1234`"
    )
    assert f"{told}, 2026-01-31." in page and NOTHING not in page
    title = "**What sounds at the next step.** Mean and 95 % interval over 3 seeds (Student's t). Seeds: 0, 1, 2."
    lines, half = page[page.index(title) :].splitlines()[2:6], student([50, 51, 52], 4.3027)
    assert lines == [
        "|  | right, % (higher is better) | error, dB (lower is better) |",
        "| --- | --- | --- |",
        f"| a&#124;b | 51.0 ({51 - half:.1f} to {51 + half:.1f}) | – |",
        "| c | 1.0 (1.0 to 1.0) | 0.50 |",
    ]


def test_the_page_needs_no_chapter(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        page = chapters_page(folder)
        assert page.rstrip().endswith(NOTHING) and "##" not in page


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"chapter": "06_codes"}', json.dumps(contest(1, 1, 1) | {"chapter": "07_gan"}), "3"]
)
def test_a_file_that_is_no_chapters_is_refused_by_name(text, tmp_path):
    (tmp_path / "06.json").write_text(text)
    with pytest.raises(UserError, match="06.json: holds no chapter's results"):
        chapters_page(tmp_path)


# What the paper claims


def verdict(content: dict) -> tuple[str, str]:
    """What is measured and which speaks, of the only question that a chapter answers."""
    (line,) = questions_table({content["chapter"][:2]: content}).splitlines()[2:]
    _, measured, speaks = line.strip("| ").split(" | ")
    return measured, speaks


@pytest.mark.parametrize(
    ("beta", "vae", "gan", "speaks", "words"),
    [
        (0.5, 0.4, 0.3, f"{FOR} in 2 of 2", ("better than VAE (β = 1), +0.10", "better than InfoGAN (λ = 0.4), +0.20")),
        (
            0.3,
            0.4,
            0.5,
            f"{AGAINST} in 2 of 2",
            ("worse than VAE (β = 1), -0.10", "worse than InfoGAN (λ = 0.4), -0.20"),
        ),
        (
            0.4,
            0.3,
            0.5,
            f"{FOR} in 1, {AGAINST} in 1 of 2",
            ("better than VAE (β = 1), +0.10", "worse than InfoGAN (λ = 0.4), -0.10"),
        ),
        (0.4, 0.4, 0.4, NEITHER, ("not told apart from VAE (β = 1), -0.00", "not told apart from InfoGAN")),
        (
            0.4,
            0.4,
            0.3,
            f"{FOR} in 1 of 2",
            ("not told apart from VAE (β = 1), -0.00", "better than InfoGAN (λ = 0.4), +0.10"),
        ),
    ],
)
def test_the_contest_of_chapter_06_answers_the_paper_whichever_way_it_falls(beta, vae, gan, speaks, words):
    measured, said = verdict(contest(beta, vae, gan))
    assert said == speaks and "FactorVAE" not in measured
    first, second = words
    assert measured.startswith(f"**The contest on shapes.** MIG: β-VAE (β = 30) is {first} (")
    assert f") and {second}" in measured


@pytest.mark.parametrize(("better", "speaks"), [("higher", FOR), ("lower", AGAINST)])
def test_what_is_better_is_what_the_measure_says(better, speaks):
    rows = {"attention": {"right": [9, 9.1, 9.2]}, "LSTM": {"right": [5, 5.2, 5.1]}}
    content = chapter("05_attention", A_bar_repeated=(rows, {"right": Measure("%", better)}))
    assert verdict(content)[1] == f"{speaks} in 1 of 1"
    rows["attention"], rows["LSTM"] = rows["LSTM"], rows["attention"]
    swapped = chapter("05_attention", A_bar_repeated=(rows, {"right": Measure("%", better)}))
    assert verdict(swapped)[1] == f"{({FOR, AGAINST} - {speaks}).pop()} in 1 of 1"


def test_no_chapter_no_answer_and_a_difference_is_taken_seed_by_seed():
    assert questions_table({}) == questions_table({"04": chapter("04_x", Else=({"a": {"b": [1]}}, {"b": ERROR}))}) == ""
    table = contest(0.5, 0.4, 0.3)["tables"]["The contest on shapes"]
    assert difference(table, "MIG", "β-VAE (β = 30)", "VAE (β = 1)") == pytest.approx(over_seeds([0.1, 0.1, 0.099]))
    songs = table | {"over": "songs"}
    expected = mean_and_interval([0.1, 0.1, 0.099])
    assert difference(songs, "MIG", "β-VAE (β = 30)", "VAE (β = 1)") == pytest.approx(expected)
