"""A blind test of tfrgan_lite.lesson in a browser: rating and ABX by keyboard, and what is saved is read."""

import json
import urllib.parse

import pytest
import torch
from scipy.stats import binomtest

from tfrgan_lite.lesson import blind, blind_results
from tfrgan_lite.lesson.blind import ANCHOR

RATE = 32000
NAMES = ["engineer", "rule", "noise"]
NO_WEB_AUDIO = "delete window.AudioContext; delete window.webkitAudioContext"
NO_CLIPBOARD = 'Object.defineProperty(navigator, "clipboard", {get: () => undefined})'
HOOK = "document.querySelector('.blind').desk"


@pytest.fixture(scope="module")
def test():
    sounds = 0.1 * torch.randn(3, 2, RATE, generator=torch.Generator().manual_seed(0))
    return blind(dict(zip(NAMES, sounds, strict=True)), RATE, "Three noises.", "engineer", trials=8)


@pytest.fixture
def html(test):
    return test.html


def heard(tab) -> int:
    """The sound whose gate is open, and no other's, once they no longer move."""
    tab.wait_for_function(
        f"() => {HOOK}.gates()?.filter(g => g > 0.8).length == 1 && {HOOK}.gates().filter(g => g < 1e-3).length == 3"
    )
    gates = tab.evaluate(f"() => {HOOK}.gates()")
    return gates.index(max(gates))


def told(tab) -> str:
    return " ".join(text for text in tab.get_by_role("status").all_inner_texts() if text)


def key(tab, name: str, by: str = "Enter", role: str = "button"):
    tab.get_by_role(role, name=name, exact=True).press(by)


def saved(tab) -> dict:
    link = tab.get_by_role("link", name="Save as JSON")
    content = json.loads(urllib.parse.unquote(link.get_attribute("href").partition(",")[2]))
    assert content == json.loads(tab.get_by_label("Results as JSON").input_value())
    assert link.get_attribute("download") == "blind-test.json"
    return content


def rated(tab, recognises: bool) -> None:
    """Give scores by keyboard: 100 to what sounds like the reference, or just the opposite, by its gate alone."""
    key(tab, "Hear the reference")
    reference = heard(tab)
    for letter in "ABCD":
        key(tab, f"Hear {letter}")
        same = heard(tab) == reference
        key(tab, f"Score of {letter}", "End" if same == recognises else "Home", "slider")
    key(tab, "Give these scores")


def told_apart(tab, knows: bool) -> None:
    """Go through an ABX run by keyboard: right each time by comparing gates, or always A."""
    tab.get_by_role("radio", name="Tell two apart").press("Space")
    key(tab, "Begin")
    for trial in range(1, 9):
        assert f"Trial {trial} of 8" in told(tab)
        key(tab, "Hear A")
        a = heard(tab)
        key(tab, "Hear X")
        key(tab, "X is A" if not knows or heard(tab) == a else "X is B")


def test_a_perfect_listener_is_kept_and_tells_all_by_keyboard(opened, tmp_path):
    tab = opened()
    assert tab.evaluate(f"() => {HOOK}.gates()") is None, "silent until asked"
    assert not tab.get_by_text("Your results").is_visible()
    key(tab, "Give these scores")
    assert "first: A, B, C, D" in told(tab)
    rated(tab, recognises=True)
    assert "hidden reference 100" in told(tab)
    assert tab.get_by_role("slider").first.is_disabled()
    told_apart(tab, knows=True)
    assert "8 of 8 right" in told(tab) and "0.0039" in told(tab)
    tab.get_by_label("A name or code").fill("ann")
    content = saved(tab)
    assert sorted(content["mushra"][0]["order"]) == sorted([*NAMES, ANCHOR]) and content["listener"] == "ann"
    with tab.expect_download() as download:
        key(tab, "Save as JSON", role="link")
    file = tmp_path / "ann.json"
    download.value.save_as(file)
    read = blind_results([file])
    assert read.kept == ["ann"] and read.excluded == []
    assert read.scores["engineer"][0] == 100 and read.scores["rule"][0] == 0
    ((pair, (right, trials, _)),) = read.abx.items()
    assert (right, trials) == (8, 8) and "engineer" in pair


def test_a_useless_listener_is_left_out(opened):
    tab = opened()
    rated(tab, recognises=False)
    told_apart(tab, knows=False)
    content = saved(tab)
    assert content["abx"][0]["answers"] == ["A"] * 8
    read = blind_results([content])
    assert read.excluded == ["listener 1"] and read.scores == {}
    ((right, _, p),) = read.abx.values()
    assert right == content["abx"][0]["x"].count("A") and f"{right} of 8 right" in told(tab)
    assert f"probability {p:.2g}".rstrip("0") in told(tab)


def test_the_p_value_is_the_exact_binomial_one(opened):
    tab = opened()
    runs = [(k, n) for n in (1, 8, 12, 50) for k in range(n + 1)]
    found = tab.evaluate(f"runs => runs.map(([k, n]) => {HOOK}.chance(k, n))", runs)
    assert found == pytest.approx([binomtest(k, n, alternative="greater").pvalue for k, n in runs], rel=1e-9)


def test_x_and_the_order_of_letters_are_drawn_anew(opened):
    tab = opened()
    orders = []
    for _ in range(4):
        rated(tab, recognises=True)
        key(tab, "Rate again, in a new order")
    orders = {tuple(trial["order"]) for trial in saved(tab)["mushra"]}
    assert len(orders) > 1  # of 24 orders, four times the same one: once in 14 thousand
    told_apart(tab, knows=True)
    told_apart(tab, knows=True)
    drawn = [letter for run in saved(tab)["abx"] for letter in run["x"]]
    assert set(drawn) == {"A", "B"}  # all alike once in 33 thousand


def test_what_cannot_be_asked_is_said(opened):
    tab = opened()
    tab.get_by_role("radio", name="Tell two apart").check()
    tab.get_by_label("Trials").fill("0")
    key(tab, "Begin")
    assert "Give 1 to 50 trials." in told(tab)
    tab.get_by_label("Trials").fill("3")
    tab.get_by_role("combobox", name="Sound B").select_option("engineer")
    key(tab, "Begin")
    assert "Choose two different sounds." in told(tab)
    tab.get_by_role("combobox", name="Sound B").select_option("noise")
    key(tab, "Begin")
    assert tab.get_by_role("button", name="Hear A").get_attribute("aria-pressed") == "true"
    key(tab, "X is A")
    assert "hear X first" in told(tab)
    assert tab.get_by_role("button", name="Begin").is_disabled(), "who begins, goes on to the end"


def test_without_a_clipboard_the_text_is_marked(opened):
    tab = opened(NO_CLIPBOARD)
    rated(tab, recognises=True)
    key(tab, "Copy")
    assert "to copy what is marked" in told(tab)
    assert json.loads(tab.evaluate("() => getSelection().toString()"))["mushra"]


def test_it_is_named_narrow_and_shows_its_focus(opened):
    tab = opened(viewport={"width": 360, "height": 740})
    rated(tab, recognises=True)
    for _ in range(2):
        assert tab.evaluate("() => document.documentElement.scrollWidth") <= 360
        tab.get_by_role("radio", name="Tell two apart").check()
    names = "els => els.map(e => e.getAttribute('aria-label') || e.textContent || e.labels?.[0]?.textContent || '')"
    assert "" not in tab.locator("button, input, select, textarea").evaluate_all(names)
    tab.keyboard.press("Tab")
    assert tab.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_without_web_audio_it_says_so(opened):
    tab = opened(NO_WEB_AUDIO)
    assert "no Web Audio" in told(tab) and tab.locator("audio").first.is_visible()


def test_without_javascript_letters_play_and_the_key_is_folded(opened):
    tab = opened(java_script_enabled=False)
    assert tab.locator("audio").count() == 4 and tab.locator("audio").last.is_visible()
    answer = tab.get_by_text("the reference is engineer")
    assert not answer.is_visible()
    tab.get_by_text("Key: which is which").click()
    assert answer.is_visible()


def test_as_a_widget_it_tells_its_model_and_goes_on_where_it_was(opened, test):
    tab = opened()
    start = """async ([esm, figure, results]) => {
        const {default: widget} = await import(`data:text/javascript,${encodeURIComponent(esm)}`);
        const kept = {figure, results};
        window.model = {
            get: key => kept[key], set: (key, value) => (kept[key] = value), saved: 0,
            save_changes() { this.saved += 1; }, on() {}, off() {},
        };
        document.body.innerHTML = "";
        window.close_test = widget.render({model, el: document.body.appendChild(document.createElement("div"))});
    }"""
    tab.evaluate(start, [test._esm, test.figure, {}])
    rated(tab, recognises=True)
    first = tab.evaluate("() => model.saved == 1 && model.get('results')")
    assert len(first["mushra"]) == 1
    tab.evaluate("() => close_test()")
    tab.evaluate(start, [test._esm, test.figure, first])
    assert saved(tab) == first
    rated(tab, recognises=False)
    assert len(tab.evaluate("() => model.get('results').mushra")) == 2
    tab.evaluate("() => close_test()")
