"""A desk of tfrgan_lite.lesson in a browser: by mouse and keyboard, with no network, with no sound, with no script."""

import math

import pytest
import torch

from tfrgan_lite.lesson import desk

RATE, NAMES = 32000, ["low", "high", "hiss"]
NO_WEB_AUDIO = "delete window.AudioContext; delete window.webkitAudioContext"
# What the book's theme says of a class that many pages have.
BOOTSTRAP = ".row { display: flex; flex-wrap: wrap } .row > * { flex-shrink: 0; width: 100%; max-width: 100% }"
NO_DEVICE = """
AudioContext.prototype.resume = () => new Promise(() => {});
Object.defineProperty(AudioContext.prototype, "state", {get: () => "suspended"});
"""


@pytest.fixture(scope="module")
def board():
    time = torch.arange(2 * RATE) / RATE
    tones = torch.stack([0.1 * torch.sin(2 * torch.pi * f * time) for f in (220, 880)])
    hiss = 0.02 * torch.randn(1, 2 * RATE, generator=torch.Generator().manual_seed(0))
    dry = torch.cat([tones, hiss])[:, None].repeat(1, 2, 1)
    wet = dry * torch.tensor([[1.0, 0.1], [0.1, 1.0], [2.0, 2.0]])[:, :, None]
    return desk(dry, RATE, "Two tones and hiss.", NAMES, {"quieter": dry * 0.5, "apart": wet})


@pytest.fixture
def html(board):
    return board.html


def gains(tab) -> dict:
    """What the nodes are set to, once they no longer move."""
    tab.wait_for_timeout(200)
    return tab.evaluate("() => document.querySelector('.desk').desk.gains()")


def test_buttons_switch_and_faders_move_the_audio_graph(opened, board):
    tab = opened()
    assert tab.evaluate("() => document.querySelector('.desk').desk.gains()") is None, "silent until asked"
    tab.get_by_role("button", name="Play").click()
    tab.get_by_role("button", name="Pause").wait_for()
    tab.wait_for_function("() => document.querySelector('.desk').desk.gains()")
    level = {name: 10 ** (gain / 20) for name, gain in board.gains_db.items()}
    seen = gains(tab)
    assert seen["faders"] == pytest.approx([1, 1, 1], abs=1e-3) and seen["pans"] == pytest.approx([0, 0, 0], abs=1e-3)
    assert seen["gates"] == [pytest.approx([gain] * 3, abs=1e-3) for gain in (level["dry"], 0, 0)]

    solo, mute = tab.get_by_role("button", name="Solo high"), tab.get_by_role("button", name="Mute high")
    solo.click()
    assert solo.get_attribute("aria-pressed") == "true" and mute.get_attribute("aria-pressed") == "false"
    assert gains(tab)["faders"] == pytest.approx([0, 1, 0], abs=1e-3)
    heard = tab.evaluate("() => document.querySelector('.desk').desk.levels()")
    # As small as these sounds are stored, a pure tone wavers by half a decibel.
    assert heard["sum"] == pytest.approx(20 * math.log10(0.1 * level["dry"] / math.sqrt(2)), abs=1)
    assert heard["tracks"][0] == heard["tracks"][2] == -60
    mute.press("Enter")
    assert gains(tab)["faders"] == pytest.approx([0, 0, 0], abs=1e-3), "mute wins over solo"
    mute.press("Space")
    solo.click()
    assert gains(tab)["faders"] == pytest.approx([1, 1, 1], abs=1e-3)

    tab.get_by_role("radio", name="dry").press("ArrowDown")
    assert tab.get_by_role("radio", name="quieter").is_checked()
    assert gains(tab)["gates"] == [pytest.approx([gain] * 3, abs=1e-3) for gain in (0, level["quieter"] / 2, 0)]
    tab.get_by_role("radio", name="apart").check()
    apart = [level["apart"] * gain for gain in (1, 1, 2)]  # the hiss is the dry one, twice as loud
    assert gains(tab)["gates"] == [pytest.approx(each, abs=1e-3) for each in ([0] * 3, [0] * 3, apart)]

    fader, pan = tab.get_by_role("slider", name="Level of low"), tab.get_by_role("slider", name="Pan of low")
    for _ in range(6):
        fader.press("ArrowLeft")
    assert fader.get_attribute("aria-valuetext") == "−6 decibels"
    assert gains(tab)["faders"][0] == pytest.approx(10 ** (-6 / 20), abs=1e-3)
    fader.press("Home")
    assert fader.get_attribute("aria-valuetext") == "silent"
    pan.press("End")
    assert pan.get_attribute("aria-valuetext") == "100 per cent right"
    seen = gains(tab)
    assert seen["faders"][0] == pytest.approx(0, abs=1e-3) and seen["pans"][0] == pytest.approx(1, abs=1e-3)

    tab.get_by_role("button", name="Reset").click()
    seen = gains(tab)
    assert seen["faders"] == pytest.approx([1, 1, 1], abs=1e-3) and seen["pans"][0] == pytest.approx(0, abs=1e-3)
    assert tab.get_by_role("radio", name="dry").is_checked()


def test_time_runs_while_it_plays_and_stands_while_it_does_not(opened):
    tab = opened()
    place = tab.get_by_role("slider", name="Position")
    tab.get_by_role("button", name="Play").click()
    tab.wait_for_function("() => document.querySelector('[aria-label^=Position]').value > 0.2")
    tab.get_by_role("button", name="Pause").click()
    tab.wait_for_timeout(200)
    stands = place.input_value()
    tab.wait_for_timeout(300)
    assert place.input_value() == stands and 0.2 < float(stands) < 2
    assert tab.get_by_role("meter", name="Level of the mix").get_attribute("value") == "-60"
    place.fill("1.5")
    assert place.get_attribute("aria-valuetext") == "1.5 of 2.0 s"


def test_it_is_named_narrow_and_shows_its_focus(opened):
    tab = opened(viewport={"width": 360, "height": 740})
    tab.add_style_tag(content=BOOTSTRAP)
    assert tab.evaluate("() => document.documentElement.scrollWidth") <= 360
    mute, solo = (tab.get_by_role("button", name=f"{word} low").bounding_box() for word in ("Mute", "Solo"))
    assert mute["y"] == solo["y"] and mute["x"] + mute["width"] <= solo["x"], "side by side, whatever the theme's grid"
    names = "els => els.map(e => e.getAttribute('aria-label') || e.textContent || e.labels?.[0]?.textContent || '')"
    controls = tab.locator("button, input, meter")
    assert controls.count() == 2 + 1 + 3 + 1 + 5 * len(NAMES)
    assert "" not in controls.evaluate_all(names)
    tab.keyboard.press("Tab")
    assert tab.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert tab.locator("audio").first.is_hidden()


@pytest.mark.parametrize(("why", "said"), [(NO_WEB_AUDIO, "no Web Audio"), (NO_DEVICE, "no sound device")])
def test_without_sound_it_says_so_and_the_plain_players_show(opened, why, said):
    tab = opened(why)
    play = tab.get_by_role("button", name="Play")
    if play.count():
        play.click()
    tab.get_by_role("status").filter(has_text=said).wait_for()
    assert tab.locator("audio").first.is_visible()
    assert tab.get_by_role("button", name="Pause").count() == 0


def test_without_javascript_the_plain_players_show(opened, board):
    tab = opened(java_script_enabled=False)
    assert tab.locator("audio").count() == len(board.sounds) and tab.locator("audio").last.is_visible()
    assert tab.get_by_text("faders need JavaScript").is_visible()
    assert tab.get_by_role("button").count() == 0


def test_as_a_widget_it_follows_its_model_and_tells_it(opened, board):
    tab = opened()
    tab.evaluate(
        """async ([esm, figure, settings]) => {
            const {default: widget} = await import(`data:text/javascript,${encodeURIComponent(esm)}`);
            const kept = {figure, settings}, heard = {};
            window.model = {
                get: key => kept[key], set: (key, value) => (kept[key] = value), saved: 0,
                save_changes() { this.saved += 1; },
                on: (event, call) => (heard[event] = call), off: event => delete heard[event],
                fromPython(value) { kept.settings = value; heard["change:settings"](); },
            };
            document.body.innerHTML = "";
            const el = document.body.appendChild(document.createElement("div"));
            window.close_desk = widget.render({model: window.model, el});
        }""",
        [board._esm, board.figure, board.settings],
    )
    tab.get_by_role("button", name="Mute low").click()
    assert tab.evaluate("() => [model.saved, model.get('settings').tracks[0].mute]") == [1, True]
    settings = board.settings | {"version": "apart"}
    settings["tracks"] = [{"gain_db": -12, "pan": -0.5, "mute": False, "solo": True}] * 3
    tab.evaluate("settings => model.fromPython(settings)", settings)
    assert tab.get_by_role("radio", name="apart").is_checked()
    assert tab.get_by_role("slider", name="Pan of hiss").get_attribute("aria-valuetext") == "50 per cent left"
    assert tab.get_by_role("slider", name="Level of hiss").input_value() == "-12"
    tab.evaluate("() => close_desk()")
