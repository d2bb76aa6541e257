"""tfrgan_lite.lesson.slide: one sound a position, a label, links without JavaScript, curves, one-line errors."""

import io
import json
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
import torch

from tfrgan_lite.errors import UserError
from tfrgan_lite.lesson import listen, slide

RATE = 44100
SOUNDS = {f"{k:+d}": 0.1 * (k + 2) * torch.sin(torch.arange(4410) * 0.06) for k in (-1, 0, 1)}
CURVES = {"left": torch.tensor([[0.0, 1, 2], [0, 0, 0], [0, -1, -4]])}


class Parts(HTMLParser):
    """Tag -> the attributes of each of its elements, and what stands in the output element."""

    def __init__(self, text):
        super().__init__()
        self.found, self.here, self.shown = {}, None, ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.here = tag
        self.found.setdefault(tag, []).append(dict(attrs))

    def handle_data(self, data):
        if self.here == "output":
            self.shown, self.here = data, None


def test_a_slider_has_a_label_a_position_for_each_sound_and_begins_in_the_middle():
    found = Parts(slide(SOUNDS, RATE, "A tone, softer & louder.", "unit 3").html)
    [control], [label], [figure] = found.found["input"], found.found["label"], found.found["figure"]
    assert (control["type"], control["min"], control["max"], control["value"]) == ("range", "0", "2", "1")
    assert label["for"] == control["id"] and found.shown == "+0"
    assert figure["aria-label"] == "A tone, softer & louder."


def test_without_javascript_there_are_a_player_and_links_and_no_dead_slider():
    made = slide(SOUNDS, RATE, "A tone.", "unit 3")
    found = Parts(made.html).found
    assert [link["href"].split(",")[0] for link in found["a"]] == ["data:audio/mpeg;base64"] * 3
    assert all(link["download"].endswith(".mp3") for link in found["a"])
    [player] = found["audio"]
    assert "controls" in player and player["aria-label"] == "unit 3" and player["src"] == found["a"][1]["href"]
    assert [attrs for attrs in found["p"] if attrs.get("class") == "slider"] == [{"class": "slider", "hidden": None}]


def test_sounds_can_be_brought_to_one_loudness_and_the_caption_says_so():
    made = slide(SOUNDS, RATE, "A tone.", "unit 3", match_loudness=True)
    assert made.mp3 == listen(SOUNDS, RATE, "A tone.", match_loudness=True).mp3 != listen(SOUNDS, RATE, "A tone.").mp3
    assert "same loudness" in made.html and "same loudness" not in slide(SOUNDS, RATE, "A tone.", "unit 3").html


def test_the_sounds_are_those_of_listen_with_one_gain():
    made = slide(SOUNDS, RATE, "A tone.", "unit 3")
    assert made.mp3 == listen(SOUNDS, RATE, "A tone.").mp3
    loud = [np.std(soundfile.read(io.BytesIO(data))[0]) for data in made.mp3.values()]
    assert loud[2] / loud[0] == pytest.approx(3, rel=0.03)
    assert "unit 3" in repr(made) and made._repr_html_() == made.html


def test_curves_are_drawn_to_one_scale():
    found = Parts(slide(SOUNDS, RATE, "A tone.", "unit 3", CURVES, "dB").html).found
    lines = json.loads(found["figure"][0]["data-lines"])
    assert lines == [["M0 60.0L180 45.0L360 30.0"], ["M0 60.0L180 60.0L360 60.0"], ["M0 60.0L180 75.0L360 120.0"]]
    [drawn] = [path for path in found["path"] if path.get("class") == "line"]
    assert drawn["d"] == lines[1][0]  # the middle position, without JavaScript as well
    assert "left solid" in found["svg"][0]["aria-label"]


def test_a_span_of_ones_own_keeps_small_curves_small():
    made = slide(SOUNDS, RATE, "A tone.", "unit 3", CURVES, "dB", span=40.0)
    assert json.loads(Parts(made.html).found["figure"][0]["data-lines"])[2] == ["M0 60.0L180 61.5L360 66.0"]
    assert "from -40 to 40 dB" in made.html
    with pytest.raises(UserError, match="span: is -1"):
        slide(SOUNDS, RATE, "A tone.", "unit 3", CURVES, "dB", span=-1)


def test_two_sliders_on_a_page_have_different_names_and_the_same_one_the_same():
    first, again = (slide(SOUNDS, RATE, "A tone.", "unit 3").html for _ in range(2))
    assert first == again
    ids = [Parts(slide(SOUNDS, RATE, "A tone.", name).html).found["figure"][0]["id"] for name in ("unit 3", "unit 4")]
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    ("sounds", "curves", "named"),
    [
        ({"+0": SOUNDS["+0"]}, None, "at least 2 positions"),
        (SOUNDS | {"+2": torch.zeros(0)}, None, r"sounds\['\+2'\]: holds no samples"),
        (SOUNDS, {"left": torch.zeros(2, 5)}, r"curves\['left'\]"),
        (SOUNDS, {"left": torch.full((3, 5), torch.nan)}, r"curves\['left'\]"),
        (SOUNDS, {str(k): torch.zeros(3, 5) for k in range(5)}, "5 lines are too many"),
    ],
)
def test_bad_input_is_one_line_that_names_it(sounds, curves, named):
    with pytest.raises(UserError, match=named) as caught:
        slide(sounds, RATE, "A tone.", "unit 3", curves)
    assert "\n" not in str(caught.value)
