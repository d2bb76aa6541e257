"""The parts of the generator and of its training that can be left out or exchanged: each does what it says."""

from dataclasses import replace

import pytest
import torch
from small import SMALL, TINY
from test_generator import inputs, settings

from tfrgan_lite.batches import LessonSet
from tfrgan_lite.config import Architecture, Preset
from tfrgan_lite.errors import UserError
from tfrgan_lite.generator import Generator
from tfrgan_lite.posterior import Posterior, Prior
from tfrgan_lite.train import Trainer

SWITCHES = {
    "no β-VAE": {"latent": 0},
    "no z": {"z": 0},
    "z to the start": {"z_to": "start"},
    "no send": {"send": False},
    "tracks apart": {"across_tracks": False},
    "no fine head": {"fine": 0},
    "patches": {"tokens": "patches"},
    "sinusoids": {"position": "sinusoidal"},
    "no position": {"position": "none"},
    "LSTM": {"core": "lstm"},
    "mirror in z": {"mirror": False},
}
TRAINING = {
    "no posterior": {"posterior": False},
    "left and right alone": {"mid_side": False},
    "the paper's discriminator": {"discriminator": "mlp"},
    "mean of weights": {"ema": 0.5},
}


def awake(seed=0, **changes):
    """A small generator whose heads do something, as after training."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = Generator(replace(SMALL, **changes)).eval()
        heads = [generator.coarse.out, *([generator.fine.out] if generator.fine else [])]
        for parameter in (parameter for head in heads for parameter in head.parameters()):
            torch.nn.init.normal_(parameter, std=0.2)
    return generator


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def lesson_set():
    return LessonSet(TINY, progress=False)


def trained(lesson_set, steps=6, **changes):
    config = replace(TINY, **changes)
    lessons = LessonSet(config, progress=False) if config.architecture.mirror != SMALL.mirror else lesson_set
    trainer = Trainer(config, lessons)
    trainer.fit(steps, progress=False)
    return trainer


@pytest.mark.parametrize("name", SWITCHES)
def test_every_architecture_decides_trains_and_travels(name, lesson_set, tmp_path):
    """Any number of frames, the adversary's steps too, and on disk and back; every weight gets a gradient."""
    changes = SWITCHES[name]
    generator = awake(**changes)
    for frames in (1, 17, 200):
        given = inputs(2, 3, frames, z=generator.architecture.z)
        decision = generator(**given)
        assert decision.fine_gain.shape == (2, 3, 2, frames, 80)
        assert all(torch.isfinite(value).all() for value in settings(decision).values())
    trainer = trained(lesson_set, architecture=replace(SMALL, **changes))
    assert "accuracy" in trainer.history[-1] and all(x == x for x in trainer.history[-1].values())
    # A key's bias moves all of a row's scores alike, which softmax does not hear.
    asleep = [n for n, p in trainer.learner.named_parameters() if p.grad is None]
    assert asleep == []
    generator.save(tmp_path / "g.safetensors", {})
    again = Generator.from_pretrained(tmp_path / "g.safetensors")
    assert again.architecture == generator.architecture
    assert torch.equal(again(**given).console.pan, decision.console.pan)


@pytest.mark.parametrize("name", sorted(SWITCHES.keys() - {"mirror in z"}))
def test_every_architecture_still_takes_tracks_in_any_order(name):
    generator = awake(**SWITCHES[name])
    given, order = inputs(tracks=4, z=generator.architecture.z), torch.tensor([2, 0, 3, 1])
    moved = {key: value if key in ("style", "z", "start") else value[:, order] for key, value in given.items()}
    one, other = settings(generator(**given)), settings(generator(**moved))
    for key in one:
        torch.testing.assert_close(one[key][:, order], other[key], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", TRAINING)
def test_every_way_of_training_is_another_and_resumes_exactly(name, lesson_set, tmp_path):
    changes = TRAINING[name]
    straight, usual = trained(lesson_set, 6, **changes), trained(lesson_set, 6)
    first = next(straight.learner.parameters())
    if "ema" not in changes:  # which leaves the steps as they are
        assert not torch.equal(first, next(usual.learner.parameters()))
    stopped = trained(lesson_set, 4, **changes)
    stopped.save(tmp_path)
    resumed = Trainer(replace(TINY, **changes), lesson_set)
    resumed.load(tmp_path)
    resumed.fit(6, progress=False)
    assert resumed.history == straight.history
    for name, module in straight.modules.items():
        state = resumed.modules[name].state_dict()
        assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())


def test_without_modules_no_noise_is_drawn_and_no_kl_is_paid():
    generator = awake(latent=0).train()
    given = inputs()
    one, other = (generator(**given, noise=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert torch.equal(one.console.gain, other.console.gain)
    assert [layer.shape[-1] for layer in one.kl] == [0, 0]
    assert not any("vae" in name for name, _ in generator.named_parameters())


def test_without_z_there_is_one_mix_of_a_song(lesson_set):
    trainer = trained(lesson_set, architecture=replace(SMALL, z=0))
    assert isinstance(trainer.posterior, Prior) and trainer.history[-1]["latent_kl"] == 0


@torch.no_grad()
def test_z_reaches_the_coarse_head_by_two_ways_or_one():
    """With a decoder that hears nothing, z still moves the console, unless it goes to the start token alone."""
    given = inputs()
    for z_to, moves in (("coarse", True), ("start", False)):
        generator = awake(z_to=z_to)
        assert (generator(**given).console.pan - generator(**given | {"z": given["z"] + 1}).console.pan).any()
        for parameter in generator.start.parameters():
            parameter.zero_()
        change = generator(**given).console.pan - generator(**given | {"z": given["z"] + 1}).console.pan
        assert bool(change.any()) == moves


def test_without_a_send_there_is_no_reverb():
    console = awake(send=False)(**inputs()).console
    assert console.send.shape == (2, 3) and not console.send.any() and console.pan.any()


def test_without_attention_across_tracks_each_decides_for_itself():
    given = inputs(tracks=3)
    for across in (True, False):
        generator = awake(across_tracks=across)
        one = generator(**given).console.pan
        louder = given | {key: given[key].clone() for key in ("envelope", "meters")}
        for key in ("envelope", "meters"):
            louder[key][:, 2] += 3
        change = generator(**louder).console.pan - one
        assert bool(change[:, :2].abs().max() > 1e-6) == across and change[:, 2].abs().max() > 1e-4


def test_without_a_fine_head_the_console_is_all():
    decision = awake(fine=0)(**inputs())
    assert not decision.fine_gain.any() and not decision.fine_phase.any()


def test_a_patch_is_sixteen_bands_and_sixteen_of_the_envelopes_frames():
    """Of 200 frames the envelope has 25, in two rows of five patches; the first token is the meters'."""
    decision = awake(tokens="patches")(**inputs(frames=200))
    assert decision.kl[0].shape[2] == 1 + 2 * 5
    assert awake()(**inputs(frames=200)).kl[0].shape[2] == 1 + 7  # strips of 32 frames


def test_without_position_the_order_of_tokens_says_little():
    """The encoder hears an envelope backwards as it hears it, if nothing says where a token stands."""
    given = inputs(frames=256)
    turned = given | {"envelope": given["envelope"].unflatten(2, (8, 4)).flip(2).flatten(2, 3)}  # token by token
    for position, same in (("learned", False), ("sinusoidal", False), ("none", True)):
        generator, heard = awake(position=position), []
        generator.encoder.register_forward_hook(lambda module, args, out, heard=heard: heard.append(out[0]))
        generator(**given), generator(**turned)
        one, other = heard[0][:, :, 1:], heard[1][:, :, 1:].flip(2)
        assert torch.allclose(one, other, atol=1e-5) == same
        assert hasattr(generator.position, "time") == (position == "learned")


def test_an_lstm_is_as_large_as_the_attention_it_replaces_and_causal_in_the_decoder():
    attention, lstm = (Generator(Architecture(core=core)) for core in ("attention", "lstm"))
    assert size(lstm) == pytest.approx(size(attention), rel=0.01)
    for one, other in ((attention.encoder, lstm.encoder), (attention.decoder, lstm.decoder)):
        assert size(other.layers[0].over_time) == pytest.approx(size(one.layers[0].over_time), rel=0.06)
    encoder, decoder = (awake(core="lstm").encoder.layers[0].over_time, awake(core="lstm").decoder.layers[0].over_time)
    x = torch.randn(1, 6, SMALL.d_model, generator=torch.Generator().manual_seed(0))
    later = x.clone()
    later[:, 4:] += 1
    assert torch.equal(decoder(x, causal=True)[:, :4], decoder(later, causal=True)[:, :4])
    assert not torch.allclose(encoder(x)[:, :4], encoder(later)[:, :4])
    with pytest.raises(ValueError, match="causal: built with False, called with True"):
        encoder(x, causal=True)


def test_left_and_right_as_in_the_data(lesson_set):
    """With the mirror outside the network, what is heard turns with the mix; with it inside, nothing turns."""
    outside, inside = lesson_set, LessonSet(replace(TINY, architecture=replace(SMALL, mirror=False)), progress=False)
    turned = 0
    for lesson in range(len(outside.lessons)):
        song, mix = outside.lessons[lesson]
        one, other = (lessons._heard(lessons.lessons[lesson]) for lessons in (outside, inside))
        torch.testing.assert_close(other["dry_power"], song["dry_power"])
        mirrored = bool(song["mirrored"][mix])
        turned += mirrored
        for key in ("dry_power", "wet_power"):
            torch.testing.assert_close(one[key], other[key][:, [1, 0, 2, 3]] if mirrored else other[key])
    assert turned
    one, other = outside.batch(0), inside.batch(0)
    torch.testing.assert_close(one.mix_log_mel[:, 2:], other.mix_log_mel[:, 2:])
    turns = [not torch.equal(a, b) for a, b in zip(one.mix_log_mel, other.mix_log_mel, strict=True)]
    for key in ("dry", "stems_log_mel"):
        pairs = zip(getattr(one, key), getattr(other, key), turns, strict=True)
        assert all(torch.equal(a, b.flip(1) if turned else b) for a, b, turned in pairs)


@torch.no_grad()
def test_who_says_the_sides():
    """With the mirror outside, the sides given are the sides taken; inside, the network's own pan pot says them."""
    given = inputs(z=4)
    for mirror in (True, False):
        generator = awake(mirror=mirror)
        with torch.no_grad():
            generator.coarse.out.bias[1] = -3  # of the pan pot: to the left, or hardly out of the middle
        pan = generator(**given | {"sides": torch.zeros(2, 3)}).console.pan
        turned = generator(**given | {"sides": -torch.ones(2, 3)}).console
        torch.testing.assert_close(turned.pan, -pan)
        assert bool((pan > 0).all()) == mirror and bool(turned.coupling.any()) == mirror
        assert turned.coupling.shape == (2, 3, 3)


def test_the_posterior_hears_the_mix_and_the_prior_does_not():
    source = torch.Generator().manual_seed(0)
    dry, wet = (torch.rand(2, 3, 4, 80, generator=source) for _ in range(2))
    given = {"roles": torch.zeros(2, 3).long(), "style": torch.zeros(2).long(), "present": torch.ones(2, 3).bool()}
    for build, hears in ((lambda: Posterior(80, 4), True), (lambda: Prior(4), False)):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            module = build()
        one, other = (module(dry, x, noise=torch.Generator().manual_seed(1), **given) for x in (wet, 2 * wet))
        assert one[0].shape == one[1].shape == (2, 4)
        assert torch.equal(one[0], other[0]) != hears and bool(one[1].any()) == hears
        assert one[0].std() > 0.3


def test_the_mean_of_weights_lags_behind_and_is_what_mixes(lesson_set):
    trainer, steps = Trainer(replace(TINY, ema=0.5), lesson_set), []
    trainer.fit(3, progress=False, after_step=lambda t: steps.append(t.learner.coarse.out.weight.detach().clone()))
    expected = steps[0]
    for weight in steps[1:]:
        expected = 0.5 * expected + 0.5 * weight
    assert trainer.generator is not trainer.learner
    torch.testing.assert_close(trainer.generator.coarse.out.weight, expected)
    assert torch.equal(trainer.generator.style_lufs, trainer.learner.style_lufs)
    usual = Trainer(TINY, lesson_set)
    assert usual.generator is usual.learner


def test_mid_and_side_can_be_left_out_of_the_loss(lesson_set):
    trainer = Trainer(replace(TINY, mid_side=False), lesson_set)
    batch = trainer.batch(0)
    with torch.no_grad():
        decision, _ = trainer.decide(batch, None)
    moved = replace(batch, mix_log_mel=batch.mix_log_mel.clone())
    moved.mix_log_mel[:, 2:] += 1
    losses = [float(trainer.compare(decision, each)[1]["mix"]) for each in (batch, moved)]
    assert losses[0] == losses[1]
    usual = Trainer(TINY, lesson_set)
    assert float(usual.compare(decision, moved)[1]["mix"]) != float(usual.compare(decision, batch)[1]["mix"])


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Architecture(core="gru"), "core: 'gru' is unknown; choose one of attention, lstm"),
        (lambda: Architecture(tokens="frames"), "tokens: 'frames'"),
        (lambda: Architecture(position="rotary"), "position: 'rotary'"),
        (lambda: Architecture(z_to="decoder"), "z_to: 'decoder'"),
        (lambda: Architecture(attention="sparse"), "attention: 'sparse'"),
        (lambda: Preset("x", discriminator="cnn"), "discriminator: 'cnn'"),
        (lambda: Preset("x", adversarial="wasserstein"), "adversarial: 'wasserstein'"),
    ],
)
def test_an_unknown_word_is_named(make, word):
    with pytest.raises(UserError, match=word):
        make()
