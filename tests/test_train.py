"""The training loop: it learns, two runs agree, a resumed run is the run that was not stopped, checkpoints are safe."""

import json
from dataclasses import replace

import pytest
import torch
from small import TINY

from tfrgan_lite.config import PRESETS
from tfrgan_lite.data import HELD_OUT, LessonSet, leans_right, lessons, mixed_song, on_held_out_songs
from tfrgan_lite.errors import UserError
from tfrgan_lite.mix import mix_song
from tfrgan_lite.prepare import spectrum_to_log_mel
from tfrgan_lite.train import CHECKPOINT, Trainer, train


@pytest.fixture(scope="module")
def lesson_set():
    return LessonSet(TINY, progress=False)


def weights(trainer):
    return torch.cat([p.detach().flatten() for m in (trainer.generator, trainer.discriminator) for p in m.parameters()])


def seed_and_engineers(song, mixes):
    return song.seed, len(mixes)


def test_songs_for_training_and_for_judging_differ():
    """Seeds of training songs grow from 10 000 times the run's seed, those of held-out songs from a million."""
    judging = list(on_held_out_songs(seed_and_engineers, replace(TINY, held_out=2), progress=False))
    assert judging == [(HELD_OUT, TINY.judges), (HELD_OUT + 1, TINY.judges)]
    assert all(10_000 * p.seed + p.songs <= min(10_000 * (p.seed + 1), HELD_OUT) for p in PRESETS.values())


def test_lessons_never_lean_right(lesson_set):
    sides = set()
    for seed in range(3):
        raw, mixes = mixed_song(seed, "pop", 2.0, 4)
        for mixed, lesson in zip(mixes, lessons(raw, mixes, 80), strict=True):
            sides.add(leans_right(mixed.mix))
            left, right = lesson.mix_log_mel[:2].double().exp().sum((1, 2))
            assert left >= 0.9 * right
            assert torch.isfinite(lesson.mix_log_mel).all()
    assert sides == {True, False}  # else nothing was mirrored and nothing tested


def test_batches_depend_on_seed_and_step_alone(lesson_set):
    one, again, other = lesson_set.batch(3), lesson_set.batch(3), lesson_set.batch(4)
    assert torch.equal(one.dry, again.dry) and one.offset == again.offset
    assert one.dry.shape != other.dry.shape or not torch.equal(one.dry, other.dry)


def test_batch_audio_lies_under_the_compared_frames(lesson_set):
    """The spectra rendered from a batch's audio are the frames that its log-mel shows at the same place."""
    trainer = Trainer(TINY, lesson_set)
    batch = lesson_set.batch(0).to(torch.device("cpu"))
    spectra = trainer.stft(batch.dry.mean(-2))[..., 2:-2, :]
    there = spectrum_to_log_mel(spectra, 44100)
    shown = batch.log_mel[:, :, batch.offset : batch.offset + TINY.loss_frames]
    mask = batch.present
    assert (there - shown)[mask].abs().mean() < 0.05  # half precision
    assert (there - shown.roll(4, 2))[mask].abs().mean() > 0.2  # and nowhere else


def test_training_learns_more_than_leaving_the_faders_alone(lesson_set):
    """On songs it saw, the mix comes nearer to the engineers' than the untrained generator, whose faders do nothing."""
    trainer = Trainer(replace(TINY, steps=40, learning_rate=1e-2), lesson_set)
    trainer.fit(progress=False)
    first, last = (sum(h["mix"] for h in part) / 5 for part in (trainer.history[:5], trainer.history[-5:]))
    assert last < 0.8 * first


@pytest.mark.parametrize(
    "changes", [{}, {"discriminator": "mlp", "adversarial": "minimax"}, {"adversarial": "non_saturating"}]
)
def test_resume_is_exact(lesson_set, tmp_path, changes):
    config = replace(TINY, **changes)
    straight = Trainer(config, lesson_set)
    straight.fit(progress=False)
    stopped = Trainer(config, lesson_set)
    stopped.fit(5, progress=False)
    stopped.save(tmp_path)
    resumed = Trainer(config, lesson_set)
    resumed.load(tmp_path)
    assert resumed.step == 5
    resumed.fit(progress=False)
    assert torch.equal(weights(straight), weights(resumed))
    assert straight.history == resumed.history
    assert "accuracy" in straight.history[-1] and "accuracy" not in straight.history[0]


def test_listening_between_steps_changes_nothing(lesson_set):
    quiet, heard = Trainer(TINY, lesson_set), Trainer(TINY, lesson_set)
    quiet.fit(3, progress=False)
    stems = 0.1 * torch.randn(2, 2, 4410, generator=torch.Generator().manual_seed(0))
    heard.fit(3, progress=False, after_step=lambda t: mix_song(stems, 44100, "pop", generator=t.generator))
    assert torch.equal(weights(quiet), weights(heard))


@pytest.mark.parametrize("field", ["mix_weight", "stems_weight", "adversarial_weight", "beta", "gradient_penalty"])
def test_every_weight_of_the_loss_does_something(lesson_set, field):
    one, other = (Trainer(replace(TINY, steps=4, adversarial_from=0.25, **c), lesson_set) for c in ({}, {field: 0.0}))
    one.fit(progress=False)
    other.fit(progress=False)
    assert not torch.equal(weights(one), weights(other))


def test_train_writes_checkpoints_and_refuses_to_lose_them(tmp_path, monkeypatch):
    trainer = train(replace(TINY, steps=4), tmp_path / "run", progress=False)
    assert trainer.step == 4 and (tmp_path / "run" / CHECKPOINT).exists()
    with pytest.raises(UserError, match="--resume"):
        train(replace(TINY, steps=4), tmp_path / "run", progress=False)
    with pytest.raises(UserError, match="another steps"):
        train(replace(TINY, steps=5), tmp_path / "run", resume=True, progress=False)
    with pytest.raises(UserError, match="no checkpoint to resume"):
        train(TINY, tmp_path / "nothing", resume=True, progress=False)
    path = tmp_path / "run" / CHECKPOINT
    before = path.read_bytes()

    def cut_short(tensors, name, metadata):
        name.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("safetensors.torch.save_file", cut_short)
    with pytest.raises(OSError, match="disk full"):
        trainer.save(tmp_path / "run")
    assert path.read_bytes() == before  # the old checkpoint is whole


def test_a_loss_that_is_not_finite_stops_training(lesson_set):
    trainer = Trainer(TINY, lesson_set)
    with torch.no_grad():
        trainer.generator.coarse.out.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="not finite at step 0"):
        trainer.fit(progress=False)


def test_history_is_json(lesson_set):
    trainer = Trainer(TINY, lesson_set)
    trainer.fit(2, progress=False)
    assert json.loads(json.dumps(trainer.history)) == trainer.history
