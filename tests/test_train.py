"""The training loop: it learns, two runs agree, a resumed run is the run that was not stopped, checkpoints are safe."""

import errno
import json
import threading
from dataclasses import replace

import pytest
import torch
from small import TINY

from tfrgan_lite.cache import Cache
from tfrgan_lite.data import MARGIN, LessonSet
from tfrgan_lite.errors import UserError
from tfrgan_lite.files import save_tensors
from tfrgan_lite.generator import FineHead
from tfrgan_lite.mix import mix_song
from tfrgan_lite.prepare import spectrum_to_log_mel
from tfrgan_lite.train import CHECKPOINT, Trainer, train


@pytest.fixture(scope="module")
def lesson_set():
    return LessonSet(TINY, progress=False)


def weights(trainer):
    return torch.cat([p.detach().flatten() for m in (trainer.generator, trainer.discriminator) for p in m.parameters()])


def test_batch_audio_lies_under_the_compared_frames(lesson_set):
    """The spectra rendered from a batch's audio are the frames that its log-mel shows inside its margin."""
    trainer = Trainer(TINY, lesson_set)
    batch = lesson_set.batch(0).to(torch.device("cpu"))
    spectra = trainer.stft(batch.dry.mean(-2))[..., MARGIN:-MARGIN, :]
    there = spectrum_to_log_mel(spectra, 44100)
    shown = batch.log_mel[:, :, FineHead.MARGIN : -FineHead.MARGIN]
    mask = batch.present[: len(there)]
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


def test_a_disk_that_fills_up_leaves_the_old_checkpoint(lesson_set, tmp_path, monkeypatch):
    trainer = Trainer(TINY, lesson_set)
    trainer.save(tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[:99])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(UserError, match=f"{CHECKPOINT}: cannot be written .No space left on device.; make room"):
        trainer.save(tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == before and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("metadata", [{}, {"preset": "{}"}, {"preset": "ci", "history": "long"}])
def test_resuming_what_is_no_checkpoint(tmp_path, metadata):
    save_tensors(tmp_path / CHECKPOINT, {"weight": torch.zeros(3)}, metadata)
    with pytest.raises(UserError, match="is no checkpoint"):
        train(TINY, tmp_path, resume=True, progress=False)


def test_the_cache_changes_no_weight(tmp_path):
    """Songs in memory, rendered into a cache, and read from it: the same training, bit for bit."""
    memory, empty, full = (
        Trainer(TINY, LessonSet(TINY, progress=False, cache=cache))
        for cache in (Cache(limit_gib=0), Cache(tmp_path), Cache(tmp_path))
    )
    for trainer in (memory, empty, full):
        trainer.fit(progress=False)
    assert memory.history == empty.history == full.history
    assert torch.equal(weights(memory), weights(empty)) and torch.equal(weights(memory), weights(full))


def test_batches_made_ahead_change_no_weight(lesson_set):
    ahead, alone = Trainer(TINY, lesson_set), Trainer(TINY, lesson_set)
    ahead.fit(progress=False)
    while alone.step < TINY.steps:
        alone.history.append(alone.train_step())
        alone.step += 1
    assert ahead.history == alone.history and torch.equal(weights(ahead), weights(alone))


def test_training_that_stops_leaves_no_thread(lesson_set):
    def stop(_):
        raise KeyboardInterrupt

    trainer = Trainer(TINY, lesson_set)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(progress=False, after_step=stop)
    assert trainer.step == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_an_error_in_the_loader_reaches_who_trains(lesson_set, monkeypatch):
    trainer = Trainer(TINY, lesson_set)
    batch = trainer.batch
    monkeypatch.setattr(trainer, "batch", lambda step: batch(step) if step < 3 else 1 // 0)
    with pytest.raises(ZeroDivisionError):
        trainer.fit(progress=False)
    assert trainer.step == 3


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
