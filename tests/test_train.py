"""The training loop: it learns, two runs agree, a resumed run is the run that was not stopped, checkpoints are safe."""

import errno
import importlib.util
import json
import os
import subprocess
import sys
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small import TINY

from tfrgan_lite.batches import MARGIN, LessonSet, Share
from tfrgan_lite.beta_vae import SharedNoise
from tfrgan_lite.cache import Cache
from tfrgan_lite.checkpoint import CHECKPOINT, PREVIOUS
from tfrgan_lite.data import HELD_OUT
from tfrgan_lite.errors import UserError
from tfrgan_lite.files import load_tensors, save_tensors
from tfrgan_lite.generator import FineHead
from tfrgan_lite.mix import mix_song
from tfrgan_lite.prepare import spectrum_to_log_mel
from tfrgan_lite.train import DRAWS, Trainer, train


@pytest.fixture(scope="module")
def lesson_set():
    return LessonSet(TINY, progress=False)


def weights(trainer):
    return torch.cat([p.detach().flatten() for m in (trainer.learner, trainer.discriminator) for p in m.parameters()])


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


def test_the_score_tells_songs_learned_by_heart(lesson_set):
    """It falls for the songs that are learned from, more than for others."""
    trainer = Trainer(replace(TINY, steps=60, learning_rate=1e-2), lesson_set)
    others = LessonSet(TINY, progress=False, first=HELD_OUT)
    before = trainer.score(lesson_set, 4), trainer.score(others, 4)
    trainer.fit(progress=False)
    after = trainer.score(lesson_set, 4), trainer.score(others, 4)
    assert after[0] < 0.7 * before[0] and after[0] / before[0] < 0.9 * after[1] / before[1]
    assert trainer.score(lesson_set, 4) == after[0] == trainer.score(lesson_set, 99)  # there are no more
    last = lesson_set.listened([3]).to(torch.device("cpu"))
    alone = [trainer.energy(last, SharedNoise(draw), trainer.generator).item() for draw in range(DRAWS)]
    assert trainer.score(lesson_set, 1) == pytest.approx(sum(alone) / DRAWS)


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
        trainer.learner.coarse.out.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="generator's loss is not finite at step 0; begin anew .* --learning-rate than"):
        trainer.fit(progress=False)


def spoil(trainer, step, where):
    """From a step on, the batch of the trainer is broken in one place."""
    batch = trainer.batch

    def spoiled(k):
        made = batch(k)
        if k >= step:
            getattr(made, where).fill_(torch.inf)
        return made

    trainer.batch = spoiled


def test_a_run_that_breaks_names_the_last_good_checkpoint_and_can_go_on_from_it(lesson_set, tmp_path, monkeypatch):
    fresh = Trainer.__init__

    def broken(self, *given):
        fresh(self, *given)
        spoil(self, 5, "wet_power")

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "__init__", broken)
        with pytest.raises(UserError, match="not finite at step 5; the last good checkpoint is") as stop:
            train(TINY, tmp_path, progress=False)
    assert str(tmp_path / CHECKPOINT) in str(stop.value) and "--resume" in str(stop.value)
    resumed = Trainer(TINY, lesson_set)
    resumed.load(tmp_path)
    assert resumed.step == 3
    resumed.fit(progress=False)
    straight = Trainer(TINY, lesson_set)
    straight.fit(progress=False)
    assert torch.equal(weights(straight), weights(resumed))
    slower = Trainer(replace(TINY, learning_rate=TINY.learning_rate / 2), lesson_set)
    slower.load(tmp_path)
    slower.fit(progress=False)
    assert not torch.equal(weights(straight), weights(slower))


def test_a_gradient_or_a_discriminator_that_is_not_finite_stops_training_too(lesson_set):
    trainer = Trainer(replace(TINY, adversarial_from=0.0), lesson_set)
    trainer.fit(2, progress=False)
    before = weights(trainer)
    trainer.learner.fine.out.weight.register_hook(lambda gradient: gradient * torch.nan)
    with pytest.raises(UserError, match="the generator's gradient is not finite at step 2"):
        trainer.fit(progress=False)
    after = weights(trainer)  # D has taken its step, G has not
    learned = sum(parameter.numel() for parameter in trainer.learner.parameters())
    assert torch.equal(before[:learned], after[:learned])
    other = Trainer(replace(TINY, adversarial_from=0.0), lesson_set)
    other.fit(2, progress=False)
    with torch.no_grad():
        other.discriminator.first.bias.fill_(torch.nan)
    with pytest.raises(UserError, match="the discriminator's loss is not finite at step 2"):
        other.fit(progress=False)


def test_no_checkpoint_is_written_of_weights_that_are_not_finite(lesson_set, tmp_path):
    trainer = Trainer(TINY, lesson_set)
    trainer.save(tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with torch.no_grad():
        trainer.posterior.out[0].bias.fill_(torch.inf)
    with pytest.raises(UserError, match="posterior.out.0.bias is not finite"):
        trainer.save(tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == before and not (tmp_path / PREVIOUS).exists()


def test_a_checkpoint_cut_short_is_refused_and_the_one_before_it_resumed(lesson_set, tmp_path):
    trainer = Trainer(TINY, lesson_set)
    trainer.fit(2, progress=False)
    trainer.save(tmp_path)
    trainer.fit(4, progress=False)
    trainer.save(tmp_path)
    trainer.fit(progress=False)
    os.truncate(tmp_path / CHECKPOINT, (tmp_path / CHECKPOINT).stat().st_size - 1000)
    resumed = Trainer(TINY, lesson_set)
    with pytest.warns(UserWarning, match=f"{CHECKPOINT}: cannot be read .*{PREVIOUS} is resumed in its place"):
        resumed.load(tmp_path)
    assert resumed.step == 2
    resumed.save(tmp_path)  # takes the damaged one's place, and not that of the good one
    (tmp_path / PREVIOUS).replace(tmp_path / CHECKPOINT)
    again = Trainer(TINY, lesson_set)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again.load(tmp_path)
    assert again.step == 2
    resumed.fit(progress=False)
    assert torch.equal(weights(trainer), weights(resumed))


def test_two_checkpoints_cut_short_are_refused(lesson_set, tmp_path):
    trainer = Trainer(TINY, lesson_set)
    for _ in range(3):
        trainer.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([CHECKPOINT, PREVIOUS])
    for name in (CHECKPOINT, PREVIOUS):
        os.truncate(tmp_path / name, 1000)
    with pytest.raises(UserError, match="no checkpoint to resume"):
        train(TINY, tmp_path, resume=True, progress=False)


def test_a_checkpoint_of_another_version_is_named(lesson_set, tmp_path):
    trainer = Trainer(TINY, lesson_set)
    trainer.save(tmp_path)
    tensors, metadata = load_tensors(tmp_path / CHECKPOINT)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    del tensors["generator.coarse.out.bias"]
    save_tensors(tmp_path / CHECKPOINT, tensors, metadata)
    with pytest.raises(UserError, match="does not fit this version .generator: coarse.out.bias is missing"):
        trainer.load(tmp_path)
    stored = json.loads(metadata["preset"])
    for changed in (stored | {"dropout": 0.1}, stored | {"architecture": stored["architecture"] | {"dropout": 0.1}}):
        save_tensors(tmp_path / CHECKPOINT, tensors, metadata | {"preset": json.dumps(changed)})
        with pytest.raises(UserError, match="was trained with another (architecture.)?dropout"):
            trainer.load(tmp_path)


SHARED = """
import json, sys
from dataclasses import replace
sys.path.insert(0, sys.argv[1])
from small import TINY
from tfrgan_lite.train import train
if __name__ == "__main__":
    trainer = train(replace(TINY, **json.loads(sys.argv[3])), sys.argv[2], progress=True)
    if trainer.accelerator.is_main_process:
        with open(sys.argv[2] + "/shared.json", "w") as file:
            json.dump([trainer.accelerator.num_processes, trainer.history], file)
"""


TO_SHARE = {"batch": 4, "steps": 5, "adversarial_from": 0.2}


def launched(tmp_path, processes):
    """The history of a run of several processes on this machine, and what they said."""
    (tmp_path / "run.py").write_text(SHARED)
    out = tmp_path / f"of {processes}"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += [str(tmp_path / "run.py"), str(Path(__file__).parent), str(out), json.dumps(TO_SHARE)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    return *json.loads((out / "shared.json").read_text()), run.stderr, out


def test_two_processes_take_the_steps_of_one(tmp_path):
    """The same losses at the same global batch, adversary included; one process writes, says and renders."""
    count, shared, said, out = launched(tmp_path, 2)
    config = replace(TINY, **TO_SHARE)
    alone = Trainer(config, LessonSet(config, progress=False))
    alone.fit(progress=False)
    assert count == 2 and len(shared) == len(alone.history) == 5
    assert "accuracy" in shared[-1] and "accuracy" not in shared[0]
    for one, other in zip(shared, alone.history, strict=True):
        assert one.keys() == other.keys()
        for name in one.keys() - {"active"}:  # each counts the units of its own share
            assert one[name] == pytest.approx(other[name], rel=1e-4, abs=1e-4), name
    assert said.count("training:   0%") == 1 and said.count("rendering songs:   0%") <= 1  # one process speaks
    assert sorted(file.name for file in out.glob("*.safetensors")) == sorted([CHECKPOINT, PREVIOUS])


def test_processes_that_cannot_share_a_batch_are_told_so(lesson_set):
    with pytest.raises(UserError, match="rendered: 2 songs cannot be shared evenly by 3 processes"):
        lesson_set.batch(0, Share(0, 3))
    with pytest.raises(UserError, match="batch: 3 songs cannot be shared evenly by 2 processes"):
        lesson_set.batch(0, Share(1, 2))


def test_history_is_json(lesson_set):
    trainer = Trainer(TINY, lesson_set)
    trainer.fit(2, progress=False)
    assert json.loads(json.dumps(trainer.history)) == trainer.history


def test_the_benchmark_tells_where_a_step_goes(lesson_set, root):
    spec = importlib.util.spec_from_file_location("training", root / "benchmarks" / "training.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    trainer = Trainer(replace(TINY, adversarial_from=0.0), lesson_set)
    trainer.step = 1
    taken = benchmark.times(trainer, 1)
    whole = taken.pop("step")
    assert set(taken) == {"data", "decide", "compare", "draw", "adversary", "rest"}
    assert sum(taken.values()) == pytest.approx(whole)
    assert all(taken[part] > 0 for part in taken.keys() - {"rest"})


def test_what_is_drawn_is_judged_as_it_will_be_used(lesson_set):
    """No posterior and no noise in the modules: the score of the drawn songs is a function of z alone; the generator
    feels it, and nobody else."""
    trainer = Trainer(TINY, lesson_set)
    trainer.learner.train()
    (compared, _), (drawn, noise) = trainer.parts(trainer.batch(0))
    assert (len(compared.style), len(drawn.style)) == (TINY.rendered, TINY.batch - TINY.rendered)
    scores = [trainer.energy(drawn, SharedNoise(seed)) for seed in (1, 1, 2)]
    assert scores[0] == scores[1] != scores[2]
    trainer.energy(drawn, noise).backward()
    assert all(parameter.grad is None for parameter in trainer.posterior.parameters())
    assert trainer.learner.coarse.answer[-1].bias.grad.abs().sum() > 0


def test_without_an_energy_score_all_songs_are_mixed_as_they_were(lesson_set):
    trainer = Trainer(replace(TINY, energy_weight=0.0), lesson_set)
    ((batch, _),) = trainer.parts(trainer.batch(0))
    assert len(batch.style) == TINY.batch
    assert "energy" not in trainer.train_step()
