"""G: shapes, permutation, silence, windows, latitude of its heads, and its weights on disk."""

import json
from copy import deepcopy
from dataclasses import asdict, replace

import pytest
import torch
from small import SMALL

from tfrgan_lite.audio import loudness
from tfrgan_lite.config import PRESETS, preset
from tfrgan_lite.data import mean_mel_power
from tfrgan_lite.errors import UserError
from tfrgan_lite.files import save_tensors
from tfrgan_lite.generator import Generator, pan_gains, render
from tfrgan_lite.heads import FineHead, long_term
from tfrgan_lite.mel import mel_to_bins
from tfrgan_lite.prepare import MASTER_LUFS, front, hear, listen, through_room

OF_TRACKS = ("envelope", "meters", "roles", "present", "around", "sides")


@pytest.fixture
def generator():
    torch.manual_seed(0)
    generator = Generator(SMALL).eval()
    for parameter in (*generator.fine.out.parameters(), *generator.coarse.out.parameters()):
        torch.nn.init.normal_(parameter, std=0.2)  # heads that do something, as after training
    return generator


def inputs(batch=2, tracks=3, frames=64, mels=80, z=SMALL.z):
    """All of a generator's arguments; the fine head looks at all frames."""
    source = torch.Generator().manual_seed(1)
    return {
        "envelope": torch.randn(batch, tracks, -(-frames // 8), mels, generator=source) * 3 - 4,
        "meters": torch.randn(batch, tracks, 2 * mels + 2, generator=source) - 4,
        "roles": torch.randint(0, 8, (batch, tracks), generator=source),
        "style": torch.randint(0, 4, (batch,), generator=source),
        "z": torch.randn(batch, z, generator=source),
        "present": torch.ones(batch, tracks, dtype=torch.bool),
        "around": torch.randn(batch, tracks, frames + 2 * FineHead.MARGIN, mels, generator=source) * 3 - 4,
        "start": 0,
        "sides": torch.randint(0, 2, (batch, tracks), generator=source) * 2.0 - 1,
    }


def settings(decision):
    """All that a decision says, the KL left out."""
    console = decision.console
    return {
        "gain": console.gain,
        "pan": console.pan,
        "bands": console.bands,
        "send": console.send,
        "fine_gain": decision.fine_gain,
        "fine_phase": decision.fine_phase,
    }


@pytest.mark.parametrize(("tracks", "frames"), [(1, 64), (16, 64), (3, 1), (2, 17), (3, 200)])
def test_any_number_of_tracks_and_frames(generator, tracks, frames):
    decision = generator(**inputs(2, tracks, frames))
    said = settings(decision)
    assert said["gain"].shape == said["pan"].shape == said["send"].shape == (2, tracks)
    assert said["bands"].shape == (2, tracks, 80)
    assert said["fine_gain"].shape == said["fine_phase"].shape == (2, tracks, 2, frames, 80)
    assert len(decision.kl) == 2  # one encoder layer and one decoder layer: the KL of each is returned
    assert all(torch.isfinite(value).all() for value in (*said.values(), *decision.kl))


def test_permuting_tracks_permutes_the_decision(generator):
    given = inputs(tracks=5)
    order = torch.tensor([3, 0, 4, 1, 2])
    permuted = {key: value[:, order] if key in OF_TRACKS else value for key, value in given.items()}
    one, other = settings(generator(**given)), settings(generator(**permuted))
    for name in one:
        torch.testing.assert_close(one[name][:, order], other[name], atol=1e-5, rtol=1e-5)


def test_absent_tracks_are_heard_by_nobody(generator):
    given = inputs(tracks=4)
    given["present"][:, 3] = False
    one = generator(**given).console.gain
    for key in ("envelope", "meters", "around"):
        given[key][:, 3] += 5
    torch.testing.assert_close(one[:, :3], generator(**given).console.gain[:, :3])
    without = {key: value[:, :3] if key in OF_TRACKS else value for key, value in given.items()}
    torch.testing.assert_close(generator(**without).console.gain, one[:, :3], atol=1e-5, rtol=1e-5)


def test_tracks_listen_to_each_other(generator):
    """By the networks, not only because the master fader adds them up: the pan pot knows no master."""
    given = inputs(tracks=3)
    one = generator(**given)
    given["envelope"][:, 2] += 3
    assert (generator(**given).console.pan[:, 0] - one.console.pan[:, 0]).abs().max() > 1e-4


@pytest.mark.parametrize("changed", ["z", "style", "roles"])
def test_noise_style_and_roles_reach_the_output(generator, changed):
    given = inputs()
    one = generator(**given)
    given[changed] = given[changed] + 1 if changed == "z" else (given[changed] + 1) % 4
    assert (generator(**given).console.gain - one.console.gain).abs().max() > 1e-5


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (20, 40), (60, 64)])
def test_wanted_frames_are_those_of_the_whole(generator, start, stop):
    """A few frames with their margin, and where they start, are refined as among all the others."""
    given = inputs()
    whole = generator(**given)
    part = generator(**given | {"around": given["around"][:, :, start : stop + 2 * FineHead.MARGIN], "start": start})
    torch.testing.assert_close(whole.fine_gain[:, :, :, start:stop], part.fine_gain)
    torch.testing.assert_close(whole.fine_phase[:, :, :, start:stop], part.fine_phase)
    torch.testing.assert_close(whole.console.bands, part.console.bands)


def test_frames_of_the_first_songs_alone(generator):
    """Where only the first songs' frames are compared, only theirs are refined; all songs get their settings."""
    given = inputs(batch=3)
    whole, part = generator(**given), generator(**given | {"around": given["around"][:1]})
    assert part.fine_gain.shape[0] == 1 and len(part.console.gain) == 3
    torch.testing.assert_close(whole.fine_gain[:1], part.fine_gain)
    torch.testing.assert_close(whole.console.gain, part.console.gain)


def test_noise_of_the_modules_only_in_training(generator):
    given = inputs()
    torch.testing.assert_close(generator(**given).console.gain, generator(**given).console.gain, rtol=0, atol=0)
    generator.train()
    one, other, again = (
        generator(**given, noise=torch.Generator().manual_seed(seed)).console.gain for seed in (0, 1, 0)
    )
    assert not torch.equal(one, other)
    assert torch.equal(one, again)


def test_pan_gains_keep_the_power():
    pan = torch.linspace(-1, 1, 21)
    torch.testing.assert_close(pan_gains(pan).square().sum(-1), torch.full((21,), 2.0))
    torch.testing.assert_close(pan_gains(torch.tensor(0.0)), torch.ones(2))
    assert pan_gains(torch.tensor(-1.0))[1].abs() < 1e-6


def test_render_adds_coarse_and_fine_and_keeps_silence(generator):
    decision = generator(**inputs(1, 2, 20))
    console = decision.console
    dry, reverb = (torch.randn(1, 2, 2, 20, 1025, dtype=torch.complex64) for _ in range(2))
    to_bins = mel_to_bins(44100, 2048)
    assert render(decision, dry * 0, reverb * 0, to_bins).abs().max() == 0
    # At the bin of a band's centre the gain is that band's: fader, broad band and fine gain add in decibels. To the
    # sides the straight line between complex gains may cut a corner, so it is never louder than its neighbours.
    wet = render(decision, dry, reverb * 0, to_bins)
    band = 40
    bin_ = int((to_bins[band] - 1).abs().argmin())
    assert to_bins[band, bin_] > 0.9
    expected = (console.gain[..., None] + console.bands)[:, :, None, None] + decision.fine_gain
    expected = expected.exp() * pan_gains(console.pan)[..., None, None]
    near = expected[..., band - 1 : band + 2]
    measured = (wet / dry)[..., bin_].abs()
    assert (measured <= near.amax(-1) * 1.01).all() and measured.mean() > 0.5 * near.mean()
    # The reverb comes through the send, after the fader.
    only_reverb = render(decision, dry * 0, reverb, to_bins)
    assert only_reverb.abs().mean() > 0
    decision.console = replace(console, send=console.send * 0)
    assert render(decision, dry * 0, reverb, to_bins).abs().max() == 0


def test_the_long_term_is_that_of_the_rendered_console(generator):
    """On noise, whose frames add up in power, the foretold mean mel power is what rendering gives."""
    audio = 0.1 * torch.randn(3, 2, 88200, generator=torch.Generator().manual_seed(0))
    audio[0, 1] = audio[0, 0]
    stft = front(44100).stft
    dry = stft(audio)
    decision = generator(**inputs(1, 3, dry.shape[-2]))
    decision.fine_gain, decision.fine_phase = (torch.zeros(1, 3, 2, 1, 80) for _ in range(2))
    wet = render(decision, dry[None], stft(through_room(audio, 44100))[None], mel_to_bins(44100, stft.n_fft))
    measured = mean_mel_power(wet, 44100)
    foretold = long_term(decision.console, mean_mel_power(dry, 44100)[None])
    heard = slice(8, 78)  # the lowest bands hold a bin or two, which steep broad bands bend
    error = 10 * (measured / foretold)[..., heard].log10()
    assert error.abs().mean() < 1 and error.mean().abs() < 0.5  # dB


def test_the_master_fader_brings_the_sum_to_its_loudness(generator):
    """The sum of the rendered tracks lies at -20 LUFS or near it, whatever the heads say."""
    noise = torch.randn(3, 2, 4 * 44100, generator=torch.Generator().manual_seed(0))
    heard = hear(noise * torch.tensor([0.3, 0.02, 0.1])[:, None, None], 44100)
    stft = front(44100).stft
    spectrum = stft(heard.dry)
    listened = listen(heard.dry, spectrum, 44100)
    around = torch.nn.functional.pad(listened.log_mel, (0, 0, FineHead.MARGIN, FineHead.MARGIN), value=-11.5)
    given = inputs(1, 3) | {
        "envelope": listened.envelope[None],
        "meters": listened.meters[None],
        "around": around[None],
    }
    decision = generator(**given)
    decision.fine_gain, decision.fine_phase = (torch.zeros(1, 3, 2, 1, 80) for _ in range(2))
    reverb = stft(through_room(heard.dry, 44100))
    wet = render(decision, spectrum[None], reverb[None], mel_to_bins(44100, stft.n_fft))
    mix = stft.inverse(wet[0].sum(0), noise.shape[-1])
    assert float(loudness(mix, 44100)) == pytest.approx(MASTER_LUFS, abs=1.0)


def test_mel_to_bins_is_a_partition_of_unity():
    to_bins = mel_to_bins(44100, 2048)
    torch.testing.assert_close(to_bins.sum(0), torch.ones(1025))
    assert (to_bins >= 0).all()


def test_weights_travel_whole(generator, tmp_path):
    path = tmp_path / "g.safetensors"
    generator.save(path, {"seed": 3})
    loaded = Generator.from_pretrained(path)
    assert loaded.card == {"seed": 3}
    assert not loaded.training
    assert torch.equal(loaded(**inputs()).console.gain, generator(**inputs()).console.gain)
    assert list(tmp_path.iterdir()) == [path]  # nothing half-written is left


def test_weights_that_do_not_fit_are_named(generator, tmp_path):
    path = tmp_path / "g.safetensors"
    with pytest.raises(UserError, match="g.safetensors"):
        Generator.from_pretrained(path)
    generator.save(path, {})
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be read"):
        Generator.from_pretrained(path)
    other = Generator(SMALL)
    other.coarse.extra = torch.nn.Linear(1, 1)
    other.save(path, {})
    with pytest.raises(UserError, match="do not fit this version .coarse.extra.* is unknown, and 1 more differ"):
        Generator.from_pretrained(path)
    tensors, metadata = generator.state_dict(), {"architecture": json.dumps(asdict(SMALL)), "card": "{}"}
    save_tensors(path, {key: value for key, value in tensors.items() if key != "style.weight"}, metadata)
    with pytest.raises(UserError, match="style.weight is missing"):
        Generator.from_pretrained(path)
    save_tensors(path, tensors | {"style.weight": torch.zeros(2, 16)}, metadata)
    with pytest.raises(UserError, match="style.weight has shape .2, 16. in place of"):
        Generator.from_pretrained(path)
    for field in ({"dropout": 0.1}, {"core": "gru"}):
        save_tensors(path, tensors, {"architecture": json.dumps(asdict(SMALL) | field), "card": "{}"})
        with pytest.raises(UserError, match=next(iter(field))):
            Generator.from_pretrained(path)


def test_presets_by_name_and_environment(monkeypatch):
    monkeypatch.setenv("TFRGAN_PRESET", "ci")
    assert preset().name == "ci"
    assert preset("cpu").name == "cpu"
    assert preset("ci", steps=3).steps == 3
    with pytest.raises(UserError, match="'huge'.*ci, cpu, gpu"):
        preset("huge")
    monkeypatch.setenv("TFRGAN_PRESET", "tiny")
    with pytest.raises(UserError, match="TFRGAN_PRESET"):
        preset()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_fit_together(name):
    """Each preset's generator can be built and run, its windows fit its songs, its steps fit its frames."""
    config = preset(name)
    a = config.architecture
    given = inputs(1, 2, a.frames, a.mels, a.z)
    decision = Generator(a).eval()(
        **given | {"around": given["around"][:, :, : config.loss_frames + 2 * FineHead.MARGIN]}
    )
    assert decision.fine_gain.shape == (1, 2, 2, config.loss_frames, a.mels)
    assert config.loss_frames <= a.frames <= 100 * config.seconds
    assert 0 < config.rendered <= config.batch and 0 < config.songs_with_audio
    assert config.judges >= 2  # else there is no floor


def test_the_rooms_colour_says_nothing_of_its_level(generator):
    """The level is the sends' to say; a curve that is flat is nothing."""
    given, flat = inputs(), deepcopy(generator)
    torch.nn.init.constant_(flat.coarse.answer[-1].bias, 3.0)
    torch.nn.init.zeros_(flat.coarse.answer[-1].weight)
    assert flat(**given).console.answer.abs().max() < 1e-6
    torch.nn.init.normal_(flat.coarse.answer[-1].weight)
    answer = flat(**given).console.answer
    assert answer.shape == (2, 80) and answer.std() > 0.1 and answer.mean(1).abs().max() < 1
