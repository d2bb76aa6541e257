"""Whole songs: any tracks, any order, any length, any rate; what comes out is a mix that can be played."""

import pytest
import torch
from small import SMALL

from tfrgan_lite.audio import decibels, loudness, true_peak_db
from tfrgan_lite.errors import UserError
from tfrgan_lite.generator import Generator
from tfrgan_lite.mix import Mixer, mix_song
from tfrgan_lite.prepare import TRACK_LUFS, hear
from tfrgan_lite.studio.ears import by_width, level
from tfrgan_lite.studio.master import Meter
from tfrgan_lite.studio.tracks import tracks_of

RATE = 44100


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    generator = Generator(SMALL).eval()
    for parameter in (*generator.fine.out.parameters(), *generator.coarse.out.parameters()):
        torch.nn.init.normal_(parameter, std=0.1)
    generator.style_lufs.copy_(torch.tensor([-15.0, -14.0, -14.5, -16.0, -17.0]))
    return generator


def noise(*shape, seed=0):
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("tracks", [1, 3, 16])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_number_of_tracks(generator, tracks, channels):
    mix, wet = mix_song(noise(tracks, channels, RATE), RATE, "pop", generator=generator)
    assert mix.shape == (2, RATE) and wet.shape == (tracks, 2, RATE)
    assert torch.isfinite(mix).all()
    torch.testing.assert_close(mix, wet.sum(0), atol=1e-6, rtol=0)
    assert true_peak_db(mix) <= -1


@pytest.mark.parametrize("samples", [1, 440, 441, RATE // 2, 3 * RATE + 7])
def test_any_length(generator, samples):
    mix, _ = mix_song(noise(2, 2, samples), RATE, "rock", generator=generator)
    assert mix.shape == (2, samples) and torch.isfinite(mix).all()


@pytest.mark.parametrize("rate", [8000, 22050, 48000, 96000])
def test_any_sample_rate(generator, rate):
    mix, _ = mix_song(noise(2, 2, rate), rate, "ballad", generator=generator)
    assert mix.shape == (2, rate) and torch.isfinite(mix).all() and mix.abs().max() > 1e-3


def test_tracks_in_another_order_make_the_same_mix(generator):
    stems, roles = noise(5, 2, 2 * RATE), ("drums", "bass", "keys", "keys", "voice")
    order = [4, 2, 0, 3, 1]
    mix, wet = mix_song(stems, RATE, "pop", 1, roles, generator)
    mix2, wet2 = mix_song(stems[order], RATE, "pop", 1, tuple(roles[i] for i in order), generator)
    torch.testing.assert_close(mix, mix2, atol=1e-4, rtol=0)
    torch.testing.assert_close(wet[order], wet2, atol=1e-4, rtol=0)


def test_input_levels_do_not_matter(generator):
    """Every track is brought to one level before the network hears it."""
    stems = noise(3, 2, RATE)
    loud = stems * torch.tensor([10.0, 0.1, 1.0])[:, None, None]
    one, other = (mix_song(x, RATE, "pop", generator=generator)[0] for x in (stems, loud))
    torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


def test_silence_stays_silent_and_unheard(generator):
    mix, wet = mix_song(torch.zeros(3, 2, RATE), RATE, "pop", generator=generator)
    assert mix.abs().max() == 0
    stems = noise(3, 2, RATE)
    stems[1] = 0
    _, wet = mix_song(stems, RATE, "pop", generator=generator)
    assert wet[1].abs().max() == 0
    _, without = mix_song(stems[[0, 2]], RATE, "pop", generator=generator)
    torch.testing.assert_close(wet[[0, 2]], without, atol=1e-5, rtol=0)


def test_dither_is_no_track():
    """The noise of an empty 16-bit track is not brought to the level of music."""
    stems = noise(2, 2, RATE)
    stems[1] *= 2e-5 / 0.1
    heard = hear(stems, RATE)
    assert heard.present.tolist() == [True, False]
    assert heard.dry[1].abs().max() == 0


def test_seeds_and_styles_are_takes(generator):
    stems = noise(3, 2, RATE)
    take = {
        (seed, style): mix_song(stems, RATE, style, seed, generator=generator)[0]
        for seed in range(4)
        for style in ("pop", "rock")
    }
    again = mix_song(stems, RATE, "pop", 0, generator=generator)[0]
    assert torch.equal(take[0, "pop"], again)
    assert not torch.equal(take[0, "pop"], take[0, "rock"])
    assert len({float(mix[0].square().sum()) for (_, style), mix in take.items() if style == "pop"}) == 4


def test_the_coin_swaps_the_sides(generator):
    """A mono song has no side of its own: over seeds, both signs of imbalance come up."""
    stems = noise(2, 1, RATE)
    signs = set()
    for seed in range(12):
        energy = mix_song(stems, RATE, "pop", seed, generator=generator)[0].square().sum(-1)
        signs.add(bool(energy[0] > energy[1]))
    assert signs == {True, False}


def test_windows_meet_without_a_seam(generator):
    """With settings that do not change over time, a song of many windows is the song in one."""
    steady = Generator(generator.architecture).eval()  # heads at their start: no change over time
    stems = noise(2, 2, 4 * RATE)
    one, _ = mix_song(stems, RATE, "pop", generator=steady)
    assert steady.architecture.frames == 64  # 0.64 s: the song has several windows
    frame_power = one.square().mean(0)[: 4 * RATE].unflatten(0, (-1, 441)).mean(-1)
    smooth = frame_power.unflatten(0, (-1, 20)).mean(-1)[1:-1]
    assert smooth.max() / smooth.min() < 1.35  # noise of constant power stays so across the seams


@pytest.mark.parametrize(
    ("stems", "rate", "style", "words"),
    [
        (torch.zeros(17, 2, 10), RATE, "pop", "17 tracks; give 1 to 16"),
        (torch.zeros(2, 3, 10), RATE, "pop", "1 or 2 channels"),
        (torch.zeros(2, 2, 0), RATE, "pop", "no samples"),
        (torch.full((2, 2, 10), float("nan")), RATE, "pop", "track 0 holds NaN"),
        (torch.zeros(2, 2, 10), 4000, "pop", "sample_rate"),
        (torch.zeros(2, 2, 10), RATE, "polka", "unknown style 'polka': choose one of pop"),
    ],
)
def test_bad_input_is_named(generator, stems, rate, style, words):
    with pytest.raises(UserError, match=words):
        mix_song(stems, rate, style, generator=generator)


def test_roles_are_checked(generator):
    with pytest.raises(UserError, match="unknown role 'kazoo'"):
        mix_song(torch.zeros(1, 2, 10), RATE, "pop", roles=("kazoo",), generator=generator)
    with pytest.raises(UserError, match="2 roles for 1 tracks"):
        mix_song(torch.zeros(1, 2, 10), RATE, "pop", roles=("drums", "bass"), generator=generator)


def test_level_is_that_of_the_playing():
    stems = noise(2, 2, 6 * RATE)
    late = stems.clone()
    late[1, :, : 4 * RATE] = 0
    assert torch.allclose(level(by_width(late), RATE), level(by_width(stems), RATE), atol=0.5)
    heard = hear(late, RATE)
    assert torch.allclose(level(by_width(heard.dry), RATE), torch.full((2,), TRACK_LUFS), atol=1e-3)


@pytest.mark.parametrize("style", ["pop", "jazz"])
def test_the_mix_has_the_loudness_of_its_style(generator, style):
    mix, _ = mix_song(noise(3, 2, 2 * RATE), RATE, style, generator=generator)
    wanted = {"pop": -15.0, "jazz": -17.0}[style]
    assert abs(float(loudness(mix, RATE)) - wanted) < 0.1


def test_the_limiter_takes_at_most_12_db(generator):
    """A song of a few clicks is not brought to the loudness of its style at any price."""
    stems = torch.zeros(1, 1, 3 * RATE)
    stems[..., ::RATE] = 0.5
    assert true_peak_db(mix_song(stems, RATE, "rock", generator=generator)[0]) <= -1
    mixer = Mixer(tracks_of(stems, RATE), "rock", generator)
    (_, mix), *_ = mixer.blocks(mixer.takes([0]), stems=False)
    meter = Meter(RATE)
    meter.hear(mix)
    gain_db, _ = mixer.master(meter)
    assert gain_db + float(decibels(mix.abs().max())) == pytest.approx(-1 + 12, abs=0.01)
