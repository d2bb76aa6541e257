"""The rival networks: about the generator's size, fair to every order of tracks, and able to learn what they can do."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from small import SMALL, TINY

from tfrgan_lite.audio import amplitude, true_peak_db
from tfrgan_lite.baselines.networks import GAIN_RANGE_DB, mean_of_present
from tfrgan_lite.batches import LessonSet
from tfrgan_lite.config import PRESETS
from tfrgan_lite.errors import UserError
from tfrgan_lite.files import save_tensors
from tfrgan_lite.generator import Generator
from tfrgan_lite.prepare import hear
from tfrgan_lite.rivals import NETWORKS, build, fit, load, log_mels, loss_terms, mix, save, steps_within
from tfrgan_lite.studio.console import pan_gains

RATE = 44100


def noise(*shape, seed=0, level=0.1):
    return level * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def awake(name):
    """A network whose last layers do something, as after training; small."""
    shape = {"width": 16, "hidden": 16, "frames": 64} if name == "GainPanNetwork" else {"channels": (6, 8, 8)}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NETWORKS[name](**shape)
        for layer in [network.decide[-1]] if name == "GainPanNetwork" else [network.faders, network.out]:
            torch.nn.init.normal_(layer.weight, std=0.3)
    return network.eval()


@pytest.fixture(params=sorted(NETWORKS))
def name(request):
    return request.param


@pytest.fixture
def network(name):
    return awake(name)


@pytest.fixture(scope="module")
def lesson_set():
    return LessonSet(TINY, progress=False)


def tracks(songs=2, count=3, samples=4410):
    """The arguments of a network: level-normalised tracks, all present."""
    return {
        "envelope": noise(songs, count, 16, 80, level=2.0),
        "dry": noise(songs, count, 2, samples, seed=1),
        "roles": torch.arange(songs * count).view(songs, count) % 8,
        "style": torch.arange(songs) % 5,
        "present": torch.ones(songs, count, dtype=torch.bool),
    }


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_both_are_about_as_large_as_the_generator(name, preset):
    def size(network):
        return sum(parameter.numel() for parameter in network.parameters())

    assert size(build(name, preset)) == pytest.approx(size(Generator(preset.architecture)), rel=0.05)


@torch.no_grad()
@pytest.mark.parametrize(("count", "samples"), [(1, 1), (3, 4410), (16, 5000)])
def test_any_number_of_tracks(network, count, samples):
    given = tracks(count=count, samples=samples)
    wet = network(**given)
    assert wet.shape == (2, count, 2, samples) and torch.isfinite(wet).all() and wet.abs().max() > 0


@torch.no_grad()
def test_tracks_in_another_order_are_mixed_the_same(network):
    given, order = tracks(count=4), [2, 0, 3, 1]
    moved = {key: value if key == "style" else value[:, order] for key, value in given.items()}
    torch.testing.assert_close(network(**moved), network(**given)[:, order], atol=1e-6, rtol=1e-4)


@torch.no_grad()
def test_an_absent_track_is_neither_heard_nor_made(network):
    given = tracks(count=3)
    given["present"][:, 1] = False
    other = given | {
        "envelope": given["envelope"].clone().index_fill_(1, torch.tensor([1]), 5.0),
        "dry": given["dry"].clone().index_fill_(1, torch.tensor([1]), 0.7),
    }
    for wet in (network(**given), network(**other)):
        assert wet[:, 1].abs().max() == 0
    torch.testing.assert_close(network(**other)[:, [0, 2]], network(**given)[:, [0, 2]])
    alone = {key: value if key == "style" else value[:, [0, 2]] for key, value in given.items()}
    torch.testing.assert_close(network(**alone), network(**given)[:, [0, 2]], atol=1e-6, rtol=1e-4)


@torch.no_grad()
def test_all_that_may_be_heard_is_heard(network):
    """Another track, the style and the role each change what becomes of the first track."""
    given = tracks(songs=1, count=2)
    first = network(**given)[:, 0]
    louder = given["envelope"].clone(), given["dry"].clone()
    louder[0][:, 1] += 4.0
    louder[1][:, 1] *= 3.0
    for change in (
        {"envelope": louder[0], "dry": louder[1]},
        {"style": given["style"] + 1},
        {"roles": given["roles"] + torch.tensor([1, 0])},
    ):
        assert (network(**given | change)[:, 0] - first).abs().max() > 1e-5


@torch.no_grad()
def test_the_console_turns_faders_and_pan_pots_and_nothing_else():
    given, network = tracks(), awake("GainPanNetwork")
    gain, pan = network.settings(**{key: value for key, value in given.items() if key != "dry"})
    assert gain.abs().max() <= GAIN_RANGE_DB and pan.abs().max() <= 1 and gain.std() > 0.1 and pan.std() > 0.01
    wet = given["dry"] * (amplitude(gain)[..., None] * pan_gains(pan))[..., None]
    torch.testing.assert_close(network(**given), wet)
    given["dry"][:, 1] = 0
    assert network(**given)[:, 1].abs().max() == 0


@torch.no_grad()
def test_untrained_networks_leave_the_tracks_nearly_alone(name):
    given = tracks()
    change = build(name, TINY)(**given) - given["dry"]
    assert change.std() < 0.2 * given["dry"].std()


def test_the_u_net_can_make_what_was_not_there():
    """A filter, unlike a fader, changes the spectrum's shape: its output is no multiple of its input."""
    given = tracks()
    wet, dry = awake("WaveUNet")(**given).detach().flatten(), given["dry"].flatten()
    left = wet - (wet @ dry) / (dry @ dry) * dry
    assert left.std() > 0.05 * wet.std()


def test_mean_of_present():
    x = torch.tensor([[1.0, 2.0, 30.0], [4.0, 5.0, 6.0]])[..., None]
    present = torch.tensor([[True, True, False], [False, False, False]])
    assert mean_of_present(x, present)[:, 0].tolist() == [1.5, 0.0]


def with_settings(db, position):
    """A console whose faders and pan pots stand there, whatever it hears."""
    network = build("GainPanNetwork", TINY)
    with torch.no_grad():
        network.decide[-1].weight.zero_()
        db, position = torch.tensor([db, position]).double()
        network.decide[-1].bias.copy_(torch.stack([3 * torch.atanh(db / GAIN_RANGE_DB), torch.atanh(position)]))
    return network.eval()


@pytest.mark.parametrize(("db", "position"), [(6.0, 0.0), (-6.0, 0.0), (0.0, 0.5), (0.0, -0.5)])
def test_gradients_turn_the_fader_and_the_pan_pot_the_right_way(lesson_set, db, position):
    """Towards settings that made the target, which themselves have no loss.

    By the stems' term: that of the mix knows no left from right in the side, and from near the centre wants just width.
    """
    batch, network, target = lesson_set.batch(0).to("cpu"), build("GainPanNetwork", TINY), with_settings(db, position)
    with torch.no_grad():
        mixed, stems = log_mels(target, batch)
    made = replace(batch, mix_log_mel=mixed, stems_log_mel=stems)
    assert max(loss_terms(target, made).values()) < 1e-6
    loss_terms(network, made)["stems"].backward()
    turned, wanted = -network.decide[-1].bias.grad, torch.tensor([db, position])
    assert (turned * wanted).sum() > 0 and wanted.abs().argmax() == turned.abs().argmax()


class Equal(torch.nn.Module):
    """Equal loudness: the level-normalised tracks, all through the same fader."""

    def __init__(self, gain):
        super().__init__()
        self.gain = gain

    def forward(self, envelope, dry, roles, style, present):
        return self.gain * dry


@torch.no_grad()
def mean_loss(network, lesson_set):
    terms = [loss_terms(network, lesson_set.batch(1000 + k).to("cpu")) for k in range(4)]
    return torch.tensor([[float(term[key]) for key in ("mix", "stems")] for term in terms]).mean(0)


def test_training_beats_equal_loudness(name, lesson_set):
    """After a few dozen steps, on the songs that it has heard; the equal tracks at the level that suits them best."""
    network = build(name, replace(TINY, architecture=replace(SMALL, d_model=64, encoder_layers=2, decoder_layers=2)))
    history = fit(network, lesson_set, 40, progress=False)
    equal = torch.stack([mean_loss(Equal(gain), lesson_set) for gain in (0.4, 0.5, 0.6, 0.8, 1.0, 1.25)]).amin(0)
    assert len(history) == 40 and set(history[0]) == {"mix", "stems"}
    assert (mean_loss(network, lesson_set) < torch.tensor([0.7, 0.95]) * equal).all()


def test_the_same_seed_gives_the_same_network(name, lesson_set):
    state = torch.get_rng_state()
    one, other, another = build(name, TINY), build(name, TINY), build(name, replace(TINY, seed=1))
    assert fit(one, lesson_set, 3, progress=False) == fit(other, lesson_set, 3, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(next(build(name, TINY).parameters()), next(another.parameters()))
    assert torch.equal(state, torch.get_rng_state())


def test_the_rate_warms_up_and_then_falls(lesson_set, monkeypatch):
    rates = []

    class Recording(torch.optim.AdamW):
        def step(self, *given):
            rates.append(self.param_groups[0]["lr"] / TINY.learning_rate)
            return super().step(*given)

    monkeypatch.setattr(torch.optim, "AdamW", Recording)
    fit(build("GainPanNetwork", TINY), lesson_set, 8, progress=False)
    assert TINY.warm_up == 2 and rates[0] == 0.5 and rates[1] > 0.9
    assert rates[1:] == sorted(rates[1:], reverse=True) and 0.01 < rates[-1] < 0.05


def test_a_loss_that_is_not_finite_stops_training(network, lesson_set):
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match="not finite at step 0"):
        fit(network, lesson_set, 2, progress=False)


def test_steps_within_an_equal_time(lesson_set, monkeypatch):
    network = build("GainPanNetwork", TINY)
    monkeypatch.setattr("tfrgan_lite.rivals.time", SimpleNamespace(perf_counter=iter([1.0, 1.0 + 0.5 * 6]).__next__))
    assert steps_within(10.0, network, lesson_set) == 20
    fresh = build("GainPanNetwork", TINY)  # the timing is done on a copy
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), fresh.parameters(), strict=True))


@pytest.mark.parametrize(("count", "samples", "rate"), [(1, 1, RATE), (16, 30000, RATE), (2, 20001, 48000)])
def test_a_song_of_any_tracks_length_and_rate(network, count, samples, rate):
    mixed, wet = mix(network, noise(count, 2, samples), rate, None, "pop")
    assert mixed.shape == (2, samples) and wet.shape == (count, 2, samples)
    assert torch.isfinite(wet).all() and true_peak_db(mixed) <= -1
    torch.testing.assert_close(mixed, wet.sum(0), atol=1e-5, rtol=0)


def test_a_song_in_another_order_is_mixed_the_same(network):
    stems, roles, order = noise(4, 2, RATE), ("drums", "bass", "keys", "voice"), [3, 1, 0, 2]
    one = mix(network, stems, RATE, roles, "jazz", 1)[1]
    other = mix(network, stems[order], RATE, tuple(roles[i] for i in order), "jazz", 1)[1]
    torch.testing.assert_close(other, one[order], atol=1e-5, rtol=1e-3)


def test_silence_stays_silent_and_unheard(network):
    stems = noise(3, 2, RATE)
    stems[1] = 0
    wet = mix(network, stems, RATE, None, "rock")[1]
    assert wet[1].abs().max() == 0
    without = mix(network, stems[[0, 2]], RATE, None, "rock")[1]
    torch.testing.assert_close(wet[[0, 2]], without, atol=1e-5, rtol=0)


def test_windows_meet_without_a_seam():
    """Settings that never change come out as they are, through however many windows."""
    stems = noise(2, 2, 2 * RATE)
    wet = mix(with_settings(-12.0, 0.0), stems, RATE, None, "pop")[1]
    expected = hear(stems, RATE).dry * amplitude(torch.tensor(-12.0))
    torch.testing.assert_close(wet, expected, atol=1e-6, rtol=1e-4)
    assert TINY.architecture.frames == 64  # 0.64 s: the song has several windows


@pytest.mark.parametrize("samples", [3 * RATE // 2, RATE // 10])
def test_every_window_is_as_long_as_in_training(name, samples, monkeypatch):
    """The last one too, which reaches back; but a song that is shorter than a window is heard as it is."""
    lengths, network = set(), awake(name)
    window = network.shape["frames"] * RATE // 100
    forward = network.forward
    monkeypatch.setattr(network, "forward", lambda *x: lengths.add(x[1].shape[-1]) or forward(*x))
    mix(network, noise(2, 2, samples), RATE, None, "pop")
    assert lengths == {min(window, samples)}


def test_a_coin_chooses_the_side():
    stems, network = noise(2, 1, RATE // 2), with_settings(0.0, -0.6)
    mixes = [mix(network, stems, RATE, None, "pop", seed)[0] for seed in range(8)]
    assert {bool(energy[0] > energy[1]) for energy in (mixed.square().sum(-1) for mixed in mixes)} == {True, False}
    assert torch.equal(mixes[3], mix(network, stems, RATE, None, "pop", 3)[0])


def test_bad_input_is_named(network):
    with pytest.raises(UserError, match="17 tracks; give 1 to 16"):
        mix(network, torch.zeros(17, 2, 10), RATE, None, "pop")
    with pytest.raises(UserError, match="unknown style 'polka'"):
        mix(network, torch.zeros(1, 2, 10), RATE, None, "polka")
    with pytest.raises(UserError, match="2 roles for 1 tracks"):
        mix(network, torch.zeros(1, 2, 10), RATE, ("bass", "drums"), "pop")
    with pytest.raises(UserError, match="choose one of GainPanNetwork, WaveUNet"):
        build("LSTM", TINY)


def test_a_stored_network_is_the_same(network, tmp_path):
    save(network, tmp_path / "network.safetensors", {"steps": 3})
    again = load(tmp_path / "network.safetensors")
    assert again.card == {"steps": 3} and again.shape == network.shape and not again.training
    stems = noise(2, 2, 9000)
    assert torch.equal(mix(again, stems, RATE, None, "pop")[1], mix(network, stems, RATE, None, "pop")[1])


def test_what_is_no_network_is_not_loaded(network, tmp_path):
    path = tmp_path / "network.safetensors"
    with pytest.raises(UserError, match="cannot be read as safetensors weights"):
        load(path)
    for metadata in ({}, {"network": "LSTM", "shape": "{}"}, {"network": type(network).__name__, "shape": "{}"}):
        save_tensors(path, network.state_dict(), metadata)
        with pytest.raises(UserError, match="do not fit this version .*; train them again"):
            load(path)
