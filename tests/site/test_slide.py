"""A slider of tfrgan_lite.lesson.slide in a browser: the arrow keys and the links move it, draw and play; and what is
left of it where nothing may play, or no script runs."""

import pytest
import torch

from tfrgan_lite.lesson import slide

REFUSED = "HTMLMediaElement.prototype.play = () => Promise.reject(new DOMException('not allowed', 'NotAllowedError'))"


@pytest.fixture
def html():
    sounds = {f"{k:+d}": 0.1 * (k + 2) * torch.sin(torch.arange(44100) * 0.06) for k in (-1, 0, 1)}
    curves = {"left": torch.tensor([[0.0, 1], [0, 0], [0, -1]])}
    return slide(sounds, 44100, "A tone.", "unit 3", curves).html


def test_a_slider_moves_draws_and_plays_by_keyboard_and_link(opened):
    tab = opened()
    seen = """() => {
        const find = what => document.querySelector(what);
        const at = [...document.querySelectorAll("a")].findIndex(a => a.href == find("audio").src);
        return [find("output").textContent, at, find("path.line").getAttribute("d"), find("audio").paused]
    }"""
    slider = tab.get_by_label("unit 3").and_(tab.get_by_role("slider"))
    assert slider.is_visible()
    assert tab.evaluate(seen) == ["+0", 1, "M0 60.0L360 60.0", True]
    slider.focus()
    slider.press("ArrowRight")
    assert tab.evaluate(seen) == ["+1", 2, "M0 60.0L360 120.0", False]
    tab.get_by_role("link", name="-1").click()
    assert tab.evaluate(seen)[:3] == ["-1", 0, "M0 60.0L360 0.0"]
    assert slider.get_attribute("aria-valuetext") == "-1"


def test_where_playing_is_refused_it_still_moves_and_the_player_waits(opened):
    tab = opened(REFUSED)
    slider = tab.get_by_role("slider", name="unit 3")
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "+1"
    player = tab.locator("audio")
    assert player.is_visible() and player.get_attribute("src") == tab.locator("a").last.get_attribute("href")


def test_without_javascript_there_are_a_player_and_a_link_for_each_place(opened):
    tab = opened(java_script_enabled=False)
    assert tab.get_by_role("slider").count() == 0
    assert tab.locator("audio").is_visible() and tab.locator("svg").is_visible()
    links = tab.get_by_role("link")
    assert links.all_inner_texts() == ["-1", "+0", "+1"]
    assert all(link.get_attribute("href").startswith("data:audio/mpeg") for link in links.all())
