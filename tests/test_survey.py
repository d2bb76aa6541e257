"""The survey of many songs: what it says of a song is what song and engineer say, and it is the same every time."""

import pytest
import torch

from tfrgan_lite.audio import loudness
from tfrgan_lite.errors import UserError
from tfrgan_lite.labels import STYLES
from tfrgan_lite.studio import engineer, song
from tfrgan_lite.studio.ears import by_width, listen
from tfrgan_lite.studio.survey import _cover, survey

SECONDS = 3.0


@pytest.fixture(scope="module")
def surveyed():
    return survey(len(STYLES) + 1, SECONDS, first=7, progress=False)


def test_the_styles_take_turns(surveyed):
    assert [one.style for one in surveyed] == [*STYLES, STYLES[0]]


def test_a_surveyed_song_is_what_song_and_engineer_make(surveyed):
    raw = song(8, STYLES[1], SECONDS)
    mixed, one = engineer(raw, 8), surveyed[1]
    heard = listen(by_width(raw.stems), raw.sample_rate)
    assert (one.tempo, one.room) == (raw.tempo, mixed.room)
    assert one.lufs == pytest.approx(float(loudness(mixed.mix, raw.sample_rate)), abs=1e-3)
    torch.testing.assert_close(one.bands, listen(by_width(mixed.mix[None]), raw.sample_rate).bands[0])
    assert float(one.bands.sum()) == pytest.approx(1)
    audible = [k for k in range(len(raw.roles)) if heard.audible[k]]
    assert [track["role"] for track in one.tracks] == [raw.roles[k] for k in audible]
    for k, track in zip(audible, one.tracks, strict=True):
        assert {name: track[name] for name in mixed.console[k]} == pytest.approx(mixed.console[k])
        for name in ("crest_db", "tilt_db", "density"):
            assert track[name] == pytest.approx(float(getattr(heard, name)[k]), rel=1e-4)
        others = [float(heard.overlap(k, other)) for other in audible if other != k]
        assert track["overlap"] == pytest.approx(max(others))
    assert one.playing == pytest.approx(sum(track["density"] for track in one.tracks), rel=1e-4)


def test_cover_is_measured_against_the_voice_or_the_lead(surveyed):
    for one in surveyed:
        roles = [track["role"] for track in one.tracks]
        focus = next((role for role in ("voice", "lead") if role in roles), None)
        without = [track["role"] for track in one.tracks if track["cover"] is None]
        assert without == ([focus] if focus else roles)
        assert all(0 <= track["cover"] <= 1 for track in one.tracks if track["cover"] is not None)


@pytest.mark.parametrize(("hz", "low", "high"), [((1000, 1000), 0.95, 1.0), ((1000, 4000), 0.0, 0.1)])
def test_a_sound_covers_its_own_kind_and_no_other(hz, low, high):
    clock = torch.arange(2 * 44100) / 44100
    tones = torch.stack([(0.1 * torch.sin(2 * torch.pi * f * clock)).expand(2, -1) for f in hz])
    tones[1] *= 0.1  # the level does not count
    assert low <= _cover(listen(by_width(tones), 44100), 1, 0) <= high + 1e-6


def test_another_first_seed_gives_other_songs(surveyed):
    other = survey(1, SECONDS, first=8, progress=False)[0]
    assert other.tempo != surveyed[0].tempo or other.lufs != surveyed[0].lufs


def test_no_song_is_refused():
    with pytest.raises(UserError, match="songs: 0 is too few"):
        survey(0)
