"""A slider of tfrgan_lite.lesson.slide in a browser: the arrow keys and the links move it, draw and play."""

import torch

from tfrgan_lite.lesson import slide


def test_a_slider_moves_draws_and_plays_by_keyboard_and_link(tmp_path, browser):
    sounds = {f"{k:+d}": 0.1 * (k + 2) * torch.sin(torch.arange(44100) * 0.06) for k in (-1, 0, 1)}
    curves = {"left": torch.tensor([[0.0, 1], [0, 0], [0, -1]])}
    page = tmp_path / "page.html"
    page.write_text(f'<meta charset="utf-8">{slide(sounds, 44100, "A tone.", "unit 3", curves).html}')
    tab, errors = browser.new_page(), []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(page.as_uri())
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
    assert errors == []
