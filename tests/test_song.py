"""Songs of the studio and the instruments that play them."""

import numpy as np
import pytest
import torch

from tfrgan_lite.errors import UserError
from tfrgan_lite.labels import ROLES, STYLES
from tfrgan_lite.studio import song
from tfrgan_lite.studio.ears import by_width, listen
from tfrgan_lite.studio.instruments import RATE
from tfrgan_lite.studio.song import INSTRUMENTS

SECONDS = 4.0


@pytest.fixture(scope="module")
def songs():
    return {style: song(5, style, SECONDS) for style in STYLES}


@pytest.mark.parametrize("style", STYLES)
def test_song(songs, style):
    one = songs[style]
    assert one.style == style and one.seed == 5 and one.sample_rate == 44100
    assert one.stems.shape == (len(one.roles), 2, round(SECONDS * 44100)) and one.stems.dtype == torch.float32
    assert 4 <= len(one.roles) <= 6 and len(one.names) == len(one.roles) and set(one.roles) <= set(ROLES)
    assert (
        {"drums", "bass"} < set(one.roles)
        and {"lead", "voice"} & set(one.roles)
        and {"keys", "guitar"} & set(one.roles)
    )
    assert torch.isfinite(one.stems).all() and one.stems.abs().max() <= 1
    assert listen(by_width(one.stems), 44100).audible.all()


def test_the_seed_is_the_song():
    first, again, other = song(11, seconds=2.0), song(11, seconds=2.0), song(12, seconds=2.0)
    assert torch.equal(first.stems, again.stems) and first.style == again.style and first.tempo == again.tempo
    assert first.tempo != other.tempo
    assert torch.equal(first.stems, song(11, first.style, seconds=2.0).stems)


def test_seeds_draw_every_style_tempo_and_number_of_tracks():
    some = [song(seed, seconds=0.1) for seed in range(40)]
    assert {one.style for one in some} == set(STYLES)
    assert {len(one.roles) for one in some} == {4, 5, 6}
    assert len({one.tempo for one in some}) > 30
    assert {role for one in some for role in one.roles} == set(ROLES)


def test_stems_are_raw():
    """Levels over most of 24 dB, tilts that differ by several dB for the same role, mono tracks and stereo ones."""
    some = [song(seed, "ballad", seconds=3.0) for seed in range(8)]
    heard = [listen(by_width(one.stems), 44100) for one in some]
    levels = torch.cat([h.level_db for h in heard])
    assert levels.max() - levels.min() > 14
    voices = torch.stack([h.tilt_db[one.roles.index("voice")] for h, one in zip(heard, some, strict=True)])
    assert voices.max() - voices.min() > 5
    stereo = [bool((stem[0] != stem[1]).any()) for one in some for stem in one.stems]
    strings = [role == "strings" for one in some for role in one.roles]
    assert stereo == strings and any(strings)


def test_tracks_enter_late_or_pause():
    silent_starts = 0
    for seed in range(8):
        one = song(seed, "pop", seconds=9.0)
        power = one.stems[:, 0].unfold(-1, 22050, 22050).square().mean(-1)
        silent_starts += int((power[:, :3].amax(1) < 0.01 * power.amax(1)).sum())
        assert (power[:, :2].amax(1) > 0.01 * power.amax(1)).any()
    assert silent_starts > 0


@pytest.mark.parametrize("name", sorted(INSTRUMENTS))
def test_instruments_play_in_tune(name):
    """The strongest line near the fundamental lies within 15 cents of it."""
    note = INSTRUMENTS[name](220.0, 1.0, np.random.default_rng(0))
    assert np.isfinite(note).all() and note.dtype == np.float32
    held = note[int(0.3 * RATE) : int(0.9 * RATE)]
    spectrum = np.abs(np.fft.rfft(held * np.hanning(len(held)), 2**18))
    hz = np.fft.rfftfreq(2**18, 1 / RATE)
    near = (hz > 200) & (hz < 240)
    assert abs(1200 * np.log2(hz[near][spectrum[near].argmax()] / 220)) < 15


def test_bad_arguments():
    with pytest.raises(UserError, match="pop, rock, electronic, ballad"):
        song(0, "polka")
    with pytest.raises(UserError, match="seconds"):
        song(0, seconds=0)
    with pytest.raises(UserError, match="seed"):
        song(-1)
