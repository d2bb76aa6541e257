"""The book's page: ablations told apart from the whole, the curve drawn and described, trainings named."""

import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from tfrgan_lite.claims import AGAINST, BOTH, CLAIMS, FOR, LESS_BY_HEART, NEITHER, claims_table, over_seeds
from tfrgan_lite.curve import GREY, draw, in_order, series
from tfrgan_lite.errors import UserError
from tfrgan_lite.page import ablation_table, claims_of_the_mixer, figures, results_page, training_table
from tfrgan_lite.report import FLOOR, card, table
from tfrgan_lite.variants import COIN, FEW, JITTER, SUBJECT, VARIANTS

WHERE = {
    "preset": {"judges": 8, "name": "cpu"},
    "seed": 7,
    "device": "x86_64 CPU",
    "torch": "2",
    "commit": "abc1234",
    "date": "2026-01-31",
}


def row(matched, energy, diversity, width=0.0):
    values = {"matched_db": matched, "energy": energy, "diversity": diversity, "width_sd": width}
    return {name: [value, value - 0.1, value + 0.1] for name, value in values.items()}


def results(kind, systems, **more):
    return {
        "kind": kind,
        "provenance": WHERE,
        "songs": 48,
        "systems": systems,
        "seeds": {name: 3 for name in systems if name != FLOOR},
        "validity": {},
        "bars": [],
        "training": {},
        **more,
    }


def run(variant, seed, **more):
    about = {"variant": variant, "changes": VARIANTS[variant].changes, "seed": seed, "steps": 600, "seconds": 480}
    return {**about, "commit": "abc1234", "date": "2026-01-30", "device": "x86_64 CPU", **more}


@pytest.fixture
def ablations():
    systems = {
        "no adversary": row(2.0, 1.5, 0.5),
        "LSTM": row(2.1, 1.0, 1.0),
        SUBJECT: row(2.2, 1.0, 1.0),
        FLOOR: row(1, 0, 1),
    }
    apart = {
        "no adversary": {"matched_db": [-0.2, -0.3, -0.1], "energy": [0.5, 0.2, 0.8], "diversity": [-0.5, -0.7, 0.1]},
        "LSTM": {"matched_db": [-0.1, -0.2, 0.0], "energy": [0.0, -0.1, 0.1], "diversity": [0.0, -0.1, 0.1]},
    }
    training = {name: [run(name, seed) for seed in (1, 2, 3)] for name in ("no adversary", "LSTM", SUBJECT)}
    return results("ablations", systems, differences=apart, training=training)


@pytest.fixture
def curve():
    systems = {
        SUBJECT: row(2.0, 0.5, 0.9),
        "spread × 1.25": row(2.2, 0.6, 1.1),
        "spread × 0": row(1.8, 0.9, 0.3),
        "latent KL × 4": row(1.9, 0.7, 0.6),
        FLOOR: row(1.9, 0.1, 1.0),
    }
    return results("curve", systems)


def test_a_difference_is_bold_where_its_interval_leaves_out_nothing(ablations):
    lines = ablation_table(ablations).splitlines()
    assert lines[0].startswith("| row | seeds | loudness matched, dB | energy distance | diversity | width, sd |")
    assert lines[2].startswith(f"| {SUBJECT} | 3 | 2.20 (2.10 to 2.30) | 1.00")  # the whole one first
    assert "| no adversary | 3 | 2.00, **-0.20** (-0.30 to -0.10) | 1.50, **+0.50** (+0.20 to +0.80) |" in lines[3]
    assert "0.50, -0.50 (-0.70 to +0.10)" in lines[3] and "**" not in lines[4]
    assert lines[5].startswith(f"| {FLOOR} | – | 1.00 (0.90 to 1.10) |")


def verdicts(**differences):
    """Of each claim that rows answer, by the measures that tell them apart: value, low, high."""
    lines = claims_table({"differences": differences}).splitlines()[2:]
    return [line.split(" | ")[-1].removesuffix(" |") for line in lines]


WORSE, BETTER, AS_OURS = [0.3, 0.1, 0.5], [-0.3, -0.5, -0.1], [0.1, -0.1, 0.3]


@pytest.mark.parametrize(
    ("row", "measures", "verdict"),
    [
        ("LSTM", {"energy": WORSE}, FOR),
        ("LSTM", {"energy": WORSE, "matched_db": AS_OURS}, FOR),
        ("LSTM", {"keys": BETTER}, FOR),  # a correlation that falls is for the worse
        ("LSTM", {"energy": BETTER}, AGAINST),
        ("LSTM", {"energy": WORSE, "matched_db": BETTER}, BOTH),
        ("LSTM", {"energy": AS_OURS, "width_sd": WORSE}, NEITHER),
        ("16×16 patches", {"energy": WORSE}, AGAINST),
        ("16×16 patches", {"matched_db": BETTER}, FOR),
    ],
)
def test_a_row_speaks_for_a_claim_or_against_it(row, measures, verdict):
    assert verdicts(**{row: measures}) == [verdict]


def test_rows_speak_together_and_are_told_one_by_one():
    table = claims_table(
        {"differences": {"no position": {"energy": WORSE}, "sinusoidal position": {"energy": AS_OURS}, "LSTM": {}}}
    )
    assert "| no position: energy distance +0.30, worse; sinusoidal position: as ours | for it |" in table
    assert len(table.splitlines()) == 4 and claims_table({"differences": {"regression": {"energy": WORSE}}}) == ""


def test_claims_are_answered_by_rows_that_there_are():
    rows = [row for claim in CLAIMS for row in (*claim.without, *claim.with_it)]
    assert all("ablations" in VARIANTS[row].kinds for row in rows) and len(set(rows)) == len(rows)


def trained(row, *scores, **more):
    return [run(row, seed, own_score=own, held_out_score=other, **more) for seed, (own, other) in enumerate(scores)]


@pytest.mark.parametrize(
    ("gaps", "verdict"), [((0.3, 0.31, 0.32), FOR), ((0.1, 0.11, 0.12), AGAINST), ((0.1, 0.2, 0.3), NEITHER)]
)
def test_what_is_learned_by_heart_speaks_for_regularisation_or_against_it(gaps, verdict):
    """With modules the gap is 0.2; the seeds are paired."""
    training = {
        FEW: trained(FEW, (0.4, 0.6), (0.4, 0.6), (0.4, 0.6)),
        f"{FEW}, no β-VAE": trained(f"{FEW}, no β-VAE", *((0.4, 0.4 + gap) for gap in gaps)),
    }
    (line,) = claims_table({"differences": {}, "training": training}).splitlines()[2:]
    assert line.startswith(f"| {LESS_BY_HEART} | by heart, {FEW}, no β-VAE less {FEW}: ") and line.count(" less ") == 1
    assert line.endswith(f" | {verdict} |")
    training.pop(FEW)
    assert claims_table({"differences": {}, "training": training}) == ""


@pytest.mark.parametrize(
    ("scores", "measured", "verdict"),
    [
        ((0.6, 0.7, 0.8), "LSTM: score, held-out songs +0.100, worse", FOR),
        ((0.4, 0.51, 0.6), "LSTM: score, held-out songs -0.097, better", AGAINST),
        ((0.4, 0.7, 0.8), "LSTM: as ours", NEITHER),
        ((0.6,), "LSTM: as ours", NEITHER),  # one seed tells nothing
    ],
)
def test_the_score_of_held_out_songs_is_compared_seed_by_seed(scores, measured, verdict):
    ours = trained(SUBJECT, (0.4, 0.5), (0.4, 0.6), (0.4, 0.7))
    training = {SUBJECT: ours, "LSTM": trained("LSTM", *((0.4, score) for score in scores))}
    (line, *_) = claims_table({"differences": {"LSTM": {}}, "training": training}).splitlines()[2:]
    assert line.endswith(f"| {measured} | {verdict} |")


def test_an_interval_over_seeds_is_that_of_the_mean():
    """By hand: the mean of 1, 2, 3 is 2, its standard error 1/√3, and Student's t with 2 degrees is 4.303."""
    assert over_seeds([1.0, 2.0, 3.0]) == pytest.approx((2, 2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5), abs=1e-3)
    assert over_seeds([2.0]) == (2, -np.inf, np.inf)


def test_the_page_tells_what_was_learned_by_heart_and_how_often_the_critic_was_right(ablations, tmp_path):
    (tmp_path / "ablations.json").write_text(json.dumps(ablations))
    assert "by heart" not in results_page(tmp_path)  # of trainings that do not say
    ablations["training"][SUBJECT] = trained(SUBJECT, (0.4, 0.5), (0.4, 0.7), accuracy=0.75)
    ablations["training"]["no adversary"] = trained("no adversary", (0.3, 0.5))
    (tmp_path / "ablations.json").write_text(json.dumps(ablations))
    page = results_page(tmp_path)
    assert f"| {SUBJECT} | 0.400 | 0.600 | 0.200 (-1.071 to 1.471) | 75 % |" in page
    assert "| no adversary | 0.300 | 0.500 | 0.200 (-inf to inf) | – |" in page


def test_the_page_says_what_a_row_answers_and_how_it_was_trained(ablations, tmp_path):
    (tmp_path / "ablations.json").write_text(json.dumps(ablations))
    page = results_page(tmp_path)
    assert f"- **no adversary** (`adversarial_weight=0.0`): {VARIANTS['no adversary'].answers}" in page
    assert ablation_table(ablations) in page and training_table(ablations) in page
    assert "means of 3 seeds" in page and "seed 7" not in page  # each row has its own
    assert page.count("| LSTM | core='lstm' | 1, 2, 3 | 600 | 8.0 | abc1234 | 2026-01-30 | x86_64 CPU |") == 1
    assert "--trained FOLDER --rows ablations --songs 48 --out FILE.json" in page
    assert figures(tmp_path) == {}


def test_rows_of_fewer_seeds_are_told(ablations, tmp_path):
    (tmp_path / "ablations.json").write_text(json.dumps(ablations))
    assert "means of 3 seeds;" in results_page(tmp_path)
    ablations["training"]["LSTM"].pop()
    (tmp_path / "ablations.json").write_text(json.dumps(ablations))
    assert "means of 2 to 3 seeds;" in results_page(tmp_path)


def test_a_training_table_says_each_thing_once_and_whose_weights_they_are():
    runs = {COIN: [run(COIN, 1), run(COIN, 2, steps=500, seconds=None, commit="def5678")]}
    told = training_table(results("mixers", {}, training={**runs, JITTER: runs[COIN]}))
    assert f"| {COIN} | {VARIANTS[COIN].changes} | 1, 2 | 600, 500 | 8.0 | abc1234, def5678 | 2026-01-30 |" in told
    assert f"| {JITTER} | weights of {COIN} | 1, 2 |" in told


def test_lines_of_the_curve_meet_in_the_whole_one(curve):
    assert series(curve["systems"]) == {
        "spread": [(0, "spread × 0"), (1, SUBJECT), (1.25, "spread × 1.25")],
        "latent KL": [(1, SUBJECT), (4, "latent KL × 4")],
    }
    order = in_order(curve["systems"])
    assert order == [SUBJECT, "spread × 0", "spread × 1.25", "latent KL × 4", FLOOR]


def test_the_figure_is_read_on_light_and_dark_and_drawn_the_same_each_time(curve):
    """No white ground, no black ink; each point has its factor beside it, in both panels."""
    svg = draw(curve, FLOOR)
    assert svg == draw(curve, FLOOR)
    inks = set(re.findall(r"#[0-9a-f]{6}", svg))
    assert GREY in inks and not inks & {"#ffffff", "#000000"}
    texts = [text for node in ElementTree.fromstring(svg).iter() if (text := (node.text or "").strip())]
    assert texts.count("1.25") >= 2 and {"spread", "latent KL", SUBJECT, FLOOR, "energy distance"} <= set(texts)
    moved = {**curve, "systems": {**curve["systems"], "latent KL × 4": row(5, 5, 0.1)}}
    assert draw(moved, FLOOR) != svg


def test_the_page_says_what_became_of_the_claims(ablations, curve, tmp_path):
    (tmp_path / "ablations.json").write_text(json.dumps(ablations))
    page, told = claims_of_the_mixer(tmp_path), "held-out songs with"
    assert page.index("Student's t") < page.index(told) < page.index("| the paper says |")
    assert "| Adversarial training makes the mixes true to the data. | no adversary: loudness matched, dB -0.20" in page
    shown = results_page(tmp_path)
    assert shown.index(told) < shown.index("| LSTM |") < shown.index("**Training**") and "the paper says" not in shown
    (tmp_path / "ablations.json").write_text(json.dumps(curve))
    assert claims_of_the_mixer(tmp_path) == ""


def test_the_page_shows_the_curve_with_its_numbers(curve, ablations, tmp_path):
    folder = tmp_path / "deep" / "results"
    folder.mkdir(parents=True)
    (folder / "curve.json").write_text(json.dumps(curve))
    (folder / "an_ablation.json").write_text(json.dumps(ablations))
    (folder / "zero.json").write_text(json.dumps(results("mixers", {SUBJECT: row(1, 1, 1)})))
    page = results_page(folder, tmp_path / "page.md")
    assert page.index("## Zero") < page.index("## An ablation") < page.index("## Curve")  # mixers first
    alt = next(line for line in page.splitlines() if line.startswith(":alt:"))
    assert f"{SUBJECT} is at 2.00 dB, 0.50 and 0.90" in alt
    assert "spread goes from 1.80 dB, 0.90 and 0.30 at 0 to 2.20 dB, 0.60 and 1.10 at 1.25" in alt
    assert ":::{figure} deep/results/curve.svg" in page and ":::{figure} results/curve.svg" in results_page(folder)
    systems = {name: curve["systems"][name] for name in in_order(curve["systems"])}
    assert table({"systems": systems}, ("matched_db", "energy", "diversity")) in page
    assert list(figures(folder)) == [folder / "curve.svg"]


@pytest.mark.parametrize("broken", [{"kind": "tables"}, {"kind": "ablations", "provenance": WHERE}, {"kind": "curve"}])
def test_another_file_is_refused_by_name(broken, tmp_path):
    (tmp_path / "odd.json").write_text(json.dumps(broken))
    with pytest.raises(UserError, match="odd.json: holds no results of evaluate"):
        results_page(tmp_path)


def test_a_card_without_measures_says_so():
    recipe = {"name": "cpu", "steps": 600, "architecture": {"z": 0}}
    told = card({"training": {**WHERE, "threads": 2, **run(COIN, 1, preset=recipe)}})
    assert f'--preset cpu --variant "{COIN}" --steps 600 --seed 1` at commit `abc1234`' in told
    assert "600 steps in 8.0 minutes" in told and "Not measured yet" in told and "- architecture: z 0" in told
