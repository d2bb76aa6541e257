"""The training loop of G and D: alternating steps, a history, one process or several. Chapter 12."""

import math
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from . import checkpoint
from .batches import Batch, LessonSet, made_ahead
from .beta_vae import SharedNoise, active_units
from .cache import Cache
from .checkpoint import CHECKPOINT
from .config import Preset
from .discriminator import build_discriminator
from .errors import UserError
from .files import make_folder
from .generator import Generator
from .losses import ADVERSARIAL, gradient_penalty, kl_per_token
from .memory import keep_freed_memory
from .objective import Objective

DRAWS = 4  # for a score, of two mixes each
WAIT = timedelta(hours=24)  # of the other processes, while one renders songs
adamw = partial(torch.optim.AdamW, fused=True)  # one pass over all weights: many are small


class Trainer(Objective):
    """G, D, their optimisers and the loss, for one preset: its steps.

    Everything random in step k is drawn from a source seeded with the preset's seed and k, so a run that is stopped and
    resumed takes the same steps as one that was not, bit for bit on a CPU. Of several processes each works on its share
    of every batch; they average their gradients and so take the steps that one alone would take.

    Args:
        preset: the experiment.
        lessons: its songs.
        accelerator: which device, precision and processes; as it is found if None.

    Attributes:
        generator, discriminator: the two players; with the preset's ``ema``, this generator has the mean of the weights
            of ``learner``, which takes the steps, else it is the learner.
        step, took: number of steps done; number, and seconds, of those of the last :meth:`fit`.
        history: one dict of floats for each step done.

    Raises:
        UserError: if the processes cannot share a batch evenly.
    """

    def __init__(self, preset: Preset, lessons: LessonSet, accelerator: Accelerator | None = None):
        self.lessons, a, p = lessons, preset.architecture, preset
        with torch.random.fork_rng():
            torch.manual_seed(preset.seed)
            super().__init__(preset, lessons.SAMPLE_RATE, accelerator or Accelerator())
            self.discriminator = build_discriminator(p.discriminator, p.loss_frames, a.mels).to(self.device)
        self.learner.get_buffer("style_lufs").copy_(lessons.style_lufs())
        self.average = AveragedModel(self.learner, multi_avg_fn=get_ema_multi_avg_fn(p.ema)) if p.ema else None
        self.modules = {"generator": self.learner, "posterior": self.posterior, "discriminator": self.discriminator}
        if self.average:
            self.modules["average"] = self.average
        self.parameters = {
            "generator": [*self.learner.parameters(), *self.posterior.parameters()],
            "discriminator": [*self.discriminator.parameters()],
        }
        self.optimisers = {
            "generator": adamw(self.parameters["generator"], p.learning_rate, betas=(0.9, 0.99)),
            "discriminator": adamw(self.parameters["discriminator"], p.discriminator_rate, betas=(0.5, 0.99)),
        }
        # Only the optimisers are handed over: gradients are averaged here, as the penalty on D's gradient and D's part
        # in G's loss are more than a wrapper around a module foresees.
        self.steppers = {name: self.accelerator.prepare(one) for name, one in self.optimisers.items()}
        self.d_loss, self.g_loss = ADVERSARIAL[p.adversarial]
        self.history: checkpoint.History = []
        self.took = (0, 0.0)
        self.saved: Path | None = None  # the last good checkpoint

    @property
    def generator(self) -> Generator:
        """The generator to mix with."""
        return cast(Generator, self.average.module) if self.average else self.learner

    def fit(
        self, steps: int | None = None, progress: bool = True, after_step: Callable[["Trainer"], None] | None = None
    ) -> None:
        """Train up to ``steps`` steps in all (the preset's, if None), calling ``after_step`` after each.

        Raises UserError if a loss or a gradient is no longer finite; the weights are those before that step.
        """
        keep_freed_memory()
        steps = self.preset.steps if steps is None else steps
        hidden = not (progress and self.accelerator.is_main_process)
        begun, before = time.perf_counter(), self.step
        with (
            closing(made_ahead(self.batch, range(self.step, steps))) as batches,
            tqdm(batches, "training", steps, initial=self.step, disable=hidden, unit="step") as bar,
        ):
            for batch in bar:
                self.history.append(self.train_step(batch))
                self.step += 1
                bar.set_postfix({key: f"{self.history[-1][key]:.3f}" for key in ("mix", "kl")}, refresh=False)
                if after_step:
                    after_step(self)
        self.took = (self.step - before, time.perf_counter() - begun)

    def batch(self, step: int) -> Batch:
        """This process's share of the batch of a step, on the device and in single precision."""
        return self.lessons.batch(step, self.share).to(self.device)

    def train_step(self, batch: Batch | None = None) -> dict[str, float]:
        """One step of D, once it is heard, and one of G, on a batch, that of this step if None.

        Returns the terms of the loss, unweighted, means over all processes.
        """
        p, k = self.preset, self.step
        self.learner.train()  # who listened to a mix between two steps left it in evaluation mode
        batch = self.batch(k) if batch is None else batch
        self._set_rates(k)
        (batch, noise), *drawn = self.parts(batch)
        decision, latent_kl = self.decide(batch, noise)
        mix, terms = self.compare(decision, batch)
        terms |= {"kl": kl_per_token(decision.kl, batch.present), "latent_kl": latent_kl}
        weights = {
            "mix": p.mix_weight,
            "stems": p.stems_weight,
            "long_term": p.long_term_weight,
            "kl": p.beta,
            "latent_kl": p.latent_weight,
            "sides": p.sides_weight,
        }
        for songs, source in drawn:
            terms["energy"], weights["energy"] = self.energy(songs, source), p.energy_weight
        weight = self.adversarial_weight(k)
        if weight > 0:
            real, fake, style = batch.mix_log_mel[:, 2:], mix[:, 2:], batch.style[: len(mix)]
            terms |= self._discriminator_step(real, fake.detach(), style)
            self.discriminator.requires_grad_(False)  # it learns nothing from G's loss
            terms["adversarial"] = self.g_loss(self.discriminator(fake, style))
            self.discriminator.requires_grad_(True)
            weights["adversarial"] = weight
        loss = sum((weights[name] * terms[name] for name in weights), torch.zeros((), device=self.device))
        terms["gradient"] = self._take_step("generator", loss, 1.0)
        if self.average:
            self.average.update_parameters(self.learner)
        active = sum(active_units(layer[batch.present]) for layer in decision.kl) / len(decision.kl)
        terms["active"] = torch.tensor(float(active), device=self.device)
        values = self.accelerator.reduce(torch.stack([value.detach().float() for value in terms.values()]), "mean")
        return dict(zip(terms, values.tolist(), strict=True))

    def _discriminator_step(self, real: Tensor, fake: Tensor, style: Tensor) -> dict[str, Tensor]:
        real = real.requires_grad_()
        real_logits, fake_logits = self.discriminator(real, style), self.discriminator(fake, style)
        penalty = gradient_penalty(real_logits, real) if self.preset.gradient_penalty else real_logits.new_zeros(())
        loss = self.d_loss(real_logits, fake_logits)
        self._take_step("discriminator", loss + self.preset.gradient_penalty * penalty, math.inf)
        accuracy = 0.5 * ((real_logits > 0).float().mean() + (fake_logits < 0).float().mean())
        return {"discriminator": loss, "penalty": penalty, "accuracy": accuracy}

    def _take_step(self, player: str, loss: Tensor, most: float) -> Tensor:
        """One step of a player down the gradient of its loss, at most so long, the mean over all processes. Returns the
        gradient's length before that.
        """
        self._check_finite(f"the {player}'s loss", self.accelerator.reduce(loss.detach(), "mean"))
        stepper, parameters = self.steppers[player], self.parameters[player]
        stepper.zero_grad()
        self.accelerator.backward(loss)
        self._average_gradients(parameters)
        length = self.accelerator.clip_grad_norm_(parameters, most)
        if self.accelerator.scaler is None:  # which else expects some that are not, and leaves these steps out
            self._check_finite(f"the {player}'s gradient", length)
        stepper.step()
        return length

    def _average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        if self.share.count == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        mean = self.accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
        for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def _check_finite(self, what: str, value: Tensor) -> None:
        if not torch.isfinite(value):
            last = f"the last good checkpoint is {self.saved}: --resume it" if self.saved else "begin anew"
            raise UserError(
                f"training: {what} is not finite at step {self.step}; {last} with a lower --learning-rate than"
                f" {self.preset.learning_rate:g}"
            )

    def adversarial_weight(self, k: int) -> float:
        """Zero at first, then a ramp as long as the wait, then the preset's weight."""
        wait = self.preset.adversarial_from * self.preset.steps
        return self.preset.adversarial_weight * min(1.0, max(0.0, (k - wait) / max(1.0, wait)))

    def _set_rates(self, k: int) -> None:
        """The rates of a step, a function of the step alone."""
        p = self.preset
        for player, rate in (("generator", p.learning_rate), ("discriminator", p.discriminator_rate)):
            for group in self.optimisers[player].param_groups:
                group["lr"] = rate * p.share_of_rate(k)

    @torch.no_grad()
    def score(self, lessons: LessonSet, last: int) -> float:
        """The mean :meth:`energy` of the generator over the last lessons of a set, by this process alone."""
        self.generator.eval()
        skipped, total = max(0, len(lessons.lessons) - last), 0.0
        order = skipped + np.argsort(lessons.tracks[skipped:], kind="stable")  # of as many tracks: little is padded
        for first in range(0, len(order), self.preset.batch):
            chosen = order[first : first + self.preset.batch]
            batch = lessons.listened(chosen).to(self.device)
            for draw in range(DRAWS):
                noise = SharedNoise(DRAWS * first + draw, self.device)
                total += float(self.energy(batch, noise, self.generator)) * len(chosen) / DRAWS
        return total / len(order)

    def save(self, folder: Path) -> None:
        """Write a checkpoint, by the main process alone. Raises UserError as :func:`tfrgan_lite.checkpoint.write`."""
        if self.accelerator.is_main_process:
            checkpoint.write(folder, self.preset, self.modules, self.optimisers, self.history)
        self.saved = folder / CHECKPOINT

    def load(self, folder: Path) -> None:
        """Continue from the checkpoint in ``folder``. Raises UserError as :func:`tfrgan_lite.checkpoint.read`."""
        self.restore(checkpoint.read(folder, self.preset))

    def restore(self, stored: checkpoint.Stored) -> None:
        """Continue from a checkpoint that was read. Raises UserError if it is of another version."""
        stored.restore(self.modules, self.optimisers)
        self.history, self.step, self.saved = stored.history, len(stored.history), stored.path


def train(
    preset: Preset, out: str | Path, resume: bool = False, progress: bool = True, cache: Cache | None = None
) -> Trainer:
    """Render the preset's songs, train G and D on them, and leave ``checkpoint.safetensors`` in the folder ``out``.

    The songs are kept in the cache, ``Cache()`` if None; of several processes one renders them for all.

    Raises UserError if ``out`` already holds a checkpoint and ``resume`` is not set, or it or the cache cannot be
    written to.
    """
    out = Path(out)
    if (out / CHECKPOINT).exists() and not resume:
        raise UserError(f"{out}: holds a checkpoint already; pass --resume to continue it, or choose another folder")
    stored = checkpoint.read(out, preset) if resume else None  # refused, if at all, before the songs are rendered
    make_folder(out)
    accelerator = Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=WAIT)])
    with accelerator.main_process_first():
        lessons = LessonSet(preset, progress and accelerator.is_main_process, cache)
    trainer = Trainer(preset, lessons, accelerator)
    if stored:
        trainer.restore(stored)

    def keep(trainer: Trainer) -> None:
        if trainer.step % preset.checkpoint_every == 0 or trainer.step == preset.steps:
            trainer.save(out)

    trainer.fit(progress=progress, after_step=keep)
    trainer.generator.eval()
    return trainer
