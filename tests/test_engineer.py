"""Engineers: what they decide, what they listen to, and the console that repeats it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from tfrgan_lite.audio import loudness, true_peak_db
from tfrgan_lite.errors import UserError
from tfrgan_lite.labels import STYLES
from tfrgan_lite.studio import Song, engineer, replay, song
from tfrgan_lite.studio.decide import decide
from tfrgan_lite.studio.ears import by_width, level, listen
from tfrgan_lite.studio.taste import CENTRE_ROLES, LOUDNESS_LUFS, draw

SECONDS = 4.0


@pytest.fixture(scope="module")
def songs():
    return {style: song(5, style, SECONDS) for style in STYLES}


@pytest.fixture(scope="module")
def mixes(songs):
    return {style: engineer(one, 1) for style, one in songs.items()}


def without(one, *roles):
    """A song without the tracks of some roles."""
    kept = [k for k, role in enumerate(one.roles) if role not in roles]
    return replace(one, stems=one.stems[kept], roles=tuple(one.roles[k] for k in kept), names=())


def strips(one, seed=1):
    """The console by role, without the drawn part of the gain."""
    return dict(zip(one.roles, engineer(one, seed).console, strict=True))


def test_bad_arguments():
    with pytest.raises(UserError, match="seed"):
        engineer(song(0, seconds=0.1), -1)
    with pytest.raises(UserError, match="pop, rock, electronic, ballad"):
        engineer(replace(song(0, seconds=0.1), style="polka"), 0)


@pytest.mark.parametrize("style", STYLES)
def test_mix(songs, mixes, style):
    mixed = mixes[style]
    assert mixed.wet_stems.shape == songs[style].stems.shape and torch.isfinite(mixed.mix).all()
    torch.testing.assert_close(mixed.mix, mixed.wet_stems.sum(0))
    assert true_peak_db(mixed.mix) <= -1.0
    assert float(loudness(mixed.mix, 44100)) == pytest.approx(LOUDNESS_LUFS[STYLES.index(style)], abs=0.5)
    assert len(mixed.console) == len(songs[style].roles)
    assert all(np.isfinite(list(strip.values())).all() for strip in mixed.console)


def test_most_mixes_land_on_their_loudness():
    missed = [
        LOUDNESS_LUFS[STYLES.index(one.style)] - float(loudness(engineer(one, seed).mix, 44100))
        for seed, one in ((seed, song(seed, seconds=3.0)) for seed in range(8))
    ]
    assert np.median(missed) < 0.1 and max(missed) < 0.5


def test_console_replays_the_mix(songs, mixes):
    mixed = mixes["pop"]
    wet = replay(songs["pop"].stems, 44100, mixed.console, mixed.room, mixed.master)
    torch.testing.assert_close(wet, mixed.wet_stems)


def test_engineers_agree_with_themselves_only(songs, mixes):
    again, other = engineer(songs["rock"], 1), engineer(songs["rock"], 2)
    assert torch.equal(again.mix, mixes["rock"].mix) and again.console == mixes["rock"].console
    assert (other.mix - again.mix).abs().max() > 0.01 and other.room["seed"] != again.room["seed"]


def test_seeds_pan_to_both_sides(songs):
    one = songs["pop"]
    heard = listen(by_width(one.stems), 44100)
    sides = set()
    for seed in range(12):
        pan = decide(heard, one.roles, 0, one.tempo, draw(seed, 0))["pan"]
        focus = [k for k, role in enumerate(one.roles) if role in (*CENTRE_ROLES, "voice")]
        assert (pan[focus] == 0).all() and pan.abs().max() > 0.1
        sides.add(float(pan[one.roles.index("keys")].sign()))
    assert sides == {-1.0, 1.0}


def test_side_tracks_stand_in_pairs():
    stems = 0.1 * torch.randn(6, 1, 44100, generator=torch.Generator().manual_seed(0)).expand(-1, 2, -1)
    one = Song(stems, ("drums", "bass", "voice", "guitar", "guitar", "keys"), "rock", 44100)
    pans = [strip["pan"] for strip in engineer(one, 0).console]
    assert pans[:3] == [0, 0, 0]
    assert sorted(np.sign(pans[3:])) in ([-1, -1, 1], [-1, 1, 1])
    widest = sorted(pans[3:], key=abs)[-2:]
    assert widest[0] == pytest.approx(-widest[1])


def test_keys_listen_to_the_voice(songs):
    one = songs["pop"]
    with_voice, alone = strips(one)["keys"], strips(without(one, "voice"))["keys"]
    assert with_voice["high_peak_db"] < -1 and alone["high_peak_db"] > 0
    assert with_voice["high_peak_hz"] != alone["high_peak_hz"]
    # The cut lies where this voice lives: a brighter one moves it.
    bright = one.stems.clone()
    voice = one.roles.index("voice")
    bright[voice, :, 1:] -= 0.9 * one.stems[voice, :, :-1]
    moved = strips(replace(one, stems=bright))["keys"]
    assert moved["high_peak_hz"] > 1.1 * with_voice["high_peak_hz"]


def test_bass_makes_room_for_the_kick(songs):
    one = songs["rock"]
    with_kick, alone = strips(one)["bass"], strips(without(one, "drums"))["bass"]
    assert with_kick["low_peak_db"] < alone["low_peak_db"] - 1 and with_kick["low_peak_hz"] < 160 < alone["low_peak_hz"]


def test_equaliser_corrects_the_tilt(songs):
    one = songs["ballad"]
    track = one.roles.index("keys")
    muddy = one.stems.clone()
    muddy[track] = torch.from_numpy(lfilter([0.2], [1, -0.8], muddy[track].numpy(), axis=-1))  # dull above 1.5 kHz
    before, after = strips(one)["keys"], strips(replace(one, stems=muddy))["keys"]
    assert after["high_shelf_db"] > before["high_shelf_db"] + 0.5
    assert after["low_shelf_db"] < before["low_shelf_db"] - 0.5


def test_compression_follows_crest():
    tone = 0.2 * torch.sin(torch.arange(88200) * 0.05)
    hits = tone * torch.exp(-(torch.arange(88200) % 11025) / 800)
    stems = torch.stack([tone, hits])[:, None].expand(-1, 2, -1)
    calm, peaky = engineer(Song(stems, ("guitar", "guitar"), "pop", 44100), 0).console
    assert peaky["ratio"] > calm["ratio"] + 0.5


def test_fader_undoes_the_recording_level(songs):
    """A stem recorded 9 dB lower ends up as loud as before."""
    one = songs["electronic"]
    stems = one.stems.clone()
    track = one.roles.index("keys")
    stems[track] *= 10 ** (-9 / 20)
    before, after = engineer(one, 4), engineer(replace(one, stems=stems), 4)
    assert after.console[track]["gain_db"] - before.console[track]["gain_db"] == pytest.approx(9, abs=0.1)
    torch.testing.assert_close(after.mix, before.mix, rtol=0, atol=2e-3)


def test_engineer_does_not_care_about_the_order_of_tracks(songs):
    one = songs["ballad"]
    order = list(range(len(one.roles)))[::-1]
    taste = draw(0, 3)
    straight = decide(listen(by_width(one.stems), 44100), one.roles, 3, one.tempo, taste)
    turned = decide(listen(by_width(one.stems[order]), 44100), tuple(one.roles[k] for k in order), 3, one.tempo, taste)
    for name, values in straight.items():
        torch.testing.assert_close(turned[name], values[order], rtol=1e-4, atol=1e-4)


def test_silent_tracks_stay_silent(songs):
    one = songs["pop"]
    stems = one.stems.clone()
    track = one.roles.index("keys")
    stems[track] = 0
    mixed = engineer(replace(one, stems=stems), 0)
    assert (mixed.wet_stems[track] == 0).all() and torch.isfinite(mixed.mix).all()
    # A silent track is as good as none, also for the others.
    rest = [k for k in range(len(one.roles)) if k != track]
    fewer = engineer(without(one, "keys"), 0)
    for k, strip in zip(rest, fewer.console, strict=True):
        assert {n: v for n, v in strip.items() if n != "gain_db"} == pytest.approx(
            {n: v for n, v in mixed.console[k].items() if n != "gain_db"}
        )
    nothing = engineer(replace(one, stems=torch.zeros_like(one.stems)), 0)
    assert (nothing.mix == 0).all() and nothing.master["gain_db"] == 0


@pytest.mark.parametrize(("rate", "samples"), [(8000, 9000), (192000, 50000), (44100, 1)])
def test_engineer_takes_odd_rates_and_lengths(rate, samples):
    stems = 0.1 * torch.randn(3, 2, samples, generator=torch.Generator().manual_seed(1))
    mixed = engineer(Song(stems, ("drums", "voice", "other"), "rock", rate), 0)
    assert mixed.mix.shape == (2, samples) and torch.isfinite(mixed.wet_stems).all()


def test_level_is_the_standards_loudness(songs):
    off = torch.cat([level(by_width(one.stems), 44100) - loudness(one.stems, 44100) for one in songs.values()])
    assert off.abs().max() < 1 and off.abs().median() < 0.2
