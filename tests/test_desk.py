"""tfrgan_lite.lesson.desk: what it stores adds up to each version, at one loudness and size; bad input is named."""

import html
import io
import json
import re

import numpy as np
import pytest
import soundfile
import torch

from tfrgan_lite import baselines
from tfrgan_lite.audio import loudness
from tfrgan_lite.errors import UserError
from tfrgan_lite.lesson import desk
from tfrgan_lite.lesson.board import ASSETS
from tfrgan_lite.lesson.desk import MAX_BYTES, RATE
from tfrgan_lite.studio import engineer, song

SECONDS = 1.5


def chords(tracks: int, seed: int, seconds: float = SECONDS) -> torch.Tensor:
    """Tracks (N, 2, samples) of eight sines each, at places of their own between left and right."""
    draw = torch.Generator().manual_seed(seed)
    time = torch.arange(int(seconds * RATE)) / RATE
    pitch = 100 + 2000 * torch.rand(tracks, 8, 1, generator=draw)
    return 0.02 * torch.rand(tracks, 2, 8, generator=draw) @ torch.sin(2 * torch.pi * pitch * time)


@pytest.fixture(scope="module")
def board():
    dry = chords(3, 0)
    turned = dry * torch.tensor([0.5, 2.0, 0.0])[:, None, None]
    return desk(dry, RATE, "Chords.", ["a", "b", "c"], {"turned": turned, "other": 3 * chords(3, 1)})


def plan_of(board) -> dict:
    return json.loads(html.unescape(re.search(r'data-plan="([^"]*)"', board.figure)[1]))


def decoded(data: bytes) -> torch.Tensor:
    return torch.from_numpy(soundfile.read(io.BytesIO(data), always_2d=True, dtype="float32")[0].T).expand(2, -1)


def played(board, version: int) -> torch.Tensor:
    """What the desk plays with all faders at 0 dB: the stored tracks, each by its gain."""
    plan = plan_of(board)
    tracks = [decoded(data) for _, data in board.sounds[len(plan["versions"]) :]]
    return sum(tracks[each["source"]] * each["gain"] for each in plan["versions"][version]["tracks"])


def test_every_version_is_what_its_players_play_and_as_loud_as_the_others(board):
    versions = plan_of(board)["versions"]
    assert [version["name"] for version in versions] == ["dry", "turned", "other"]
    for v in range(3):
        sums, player = played(board, v), decoded(board.sounds[v][1])
        assert float(np.corrcoef(sums.flatten(), player.flatten())[0, 1]) > 0.95
        assert float(loudness(sums, RATE)) == pytest.approx(float(loudness(player, RATE)), abs=0.3)
        assert float(loudness(sums, RATE)) == pytest.approx(float(loudness(played(board, 0), RATE)), abs=0.3)
    assert board.gains_db["other"] < board.gains_db["dry"]


def test_a_stem_that_only_changes_its_level_is_not_stored_again(board):
    assert [name for name, _ in board.sounds[3:]] == [
        *("a, dry", "b, dry", "c, dry"),
        *("a, other", "b, other", "c, other"),
    ]
    dry, turned, other = (version["tracks"] for version in plan_of(board)["versions"])
    assert [track["source"] for track in turned] == [0, 1, 2] and [track["source"] for track in other] == [3, 4, 5]
    turned_by = [after["gain"] / before["gain"] for before, after in zip(dry, turned, strict=True)]
    assert turned_by[0] / turned_by[1] == pytest.approx(0.25, rel=1e-3) and turned_by[2] == 0


def test_silence_and_a_stem_that_is_silent_when_dry():
    dry = torch.zeros(2, 1, RATE)
    board = desk(dry, RATE, "Nothing, then something.", versions={"loud": dry + chords(2, 0, 1.0)})
    assert board.gains_db["dry"] == 0 and [name for name, _ in board.sounds[2:]][2:] == [
        "track 1, loud",
        "track 2, loud",
    ]
    assert played(board, 0).abs().max() < 1e-4 < played(board, 1).abs().max()


def test_five_seconds_of_a_song_in_four_versions_fit():
    raw = song(1_000_000, "pop", 10.0)
    versions = {"rule": baselines.equal_loudness(raw.stems, raw.sample_rate)[1]}
    versions |= {f"engineer {seed}": engineer(raw, seed).wet_stems for seed in (0, 1)}
    end = slice(-5 * raw.sample_rate, None)  # where every track plays
    versions = {name: wet[..., end] for name, wet in versions.items()}
    board = desk(raw.stems[..., end], raw.sample_rate, "A song.", raw.names, versions)
    assert len(raw.stems) >= 6 and len(board.html) <= MAX_BYTES
    stored = {name.partition(", ")[2] for name, _ in board.sounds[4:]}
    assert stored == {"dry", "engineer 0", "engineer 1"}, "a rule's gains are kept as gains"


def test_what_is_too_large_is_refused_with_a_length_that_fits(monkeypatch):
    monkeypatch.setitem(desk.__globals__, "MAX_BYTES", 80_000)
    stems = chords(2, 0, 4.0)
    with pytest.raises(UserError, match="stems: a desk of .* MB, more than 0.08 MB") as caught:
        desk(stems, RATE, "Chords.")
    fits = float(re.search(r"about ([\d.]+) s", str(caught.value))[1])
    assert 1 < fits < 4 and len(desk(stems[..., : int(fits * RATE)], RATE, "Chords.").html) <= 80_000


def test_one_output_for_a_widget_a_page_and_a_terminal(board):
    data, _ = board._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == board.model_id
    assert data["text/plain"] == repr(board) and "\n" not in repr(board)
    page = data["text/html"]
    assert (
        board.figure in page and (ASSETS / "desk.js").read_text() in page and (ASSETS / "board.css").read_text() in page
    )
    assert not re.search(r"https?:|@import|src=\"(?!data:)", page)
    assert board._esm in page, "the widget runs the same module"


def test_words_are_escaped():
    board = desk(chords(1, 0), RATE, "What <this> is.", ['<b> & "c"'])
    assert not re.search(r"<b>|<this>", board.html)
    assert plan_of(board)["names"] == ['<b> & "c"']


def test_settings_are_read_and_set_in_python_and_nonsense_is_refused(board):
    before = board.settings
    track = {"gain_db": -6, "pan": 0.5, "mute": True, "solo": False}
    board.settings = {"version": "other", "tracks": [track] * 3}
    assert board.get_state("settings")["settings"]["tracks"][0] == track
    for wrong, said in (
        ({}, "version"),
        ({"version": "none", "tracks": [track] * 3}, "one of dry, turned, other"),
        ({"version": "dry", "tracks": [track] * 2}, "list of 3"),
        ({"version": "dry", "tracks": [track, track, {}]}, "c: give"),
        ({"version": "dry", "tracks": [track | {"gain_db": 7}, track, track]}, "a: gain_db: is 7"),
        ({"version": "dry", "tracks": [track | {"pan": "left"}, track, track]}, "a: pan"),
        ({"version": "dry", "tracks": [track | {"mute": 1}, track, track]}, "mute"),
    ):
        with pytest.raises(UserError, match=said) as caught:
            board.settings = wrong
        assert "\n" not in str(caught.value)
    assert board.settings["version"] == "other"
    board.settings = before


DRY = torch.zeros(2, 2, 4000)


@pytest.mark.parametrize(
    ("stems", "rate", "changed", "named"),
    [
        (torch.zeros(0, 2, 4000), RATE, {}, "0 tracks"),
        (torch.zeros(17, 2, 4000), RATE, {}, "17 tracks"),
        (torch.zeros(2, 4000), RATE, {}, "shape"),
        (torch.zeros(2, 2, 0), RATE, {}, "no samples"),
        (DRY + float("nan"), RATE, {}, "NaN"),
        (DRY, 100, {}, "sample_rate"),
        (DRY, RATE, {"describe": " "}, "describe"),
        (DRY, RATE, {"names": ["a"]}, "names"),
        (DRY, RATE, {"names": ["a", "a"]}, "names"),
        (DRY, RATE, {"versions": {"dry": DRY}}, '"dry"'),
        (DRY, RATE, {"versions": {"mix": DRY[0]}}, r"versions\['mix'\]: has shape"),
        (DRY, RATE, {"versions": {"short": DRY[..., 1:]}}, r"versions\['short'\]: has shape"),
        (DRY, RATE, {"versions": {"few": DRY[:1]}}, r"versions\['few'\]: has shape"),
        (DRY, RATE, {"versions": {"bad": DRY + float("inf")}}, r"versions\['bad'\]: .*NaN or infinite"),
    ],
)
def test_bad_input_is_one_line_that_names_it(stems, rate, changed, named):
    with pytest.raises(UserError, match=named) as caught:
        desk(stems, rate, **({"describe": "x"} | changed))
    assert "\n" not in str(caught.value)
