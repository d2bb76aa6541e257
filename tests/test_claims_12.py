"""The numbered equations and quantitative sentences of chapter 12."""

import json
from dataclasses import replace

import pytest
import soundfile
import torch
from small import SMALL, TINY

from tfrgan_lite.audio import loudness
from tfrgan_lite.baselines import equal_loudness
from tfrgan_lite.batches import LessonSet
from tfrgan_lite.losses import discriminator_hinge_loss, generator_hinge_loss
from tfrgan_lite.metrics.distances import spread
from tfrgan_lite.metrics.features import FEATURES, features
from tfrgan_lite.mix import SPREAD, _draw
from tfrgan_lite.mixdown import mix_folder
from tfrgan_lite.studio import song
from tfrgan_lite.train import Trainer

CONFIG = replace(TINY, steps=600, adversarial_weight=0.05, adversarial_from=0.2)


@pytest.fixture(scope="module")
def lesson_set():
    return LessonSet(CONFIG, progress=False)


def test_eq_12_ramp(lesson_set):
    trainer = Trainer(CONFIG, lesson_set)
    weights = [trainer.adversarial_weight(k) for k in range(600)]
    for k, weight in enumerate(weights):
        assert weight == pytest.approx(0.05 * min(1, max(0, (k - 120) / 120)))


def test_claim_12_ramp_steps(lesson_set):
    """The solution's numbers, by the trainer."""
    trainer = Trainer(CONFIG, lesson_set)
    assert [trainer.adversarial_weight(k) for k in (100, 180, 240, 500)] == pytest.approx([0, 0.025, 0.05, 0.05])


class Recorder:
    """Stands in for the accelerator's backward and keeps the losses it was given."""

    def __init__(self, trainer):
        self.losses, self.backward = [], trainer.accelerator.backward
        trainer.accelerator.backward = self

    def __call__(self, loss):
        self.losses.append(float(loss.detach()))
        self.backward(loss)


def test_eq_12_generator(lesson_set):
    """The loss that G descends is the weighted sum of the terms that the history shows."""
    weights = {
        "mix": ("mix_weight", 0.7),
        "stems": ("stems_weight", 0.3),
        "long_term": ("long_term_weight", 0.9),
        "sides": ("sides_weight", 0.2),
        "latent_kl": ("latent_weight", 0.4),
        "kl": ("beta", 0.02),
        "energy": ("energy_weight", 0.6),
    }
    config = replace(CONFIG, adversarial_from=0.0, **dict(weights.values()))
    trainer = Trainer(config, lesson_set)
    trainer.step = 1  # at step 0 the ramp is at zero
    recorder = Recorder(trainer)
    terms = trainer.train_step()
    weight = trainer.adversarial_weight(1)
    assert weight == 0.05
    parts = [given * terms[name] for name, (_, given) in weights.items()] + [weight * terms["adversarial"]]
    assert all(abs(part) > 1e-4 for part in parts)  # none is too small to be missed
    assert recorder.losses[1] == pytest.approx(sum(parts), rel=1e-5)


def test_eq_12_discriminator(lesson_set):
    """The loss that D descends is the hinge loss and half of gamma times the squared gradient at real mixes."""
    config = replace(CONFIG, adversarial_from=0.0, gradient_penalty=3.0)
    trainer = Trainer(config, lesson_set)
    trainer.step = 1
    recorder = Recorder(trainer)
    before = {key: value.clone() for key, value in trainer.discriminator.state_dict().items()}
    seen = []
    hook = trainer.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given))
    trainer.train_step()
    hook.remove()
    (real, style), (fake, _) = seen[:2]
    trainer.discriminator.load_state_dict(before)
    real = real.detach().requires_grad_()
    real_logits, fake_logits = trainer.discriminator(real, style), trainer.discriminator(fake, style)
    (gradient,) = torch.autograd.grad(real_logits.mean(1).sum(), real)
    squared = gradient.square().sum((1, 2, 3)).mean()
    hinge = (1 - real_logits).clamp_min(0).mean() + (1 + fake_logits).clamp_min(0).mean()
    torch.testing.assert_close(hinge, discriminator_hinge_loss(real_logits, fake_logits))
    assert recorder.losses[0] == pytest.approx((hinge + 3.0 / 2 * squared).item(), rel=1e-4)
    torch.testing.assert_close(generator_hinge_loss(fake_logits), -fake_logits.mean())


def test_claim_12_equal_loudness():
    x = (
        torch.randn(3, 2, 44100, generator=torch.Generator().manual_seed(0))
        * torch.tensor([0.3, 0.1, 0.01])[:, None, None]
    )
    wet = equal_loudness(x, 44100)[1]
    torch.testing.assert_close(loudness(wet, 44100), torch.full((3,), -23.0), atol=0.05, rtol=0)


def test_claim_12_shapes(lesson_set):
    """All songs of a batch have long-term spectra and sides; frames to compare have the first few alone."""
    batch = lesson_set.batch(0)
    assert len(batch.wet_power) == len(batch.dry_power) == CONFIG.batch == 3
    assert len(batch.dry) == len(batch.mix_log_mel) == len(batch.stems_log_mel) == CONFIG.rendered == 2
    assert batch.mix_log_mel.shape[2] == CONFIG.loss_frames


def test_claim_12_two_parts(lesson_set):
    """The songs that are not rendered are judged by the energy score alone; without one, all are mixed as they were."""
    trainer = Trainer(CONFIG, lesson_set)
    batch = trainer.batch(0)
    (rendered, _), (drawn, _) = trainer.parts(batch)
    assert (len(rendered.style), len(drawn.style)) == (CONFIG.rendered, CONFIG.batch - CONFIG.rendered) == (2, 1)
    ((whole, _),) = Trainer(replace(CONFIG, energy_weight=0.0), lesson_set).parts(batch)
    assert len(whole.style) == 3
    louder = batch.wet_power.clone()
    louder[-1] *= 4
    first = trainer.train_step(batch)
    second = Trainer(CONFIG, lesson_set).train_step(replace(batch, wet_power=louder))
    changed = {name for name, value in first.items() if second[name] != pytest.approx(value, rel=1e-4)}
    assert changed - {"gradient"} == {"energy"}


def test_claim_12_noise(lesson_set):
    """The same step gives the same noise, another step and another part another."""
    trainer = Trainer(CONFIG, lesson_set)
    like = torch.zeros(1, 8)

    def noise(step):
        trainer.step = step
        return [source.normal(like)[:1] for _, source in trainer.parts(trainer.batch(0))]

    first, again, other = noise(3), noise(3), noise(4)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_claim_12_21_numbers():
    """A mix is 21 numbers, and each counts in the diversity."""
    mix = 0.1 * torch.randn(2, 44100, generator=torch.Generator().manual_seed(0))
    assert features(mix, 44100).shape == (21,) == (len(FEATURES),)
    points = torch.randn(4, 21, generator=torch.Generator().manual_seed(1))
    for k in range(21):
        alike = points.clone()
        alike[:, k] = 0
        assert spread(alike) < spread(points)


def test_claim_12_as_trained():
    """Many draws of z, as a take is drawn: mean 0 and standard deviation 1, which the prior has."""
    drawn = torch.cat([_draw(torch.Generator().manual_seed(seed), SMALL, SPREAD)[0] for seed in range(2000)])
    assert drawn.shape == (2000, SMALL.z)
    assert drawn.mean(0).abs().max() < 0.08 and (drawn.std(0) - 1).abs().max() < 0.06


def test_claim_12_mirror():
    """Half of the takes are mirrored, whatever their z is: so a track that it pans left is right in half of them."""
    z, mirrored = zip(*(_draw(torch.Generator().manual_seed(seed), SMALL, SPREAD) for seed in range(2000)), strict=True)
    mirrored = torch.tensor(mirrored).float()
    assert float(mirrored.mean()) == pytest.approx(0.5, abs=0.04)
    together = torch.cat([torch.cat(z), mirrored[:, None]], 1).T.corrcoef()
    assert together[-1, :-1].abs().max() < 0.08


def test_claim_12_eight_takes(tmp_path):
    """Eight files that differ, and a list of eight settings, each with every track's fader, pan and send."""
    raw = song(3, "rock", 1.0)
    (tmp_path / "song").mkdir()
    for k, (role, stem) in enumerate(zip(raw.roles, raw.stems, strict=True)):
        soundfile.write(tmp_path / "song" / f"{k} {role}.wav", stem.T.numpy(), raw.sample_rate)
    mix_folder(tmp_path / "song", "rock", tmp_path / "mix.wav", samples=8, console=tmp_path / "settings.json")
    takes = [(tmp_path / f"mix-{k}.wav").read_bytes() for k in range(1, 9)]
    assert len(set(takes)) == 8 and not (tmp_path / "mix-9.wav").exists()
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert len(settings) == 8 and len({json.dumps(take["tracks"]) for take in settings}) == 8
    for take in settings:
        assert [set(track) >= {"gain_db", "pan", "send_db"} for track in take["tracks"]] == [True] * len(raw.roles)


def test_claim_12_resume(lesson_set, tmp_path):
    """A run that was stopped, saved and loaded has the weights and the history of one that was not."""
    straight, stopped, resumed = (Trainer(TINY, lesson_set) for _ in range(3))
    straight.fit(progress=False)
    stopped.fit(5, progress=False)
    stopped.save(tmp_path)
    resumed.load(tmp_path)
    resumed.fit(progress=False)
    assert resumed.step == TINY.steps and resumed.history == straight.history
    for ours, theirs in zip(resumed.generator.parameters(), straight.generator.parameters(), strict=True):
        assert torch.equal(ours, theirs)
