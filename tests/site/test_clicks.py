"""A reader's clicks on the built pages: a desk, a player, a folded solution and the search do what they say."""

import pytest
from make_pdf import MATHS, PATIENCE_MS

# Time runs: a player that was only asked to play stays at 0.
PLAYS = "audio => new Promise(done => { audio.ontimeupdate = () => audio.currentTime > 0 && done(true); })"


@pytest.fixture
def opened(site, browser):
    """A function that opens a page of the site by its name, its mathematics set."""
    contexts = []

    def open_page(name: str):
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 900}))
        tab = contexts[-1].new_page()
        tab.goto((site / f"{name}.html").as_uri(), wait_until="load", timeout=PATIENCE_MS)
        tab.evaluate(MATHS)
        return tab

    yield open_page
    for context in contexts:
        context.close()


def test_the_desk_of_the_first_chapter_plays_mutes_and_switches(opened):
    desk = opened("notebooks/00_ten_minute_tour").locator(".desk").first
    desk.get_by_role("button", name="Play").click()
    desk.get_by_role("button", name="Pause").wait_for()
    mute = desk.get_by_role("button", name="Mute").first
    mute.click()
    assert mute.get_attribute("aria-pressed") == "true"
    versions = desk.get_by_role("radio")
    assert versions.count() >= 4, "dry, a rule, a take and an engineer"
    versions.last.check()
    desk.page.wait_for_timeout(200)
    seen = desk.evaluate("node => node.desk.gains()")
    assert seen["faders"][0] == pytest.approx(0, abs=1e-3) and min(seen["faders"][1:]) > 0.9
    assert max(seen["gates"][-1]) > 0 and max(max(gates) for gates in seen["gates"][:-1]) < 1e-3


def test_a_player_plays_when_it_is_clicked(opened):
    tab = opened("notebooks/04_positional_encoding")
    player = tab.locator("audio[controls]").first
    player.scroll_into_view_if_needed()
    assert player.evaluate("audio => audio.paused")
    box = player.bounding_box()
    tab.mouse.click(box["x"] + 25, box["y"] + box["height"] / 2)  # where Chromium draws its button
    assert player.evaluate(PLAYS)


def test_a_solution_opens_and_folds_again(opened):
    solution = opened("notebooks/04_positional_encoding").locator(".solution.dropdown").first
    words, switch = solution.locator("p, pre").last, solution.locator("button").first
    assert not words.is_visible()
    switch.click()
    words.wait_for(state="visible")
    switch.click()
    words.wait_for(state="hidden")


def test_the_search_is_opened_typed_into_and_followed(opened):
    tab = opened("book/credits")
    tab.get_by_role("button", name="Search").locator("visible=true").first.click()
    field = tab.locator("input[type=search]:visible").first
    field.fill("reverb")
    field.press("Enter")
    found = tab.locator("#search-results li a")
    found.first.wait_for()
    assert "/search.html?q=reverb" in tab.url
    found.first.click()
    tab.wait_for_url(lambda url: "/search.html" not in url)
    assert "reverb" in tab.locator("article").inner_text().lower()
