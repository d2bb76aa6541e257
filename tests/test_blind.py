"""tfrgan_lite.lesson.blind: what the page holds, and what is read from perfect, useless and damaged listeners."""

import html
import io
import json
import re

import numpy as np
import pytest
import soundfile
import torch
from scipy.stats import binomtest, ttest_1samp

from tfrgan_lite.audio import loudness
from tfrgan_lite.errors import UserError
from tfrgan_lite.lesson import blind, blind_results
from tfrgan_lite.lesson.blind import ANCHOR, FORMAT
from tfrgan_lite.lesson.board import ASSETS

RATE = 32000
NAMES = ["engineer", "<rule>", "take"]
SCORES = {"engineer": 100, "rule": 60, "take": 80, ANCHOR: 20}


def hiss(seconds: float = 1.0, seed: int = 0, channels: int = 2) -> torch.Tensor:
    return 0.1 * torch.randn(channels, int(seconds * RATE), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def made():
    sounds = {name: (k + 1) * hiss(seed=k) / 2 for k, name in enumerate(NAMES)}
    return blind(sounds, RATE, "Hiss.", "engineer", trials=8)


def plan_of(made) -> dict:
    return json.loads(html.unescape(re.search(r'data-plan="([^"]*)"', made.figure)[1]))


def test_all_are_equally_loud_and_long_and_begin_and_end_softly(made):
    assert set(made.mp3) == {*NAMES, ANCHOR}
    plan, played = plan_of(made), []
    for name, gain in zip(plan["names"], plan["gains"], strict=True):
        data = made.mp3[name]
        audio = torch.from_numpy(soundfile.read(io.BytesIO(data), always_2d=True, dtype="float32")[0].T)
        assert audio.shape[-1] == RATE
        played.append(float(loudness(gain * audio.expand(2, -1), RATE)))
        assert 0.8 < gain <= 1
        assert float(audio[:, :8].abs().max()) < 0.1 * float(audio.abs().max())
    assert np.ptp(played) < 0.01 and played[0] == pytest.approx(-20, abs=1)
    assert made.gains_db["engineer"] - made.gains_db["<rule>"] == pytest.approx(20 * np.log10(2), abs=0.2)


def test_letters_are_shuffled_and_the_page_is_the_widgets_module_with_nothing_from_outside(made):
    plan = plan_of(made)
    assert plan["names"][0] == plan["reference"] == "engineer" and set(plan["names"]) == set(made.mp3)
    assert plan["trials"] == 8 and plan["seconds"] == 1
    board = made.figure[made.figure.index("<table>") : made.figure.index("Key:")]
    assert re.findall('scope="row">([^<]*)<', board) == ["the reference", "A", "B", "C"]
    assert "&lt;rule&gt;" in made.figure and "<rule>" not in made.html
    data, _ = made._repr_mimebundle_()
    page = data["text/html"]
    assert made._esm in page and (ASSETS / "blind.js").read_text() in page and made.figure in page
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == made.model_id
    assert not re.search(r"https?:|@import|src=\"(?!data:)|fetch\(|sendBeacon|XMLHttpRequest", page)
    assert data["text/plain"] == repr(made) and "\n" not in repr(made) and made.results == {}


TWO = {"a": hiss(0.1), "b": hiss(0.1, 1)}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"sounds": {"a": hiss(0.1)}}, "sounds: 1 given"),
        ({"sounds": {str(k): hiss(0.1) for k in range(12)}, "reference": "0"}, "sounds: 12 given"),
        ({"sounds": TWO | {ANCHOR: hiss(0.1)}}, 'sounds: "anchor"'),
        ({"sounds": {"a": hiss(0.1), "b": hiss(0.2)}}, "one length"),
        ({"sounds": TWO | {"b": hiss(0.1) * float("nan")}}, "'b'.*NaN"),
        ({"sounds": {"a": hiss(0), "b": hiss(0)}}, "no samples"),
        ({"sounds": {"a": torch.tensor(1.0), "b": torch.tensor(1.0)}}, "'a'.*give"),
        ({"sounds": TWO | {"b": hiss(0.1, channels=3)}}, "'b'.*channels"),
        ({"reference": "c"}, "reference: 'c'"),
        ({"trials": 0}, "trials: is 0"),
        ({"trials": 51}, "trials: is 51"),
        ({"trials": 2.5}, "trials: is 2.5"),
        ({"sample_rate": 8000}, "sample_rate: 8000"),
        ({"describe": " "}, "describe"),
    ],
)
def test_bad_input_is_one_line_that_names_it(changed, named):
    with pytest.raises(UserError, match=named) as caught:
        blind(**({"sounds": TWO, "sample_rate": RATE, "describe": "x", "reference": "a"} | changed))
    assert "\n" not in str(caught.value)


def result(listener="", scores=(), runs=()) -> dict:
    """What a page saves: `scores` of the trials; `runs` of ABX, each (x, answers)."""
    return {
        "format": FORMAT,
        "listener": listener,
        "description": "x",
        "reference": "engineer",
        "anchor": ANCHOR,
        "mushra": [{"order": list(each), "scores": dict(each)} for each in scores],
        "abx": [{"a": "rule", "b": "take", "x": list(x), "answers": list(answers)} for x, answers in runs],
    }


def test_perfect_listeners_are_kept_and_a_useless_one_is_not(tmp_path):
    draw = np.random.default_rng([7, 1])
    perfect = [SCORES | {"rule": SCORES["rule"] + k} for k in (-4, 0, 7)]
    given = [result(f"p{k}", [scores]) for k, scores in enumerate(perfect)]
    given.append(result("random", [{name: int(draw.integers(101)) for name in SCORES} for _ in range(20)]))
    files = []
    for k, each in enumerate(given):
        files.append(tmp_path / f"{k}.json")
        files[-1].write_text(json.dumps(each))
    read = blind_results(files)
    assert read.kept == ["p0", "p1", "p2"] and read.excluded == ["random"] and read.over == "listeners"
    assert read.scores["engineer"] == (100, 100, 100) and read.scores[ANCHOR][0] == 20
    mean, low, high = read.scores["rule"]
    interval = ttest_1samp([56, 60, 67], 0).confidence_interval(0.95)
    assert (mean, low, high) == pytest.approx((61, interval.low, interval.high))
    shown = read._repr_markdown_()
    assert "left out: random" in shown and shown.index("engineer") < shown.index("take") < shown.index("rule")
    assert blind_results(given) == read


def test_files_of_one_listener_are_one_and_nameless_files_are_each_their_own():
    one, other = [SCORES], [SCORES | {"take": 60}]
    named = blind_results([result("l", one), result(" l ", other)])
    assert named.kept == ["l"] and named.over == "trials" and named.scores["take"][0] == 70
    apart = blind_results([result("", one), result("", other)])
    assert apart.kept == ["listener 1", "listener 2"] and apart.over == "listeners"
    twice = blind_results([result("a", one + other), result("b", one)])
    assert twice.scores["take"][0] == 75, "each listener counts once"
    alone = blind_results([result("", one)]).scores["take"]
    assert alone == (80, -np.inf, np.inf)


def test_abx_of_a_perfect_and_of_a_guessing_listener():
    x = "ABBABAAB"
    perfect = blind_results([result(runs=[(x, x)])])
    assert perfect.abx == {("rule", "take"): (8, 8, pytest.approx(0.5**8))}
    answers = "".join(np.random.default_rng([7, 2]).choice(["A", "B"], 8))
    guessed = blind_results([result(runs=[(x, answers)])]).abx[("rule", "take")]
    assert guessed[2] == binomtest(guessed[0], 8, alternative="greater").pvalue and guessed[2] > 0.05
    turned = result(runs=[(x, x)])
    turned["abx"][0] |= {"a": "take", "b": "rule"}
    both = blind_results([result(runs=[(x, x)]), turned])
    assert both.abx[("rule", "take")][:2] == (16, 16) and both.scores == {} and "16 of 16" in both._repr_markdown_()


def damaged(**changed) -> dict:
    return result("l", [SCORES], [("AB", "AB")]) | changed


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "no JSON"),
        ("[]", "not from a blind test"),
        (json.dumps(damaged(format="other")), "not from a blind test"),
        (json.dumps(damaged(listener=3)), "listener: is missing or damaged"),
        (json.dumps(damaged(mushra={})), "mushra: is missing or damaged"),
        (json.dumps(damaged(mushra=[3])), "no score for the reference 'engineer'"),
        (json.dumps(damaged(mushra=[{"scores": {"rule": 3}}])), "no score for the reference 'engineer'"),
        (json.dumps(damaged(mushra=[{"scores": SCORES | {"rule": 101}}])), "'rule' has the score 101"),
        (json.dumps(damaged(mushra=[{"scores": SCORES | {"rule": True}}])), "'rule' has the score True"),
        (json.dumps(damaged(mushra=[{"scores": SCORES | {"rule": None}}])), "'rule' has the score None"),
        (json.dumps(damaged(mushra=[{"scores": SCORES | {"rule": float("nan")}}])), "'rule' has the score nan"),
        (json.dumps(damaged(abx=[4])), "a and b are None"),
        (json.dumps(damaged(abx=[{"a": "r", "b": "r", "x": ["A"], "answers": ["A"]}])), "two different labels"),
        (json.dumps(damaged(abx=[{"a": "r", "b": "t", "x": ["A"], "answers": []}])), "x and answers do not fit"),
        (json.dumps(damaged(abx=[{"a": "r", "b": "t", "x": ["A"], "answers": ["C"]}])), "x and answers do not fit"),
        (json.dumps(damaged(abx=[{"a": "r", "b": "t", "x": [], "answers": []}])), "x and answers do not fit"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(tmp_path, content, named):
    file = tmp_path / "bad.json"
    file.write_text(content)
    with pytest.raises(UserError, match=f"bad.json: .*{named}") as caught:
        blind_results([file])
    assert "\n" not in str(caught.value)


def test_what_is_no_list_of_results_is_named(tmp_path):
    for wrong, said in (
        ([], "empty"),
        ("a.json", "into a list"),
        (damaged(), "into a list"),
        ([tmp_path / "none.json"], "none.json: cannot be read"),
        ([damaged(), {}], r"given\[1\]: is not from a blind test"),
    ):
        with pytest.raises(UserError, match=said):
            blind_results(wrong)
