"""Whole songs: any tracks, any order, any length, any rate; what comes out is a mix that can be played."""

import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from small import SMALL

from tfrgan_lite.audio import decibels, loudness, read_audio, true_peak_db, write_audio
from tfrgan_lite.errors import UserError
from tfrgan_lite.generator import Decision, Generator, render
from tfrgan_lite.heads import FineHead
from tfrgan_lite.mel import FLOOR, hz_to_mel, mel_to_bins
from tfrgan_lite.mix import Mixer, mix_song
from tfrgan_lite.mixdown import mix_folder
from tfrgan_lite.prepare import TRACK_LUFS, front, hear, listen, spectrum_to_log_mel, through_room
from tfrgan_lite.rendering import Room, overlap_add
from tfrgan_lite.studio import song
from tfrgan_lite.studio.console import impulse_response, limit, pan, reverb
from tfrgan_lite.studio.ears import by_width, level
from tfrgan_lite.studio.master import Meter
from tfrgan_lite.studio.tracks import tracks_of

RATE = 44100
OVERLAPPING = replace(SMALL, stride=16)  # windows of four tokens, the last of which is in the next window, too


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    generator = Generator(OVERLAPPING).eval()
    heads = (generator.fine.out, generator.coarse.out, generator.coarse.answer)
    for parameter in (parameter for head in heads for parameter in head.parameters()):
        torch.nn.init.normal_(parameter, std=0.1)
    generator.style_lufs.copy_(torch.tensor([-15.0, -14.0, -14.5, -16.0, -17.0]))
    return generator


def noise(*shape, seed=0):
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_mix_without_its_stems_is_the_same(generator):
    raw = song(3, "pop", 2.0)
    mixer = Mixer(tracks_of(raw.stems, RATE, raw.roles), "pop", generator)
    (take,) = mixer.takes([5])
    (alone, nothing), (mix, wet) = mixer.finished(take, stems=False), mixer.finished(take)
    assert nothing is None and wet.shape == (len(raw.stems), 2, mix.shape[-1])
    assert torch.allclose(alone, mix, atol=1e-5) and torch.allclose(wet.sum(0), mix, atol=1e-5)


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
    """Steady noise stays steady: no frame near the end of a window or of a rendered piece stands out, in any band."""
    mixer = Mixer(tracks_of(noise(2, 2, 5 * RATE), RATE), "pop", generator)
    borders = {frame for window in mixer.windows() for frame in window} | set(
        range(0, mixer.frames, OVERLAPPING.frames)
    )
    assert len(borders) > 10  # 64 frames are 0.64 s
    mix = torch.cat([block for _, block in mixer.blocks(mixer.takes([0]), stems=False)], dim=-1)
    log_mel = spectrum_to_log_mel(front(RATE).stft(mix), RATE).unflatten(-1, (8, 10)).mean(-1)[:, 10:-10]  # (2, T, 8)
    near = torch.tensor([any(abs(frame - border) <= 3 for border in borders) for frame in range(mixer.frames)])[10:-10]
    apart = log_mel - log_mel.mean(1, keepdim=True)
    assert near.any() and not near.all()
    assert (apart[:, near].mean(1) - apart[:, ~near].mean(1)).abs().max() < 0.15  # nats: 0.65 dB
    jumps = log_mel.diff(dim=1).abs()
    assert jumps[:, near[1:]].mean() < 1.15 * jumps[:, ~near[1:]].mean()


def test_a_tone_runs_through_the_windows(generator):
    """What one window makes of a tone, many make: a tone, without a click."""
    t = torch.arange(4 * RATE) / RATE
    stems = torch.stack([0.2 * torch.sin(2 * torch.pi * hz * t) for hz in (220, 1500)])[:, None]
    mixer = Mixer(tracks_of(stems, RATE), "pop", generator)
    mix = torch.cat([block for _, block in mixer.blocks(mixer.takes([0]), stems=False)], dim=-1)
    power = front(RATE).stft(mix).abs().square()[:, 20:-20]  # (2, T, K)
    elsewhere = power[..., torch.arange(power.shape[-1]) * 39.4 > 4000].sum(-1)
    assert (elsewhere / power.sum(-1)).max() < 1e-5  # a click of a hundredth of the tone's height would be 1e-4


def test_pieces_of_a_song_are_the_song(generator):
    """The same take rendered in pieces of another length is the same sound, its reverb included."""
    stems = noise(2, 2, 3 * RATE)
    stems[..., RATE:] = 0  # what is left is the room's answer
    mixer = Mixer(tracks_of(stems, RATE), "pop", generator)
    takes = mixer.takes([0])
    pieces = torch.cat([block for _, block in mixer.blocks(takes, stems=False)], dim=-1)
    mixer.shape = replace(OVERLAPPING, frames=1000)
    whole = torch.cat([block for _, block in mixer.blocks(takes, stems=False)], dim=-1)
    assert whole[:, RATE + 2000 :].abs().max() > 1e-4
    torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=0)


def test_wet_stems_and_mix_are_rendered_alike(generator):
    mixer = Mixer(tracks_of(noise(3, 2, RATE), RATE), "pop", generator)
    takes = mixer.takes([0, 1])
    mixes, stems = ([block for _, block in mixer.blocks(takes, stems)] for stems in (False, True))
    for mix, wet in zip(mixes, stems, strict=True):
        torch.testing.assert_close(wet.sum(0), mix, atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", range(4))  # mirrored or not
def test_a_song_of_one_window_is_what_the_generator_makes_of_it(generator, seed):
    """Short of the order of send and room: here the send is filtered first, in training what the room answers is."""
    stems, roles = noise(3, 2, RATE // 2), ("drums", "keys", "voice")
    mixer = Mixer(tracks_of(stems, RATE, roles), "pop", generator)
    (take,) = mixer.takes([seed])
    ((_, made),) = mixer.blocks([take], stems=True)
    heard, stft = hear(stems, RATE, roles), front(RATE).stft
    dry = heard.dry.flip(1) if take.mirrored else heard.dry
    spectra, reverb = (stft(x) for x in (dry, through_room(dry, RATE)))
    log_mel = listen(dry, spectra, RATE).log_mel
    around = torch.nn.functional.pad(log_mel, (0, 0, FineHead.MARGIN, FineHead.MARGIN), value=math.log(FLOOR))
    with torch.no_grad():
        decision = Decision(take.console, *generator.refine(take.tokens, take.console, around[None]), [])
        wet = render(decision, spectra[None], reverb[None], mel_to_bins(RATE, stft.n_fft))[0]
    expected = stft.inverse(wet, made.shape[-1])
    expected = expected.flip(1) if take.mirrored else expected
    inside = slice(2000, -2000)  # the last frames of the song lie within one frame alone
    error = (made - expected)[..., inside].square().mean() / expected[..., inside].square().mean()
    assert error < 10 ** (-25 / 10)


def test_a_track_that_plays_for_a_while_is_set_by_that_while(generator):
    """Where it does not play, nothing is heard that could set its console."""
    stems = noise(2, 2, 4 * RATE)
    stems[1, :, RATE:] = 0
    mixer = Mixer(tracks_of(stems, RATE), "pop", generator)
    (take,) = mixer.takes([0])
    stems[1, :, RATE:] = 1e-5 * stems[0, :, RATE:]  # as good as nothing
    (other,) = Mixer(tracks_of(stems, RATE), "pop", generator).takes([0])
    torch.testing.assert_close(take.console.bands, other.console.bands, atol=1e-3, rtol=0)
    torch.testing.assert_close(take.console.gain, other.console.gain, atol=1e-3, rtol=0)


def equalised(audio, bands):
    """Audio through a curve that runs straight between points, over mel."""
    mel = hz_to_mel(torch.tensor([band["hz"] for band in bands])).numpy()
    bins = hz_to_mel(torch.fft.rfftfreq(audio.shape[-1], 1 / RATE)).numpy()
    curve = 10 ** (np.interp(bins, mel, [band["db"] for band in bands]) / 20)
    return torch.fft.irfft(torch.fft.rfft(audio) * torch.from_numpy(curve).float())


def test_the_console_in_words_makes_the_coarse_mix(generator, tmp_path):
    """Fine head off: a console that knows nothing of the generator, set as the file says, gives nearly its mix."""
    coarse = deepcopy(generator)
    for parameter in coarse.fine.out.parameters():
        torch.nn.init.zeros_(parameter)
    (tmp_path / "stems").mkdir()
    for name, stem in zip(("drums", "bass", "keys"), noise(3, 1, 2 * RATE), strict=True):
        write_audio(tmp_path / "stems" / f"{name}.wav", stem, RATE)
    mixed = mix_folder(tmp_path / "stems", "pop", tmp_path / "mix.wav", 0, 2, generator=coarse)
    for file, settings in zip(mixed.files, mixed.settings, strict=True):
        mix, replayed = read_audio(file)[0], torch.zeros(2, 2 * RATE)
        impulse = impulse_response(RATE, **settings["room"])
        for track in settings["tracks"]:
            dry, _ = read_audio(tmp_path / "stems" / f"{track['name']}.wav")
            strip = equalised(dry, track["bands"]) * 10 ** (track["gain_db"] / 20)
            room = reverb(strip, RATE, impulse.flip(0) if settings["mirrored"] else impulse)
            room = equalised(room, settings["room_bands"])
            replayed += pan(strip, RATE, track["pan"]) + 10 ** (track["send_db"] / 20) * room
        limited = limit(replayed, RATE, settings["master"]["ceiling_db"])
        distance = spectrum_to_log_mel(front(RATE).stft(mix), RATE) - spectrum_to_log_mel(
            front(RATE).stft(limited), RATE
        )
        assert distance[:, 5:-5].abs().mean() < 0.12  # nats: 0.5 dB of power


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


def test_a_room_answers_several_rows_in_pieces():
    """As the studio's reverb answers each row whole, whether a piece is shorter or longer than the answer."""
    impulse, sends = noise(2, 5000), noise(3, 60000, seed=1)
    answer = Room(impulse, rows=3)
    pieces = torch.cat([answer(piece) for piece in sends.split([100, 4999, 30000, 24901], dim=-1)], dim=-1)
    torch.testing.assert_close(pieces, reverb(sends[:, None], RATE, impulse), atol=1e-5, rtol=0)


def test_overlap_add_is_the_inverse():
    """Where every frame that reaches a sample is there: all but the foot of the last frame."""
    stft, audio = front(RATE).stft, noise(2, RATE)
    made = overlap_add(stft(audio), stft)[..., : RATE - stft.win_length]
    torch.testing.assert_close(made, audio[..., : made.shape[-1]], atol=1e-5, rtol=0)


def test_takes_differ_by_the_spread_of_z(generator):
    raw = song(1, "pop", 2.0)
    gains = {}
    for spread in (0.0, 1.0, 2.0):
        takes = Mixer(tracks_of(raw.stems, raw.sample_rate, raw.roles), "pop", generator, spread=spread).takes(range(4))
        gains[spread] = float(torch.stack([take.console.bands for take in takes]).std(0).mean())
    assert gains[0.0] < 1e-6 < gains[1.0] < gains[2.0]
