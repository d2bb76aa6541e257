"""Songs, engineers and folders of stems."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import lfilter

from tfrgan_lite.audio import loudness, true_peak_db
from tfrgan_lite.errors import UserError
from tfrgan_lite.labels import ROLES, STYLES
from tfrgan_lite.studio import Song, engineer, read_folder, replay, song
from tfrgan_lite.studio.ears import by_width, level, listen
from tfrgan_lite.studio.engineer import CENTRE_ROLES, LOUDNESS_LUFS, _taste, decide
from tfrgan_lite.studio.instruments import RATE
from tfrgan_lite.studio.song import INSTRUMENTS

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
    short = LOUDNESS_LUFS[STYLES.index(style)] - float(loudness(mixed.mix, 44100))
    assert short == pytest.approx(0, abs=0.1) or (short > 0 and true_peak_db(mixed.mix) > -1.1)
    assert len(mixed.console) == len(songs[style].roles)
    assert all(np.isfinite(list(strip.values())).all() for strip in mixed.console)


def test_most_mixes_land_on_their_loudness():
    missed = [
        LOUDNESS_LUFS[STYLES.index(one.style)] - float(loudness(engineer(one, seed).mix, 44100))
        for seed, one in ((seed, song(seed, seconds=3.0)) for seed in range(8))
    ]
    assert np.median(missed) < 0.1 and max(missed) < 3


def test_console_replays_the_mix(songs, mixes):
    mixed = mixes["pop"]
    wet = replay(songs["pop"].stems, 44100, mixed.console, mixed.room, mixed.master_gain_db)
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
        pan = decide(heard, one.roles, 0, _taste(seed, 0, len(one.roles)))["pan"]
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
    assert with_voice["peak_db"] < -1 and alone["peak_db"] > 0
    assert with_voice["peak_hz"] != alone["peak_hz"]
    # The cut lies where this voice lives: a brighter one moves it.
    bright = one.stems.clone()
    voice = one.roles.index("voice")
    bright[voice, :, 1:] -= 0.9 * one.stems[voice, :, :-1]
    moved = strips(replace(one, stems=bright))["keys"]
    assert moved["peak_hz"] > 1.1 * with_voice["peak_hz"]


def test_bass_makes_room_for_the_kick(songs):
    one = songs["rock"]
    assert strips(one)["bass"]["peak_db"] < -1 and strips(without(one, "drums"))["bass"]["peak_db"] == 0


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
    taste = _taste(0, 3, len(order))
    straight = decide(listen(by_width(one.stems), 44100), one.roles, 3, taste)
    turned = decide(listen(by_width(one.stems[order]), 44100), tuple(one.roles[k] for k in order), 3, taste)
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
    assert (nothing.mix == 0).all() and nothing.master_gain_db == 0


@pytest.mark.parametrize(("rate", "samples"), [(8000, 9000), (192000, 50000), (44100, 1)])
def test_engineer_takes_odd_rates_and_lengths(rate, samples):
    stems = 0.1 * torch.randn(3, 2, samples, generator=torch.Generator().manual_seed(1))
    mixed = engineer(Song(stems, ("drums", "voice", "other"), "rock", rate), 0)
    assert mixed.mix.shape == (2, samples) and torch.isfinite(mixed.wet_stems).all()


def test_level_is_the_standards_loudness(songs):
    off = torch.cat([level(by_width(one.stems), 44100) - loudness(one.stems, 44100) for one in songs.values()])
    assert off.abs().max() < 1 and off.abs().median() < 0.2


def write(folder, name, audio, rate=44100):
    soundfile.write(folder / name, np.asarray(audio, np.float32), rate)


def test_folder(tmp_path):
    rng = np.random.default_rng(0)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    write(tmp_path, "Lead Vocal.wav", tone, 22050)
    write(tmp_path, "bass.flac", 0.1 * rng.standard_normal((30000, 2)))
    write(tmp_path, "drums.mp3", 0.1 * rng.standard_normal((20000, 2)))
    write(tmp_path, "guitar.ogg", 0.1 * rng.standard_normal(20000))
    write(tmp_path, "thing.aiff", 0.1 * rng.standard_normal(10))
    for name in ("notes.txt", "song.json", ".DS_Store", ".hidden.wav"):
        (tmp_path / name).write_text("no audio")
    one = read_folder(tmp_path, "rock")
    assert one.names == ("Lead Vocal", "bass", "drums", "guitar", "thing")
    assert one.roles == ("voice", "bass", "drums", "guitar", "other")
    assert one.style == "rock" and one.sample_rate == 44100 and one.stems.shape == (5, 2, 44100)
    wanted = 0.3 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)
    assert np.abs(one.stems[0].numpy() - wanted)[:, 500:-500].max() < 1e-3
    assert (one.stems[4, :, 10:] == 0).all() and (one.stems[4, :, :10] != 0).any()
    assert torch.isfinite(engineer(one, 0).mix).all()


BROKEN = {
    "missing": ("nowhere", lambda folder: folder.rmdir()),
    "empty": ("no audio file", lambda folder: (folder / "readme.txt").write_text("x")),
    "undecodable": ("bass.wav", lambda folder: (folder / "bass.wav").write_bytes(b"no audio at all")),
    "zero bytes": ("bass.wav", lambda folder: (folder / "bass.wav").write_bytes(b"")),
    "no samples": ("bass.wav", lambda folder: write(folder, "bass.wav", np.zeros((0, 2)))),
    "surround": ("bass.wav", lambda folder: write(folder, "bass.wav", np.zeros((100, 6)))),
    "NaN": (
        "bass.wav",
        lambda folder: soundfile.write(folder / "bass.wav", np.full(9, np.nan, np.float32), 44100, subtype="FLOAT"),
    ),
    "17 tracks": ("17", lambda folder: [write(folder, f"{k}.wav", np.zeros(9)) for k in range(17)]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_folders(tmp_path, case):
    folder = tmp_path / "nowhere"
    folder.mkdir()
    named, spoil = BROKEN[case]
    spoil(folder)
    with pytest.raises(UserError, match=named) as error:
        read_folder(folder, "pop")
    assert "\n" not in str(error.value)


def test_folder_with_an_unknown_style(tmp_path):
    with pytest.raises(UserError, match="polka"):
        read_folder(tmp_path, "polka")
