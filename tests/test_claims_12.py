"""The numbered equations and quantitative sentences of chapter 12."""

from dataclasses import replace

import pytest
import torch
from small import TINY

from tfrgan_lite.baselines.levels import TRACK_LUFS
from tfrgan_lite.batches import LessonSet
from tfrgan_lite.losses import discriminator_hinge_loss, generator_hinge_loss
from tfrgan_lite.train import Trainer

CONFIG = replace(TINY, steps=600, adversarial_weight=0.05, adversarial_from=0.2)


@pytest.fixture(scope="module")
def lesson_set():
    return LessonSet(CONFIG, progress=False)


def test_eq_12_ramp(lesson_set):
    """The weight at the steps of exercise 1, and the equation at every step."""
    trainer = Trainer(CONFIG, lesson_set)
    weights = [trainer.adversarial_weight(k) for k in range(600)]
    for k, weight in enumerate(weights):
        assert weight == pytest.approx(0.05 * min(1, max(0, (k - 120) / 120)))
    assert [weights[k] for k in (100, 180, 500)] == pytest.approx([0, 0.025, 0.05])


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


def test_equal_loudness_is_minus_23_lufs():
    assert TRACK_LUFS == -23


def test_only_some_songs_of_a_batch_need_sound(lesson_set):
    """All songs of a batch have long-term spectra and sides; frames to compare have the first few alone."""
    batch = lesson_set.batch(0)
    assert len(batch.wet_power) == len(batch.dry_power) == CONFIG.batch == 3
    assert len(batch.dry) == len(batch.mix_log_mel) == len(batch.stems_log_mel) == CONFIG.rendered == 2
    assert batch.mix_log_mel.shape[2] == CONFIG.loss_frames


def test_a_batch_is_rendered_and_drawn(lesson_set):
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
