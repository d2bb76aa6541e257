"""G: shapes, permutation, silence, windows, latitude of its heads, and its weights on disk."""

import pytest
import torch
from small import SMALL

from tfrgan_lite.config import PRESETS, preset
from tfrgan_lite.errors import UserError
from tfrgan_lite.generator import Generator, pan_gains, render
from tfrgan_lite.mel import mel_to_bins


@pytest.fixture
def generator():
    torch.manual_seed(0)
    generator = Generator(SMALL).eval()
    for parameter in (*generator.fine.out.parameters(), *generator.coarse.out.parameters()):
        torch.nn.init.normal_(parameter, std=0.2)  # heads that do something, as after training
    return generator


def inputs(batch=2, tracks=3, frames=64):
    source = torch.Generator().manual_seed(1)
    return {
        "log_mel": torch.randn(batch, tracks, frames, SMALL.mels, generator=source) * 3 - 4,
        "roles": torch.randint(0, 8, (batch, tracks), generator=source),
        "style": torch.randint(0, 4, (batch,), generator=source),
        "z": torch.randn(batch, SMALL.z, generator=source),
        "present": torch.ones(batch, tracks, dtype=torch.bool),
    }


@pytest.mark.parametrize(("tracks", "frames"), [(1, 64), (16, 64), (3, 1), (2, 17), (3, 200)])
def test_any_number_of_tracks_and_frames(generator, tracks, frames):
    decision = generator(**inputs(2, tracks, frames))
    assert decision.gain.shape == decision.pan.shape == decision.send.shape == (2, tracks, frames)
    assert decision.bands.shape == (2, tracks, frames, 80)
    assert decision.fine_gain.shape == decision.fine_phase.shape == (2, tracks, 2, frames, 80)
    assert len(decision.kl) == 2  # one encoder layer and one decoder layer: the KL of each is returned
    assert all(torch.isfinite(value).all() for value in (decision.gain, decision.fine_gain, *decision.kl))


def test_permuting_tracks_permutes_the_decision(generator):
    given = inputs(tracks=5)
    order = torch.tensor([3, 0, 4, 1, 2])
    permuted = {
        key: value[:, order] if key in ("log_mel", "roles", "present") else value for key, value in given.items()
    }
    one, other = generator(**given), generator(**permuted)
    for name in ("gain", "pan", "send", "bands", "fine_gain", "fine_phase"):
        torch.testing.assert_close(getattr(one, name)[:, order], getattr(other, name), atol=1e-5, rtol=1e-5)


def test_absent_tracks_are_heard_by_nobody(generator):
    given = inputs(tracks=4)
    given["present"][:, 3] = False
    one = generator(**given)
    given["log_mel"][:, 3] += 5
    other = generator(**given)
    torch.testing.assert_close(one.gain[:, :3], other.gain[:, :3])
    without = {key: value[:, :3] if key in ("log_mel", "roles", "present") else value for key, value in given.items()}
    torch.testing.assert_close(generator(**without).gain, one.gain[:, :3], atol=1e-5, rtol=1e-5)


def test_tracks_listen_to_each_other(generator):
    given = inputs(tracks=3)
    one = generator(**given)
    given["log_mel"][:, 2] += 3
    assert (generator(**given).gain[:, 0] - one.gain[:, 0]).abs().max() > 1e-4


@pytest.mark.parametrize("changed", ["z", "style", "roles"])
def test_noise_style_and_roles_reach_the_output(generator, changed):
    given = inputs()
    one = generator(**given)
    given[changed] = given[changed] + 1 if changed == "z" else (given[changed] + 1) % 4
    assert (generator(**given).gain - one.gain).abs().max() > 1e-5


@pytest.mark.parametrize("wanted", [slice(0, 10), slice(20, 40), slice(60, 64)])
def test_wanted_frames_are_those_of_the_whole(generator, wanted):
    whole, part = generator(**inputs()), generator(**inputs(), wanted=wanted)
    torch.testing.assert_close(whole.fine_gain[:, :, :, wanted], part.fine_gain)
    torch.testing.assert_close(whole.bands[:, :, wanted], part.bands)


def test_noise_of_the_modules_only_in_training(generator):
    given = inputs()
    torch.testing.assert_close(generator(**given).gain, generator(**given).gain, rtol=0, atol=0)
    generator.train()
    one, other, again = (generator(**given, noise=torch.Generator().manual_seed(seed)).gain for seed in (0, 1, 0))
    assert not torch.equal(one, other)
    assert torch.equal(one, again)


def test_pan_gains_keep_the_power():
    pan = torch.linspace(-1, 1, 21)
    torch.testing.assert_close(pan_gains(pan).square().sum(-1), torch.full((21,), 2.0))
    torch.testing.assert_close(pan_gains(torch.tensor(0.0)), torch.ones(2))
    assert pan_gains(torch.tensor(-1.0))[1].abs() < 1e-6


def test_render_adds_coarse_and_fine_and_keeps_silence(generator):
    decision = generator(**inputs(1, 2, 20))
    dry, reverb = (torch.randn(1, 2, 2, 20, 1025, dtype=torch.complex64) for _ in range(2))
    to_bins = mel_to_bins(44100, 2048)
    assert render(decision, dry * 0, reverb * 0, to_bins).abs().max() == 0
    # At the bin of a band's centre the gain is that band's: fader, broad band and fine gain add in decibels.
    wet = render(decision, dry, reverb * 0, to_bins)
    band = 40
    bin_ = int((to_bins[band] - 1).abs().argmin())
    weight = to_bins[band, bin_]
    assert weight > 0.9
    expected = (decision.gain[..., None] + decision.bands)[:, :, None] + decision.fine_gain
    expected = expected.exp() * pan_gains(decision.pan).movedim(-1, 2)[..., None]
    near = expected[..., band - 1 : band + 2]
    measured = (wet / dry)[..., bin_].abs()
    assert (measured <= near.amax(-1) * 1.01).all()
    # The reverb comes through the send, after the fader.
    only_reverb = render(decision, dry * 0, reverb, to_bins)
    assert only_reverb.abs().mean() > 0
    decision.send = decision.send * 0
    assert render(decision, dry * 0, reverb, to_bins).abs().max() == 0


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
    assert torch.equal(loaded(**inputs()).gain, generator(**inputs()).gain)
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
    with pytest.raises(UserError, match="do not fit this version"):
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
    given = inputs(1, 2, a.frames) | {"z": torch.zeros(1, a.z)}
    decision = Generator(a).eval()(**given, wanted=slice(0, config.loss_frames))
    assert decision.fine_gain.shape == (1, 2, 2, config.loss_frames, a.mels)
    assert config.loss_frames <= a.frames <= 100 * config.seconds
    assert config.judges >= 2  # else there is no floor
