"""The training loop of G and D: alternating steps, a history, one process or several. Chapter 12."""

import math
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from . import checkpoint
from .audio import Stft
from .batches import MARGIN, Batch, LessonSet, Share, made_ahead
from .beta_vae import SharedNoise, Stillness, active_units, normal_like
from .cache import Cache
from .checkpoint import CHECKPOINT
from .config import Preset
from .data import stereo_log_mel
from .discriminator import build_discriminator
from .errors import UserError
from .files import make_folder
from .generator import Decision, Generator, render
from .heads import long_term
from .losses import ADVERSARIAL, energy_score, gradient_penalty, kl_per_token, log_mel_l1
from .mel import FLOOR, mel_to_bins
from .memory import keep_freed_memory
from .posterior import Posterior, Prior
from .prepare import spectrum_to_log_mel
from .sides import negative_log_likelihood, sides_of

BROAD = 8  # bands of a whole mix
WAIT = timedelta(hours=24)  # of the other processes, while one renders songs


class Trainer:
    """G, D, their optimisers and the loss, for one preset.

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
        self.preset, self.lessons = preset, lessons
        a, p = preset.architecture, preset
        self.accelerator = accelerator or Accelerator()
        self.device = self.accelerator.device
        self.share = Share(self.accelerator.process_index, self.accelerator.num_processes)
        self.share.songs(preset)  # refuses what cannot be shared out
        with torch.random.fork_rng():
            torch.manual_seed(preset.seed)
            self.learner = Generator(a).to(self.device)
            self.posterior = (Posterior(a.mels, a.z) if p.posterior and a.z else Prior(a.z)).to(self.device)
            self.discriminator = build_discriminator(p.discriminator, p.loss_frames, a.mels).to(self.device)
        self.learner.style_lufs.copy_(lessons.style_lufs())
        self.average = AveragedModel(self.learner, multi_avg_fn=get_ema_multi_avg_fn(p.ema)) if p.ema else None
        self.modules = {"generator": self.learner, "posterior": self.posterior, "discriminator": self.discriminator}
        if self.average:
            self.modules["average"] = self.average
        self.parameters = {
            "generator": [*self.learner.parameters(), *self.posterior.parameters()],
            "discriminator": [*self.discriminator.parameters()],
        }
        self.optimisers = {
            "generator": torch.optim.AdamW(self.parameters["generator"], p.learning_rate, betas=(0.9, 0.99)),
            "discriminator": torch.optim.AdamW(
                self.parameters["discriminator"], p.discriminator_rate, betas=(0.5, 0.99)
            ),
        }
        # Only the optimisers are handed over: gradients are averaged here, as the penalty on D's gradient and D's part
        # in G's loss are more than a wrapper around a module foresees.
        self.steppers = {name: self.accelerator.prepare(one) for name, one in self.optimisers.items()}
        self.d_loss, self.g_loss = ADVERSARIAL[p.adversarial]
        self.stft = Stft(lessons.SAMPLE_RATE, padded=False).to(self.device)
        self.to_bins = mel_to_bins(lessons.SAMPLE_RATE, self.stft.n_fft, a.mels).to(self.device)
        self.step, self.history, self.took = 0, [], (0, 0.0)
        self.saved: Path | None = None  # the last good checkpoint

    @property
    def generator(self) -> Generator:
        """The generator to mix with."""
        return self.average.module if self.average else self.learner

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
        loss = sum(weights[name] * terms[name] for name in weights)
        terms["gradient"] = self._take_step("generator", loss, 1.0)
        if self.average:
            self.average.update_parameters(self.learner)
        active = sum(active_units(layer[batch.present]) for layer in decision.kl) / len(decision.kl)
        terms["active"] = torch.tensor(float(active), device=self.device)
        values = self.accelerator.reduce(torch.stack([value.detach().float() for value in terms.values()]), "mean")
        return dict(zip(terms, values.tolist(), strict=True))

    def parts(self, batch: Batch) -> list[tuple[Batch, SharedNoise]]:
        """The songs of a batch that are mixed as they were mixed, which have frames to compare, and those that are
        mixed by chance; each with its noise. Without an energy score all are mixed as they were.
        """
        p, compared = self.preset, len(batch.dry)
        parts = [(batch, self.share.songs(p), p.batch)]
        if p.energy_weight:
            count = p.batch - p.rendered
            parts = [
                (batch.heard(slice(compared)), self.share.of(p.rendered), p.rendered),
                (batch.heard(slice(compared, None)), self.share.of(count), count),
            ]
        seed, alone = (p.seed * 1_000_003 + self.step) * len(parts), self.share.count == 1
        return [
            (part, SharedNoise(seed + i, self.device, None if alone else torch.tensor([*songs]), total))
            for i, (part, songs, total) in enumerate(parts)
        ]

    def decide(self, batch: Batch, noise: SharedNoise) -> tuple[Decision, Tensor]:
        """G's decision for a batch, z being the posterior's and the sides the engineers', and the KL of z in nats, mean
        over songs.
        """
        sides = self.sides(batch)
        z, kl = self.posterior(batch.dry_power, batch.wet_power, batch.roles, batch.style, batch.present, noise)
        heard = (batch.envelope, batch.meters, batch.roles, batch.style)
        with self.accelerator.autocast():
            decision = self.learner(*heard, z, batch.present, batch.log_mel, batch.offset, sides, noise)
        return decision, kl.sum(-1).mean()

    def energy(self, batch: Batch, noise: SharedNoise) -> Tensor:
        """Energy score of what two draws of z make of each song by the console, as in use: of the mean spectra of its
        tracks, and of all together in broad bands.
        """
        z = batch.dry_power.new_zeros(len(batch.style), self.preset.architecture.z)
        made, still = [], Stillness()
        with self.accelerator.autocast():
            heard = self.learner.hear(batch.envelope, batch.meters, batch.roles, batch.present, still)
            for _ in range(2):
                drawn = normal_like(z, noise)
                h, _ = self.learner.speak(heard, batch.style, drawn, batch.roles, batch.present, still)
                console = self.learner.coarse(h, drawn, batch.meters, batch.present).facing(self.sides(batch))
                made.append(long_term(console, batch.dry_power))
        each = (torch.log(power + FLOOR) for power in (*made, batch.wet_power))
        whole = (torch.log(in_broad_bands(power, batch.present) + FLOOR) for power in (*made, batch.wet_power))
        return energy_score(*each, batch.present) + energy_score(*whole)

    def sides(self, batch: Batch) -> Tensor:
        """The sides (B, N) that the engineers chose; 0 for a generator that is to choose them itself."""
        return sides_of(batch.dry_power, batch.wet_power, batch.present) * self.preset.architecture.mirror

    def compare(self, decision: Decision, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Log-mel (C, 4, loss frames, F) of the mixes' left, right, mid and side, and the terms of the reconstruction
        loss: of mixes and wet stems frame by frame, and of the console's long-term spectra.
        """
        mels, rate = self.preset.architecture.mels, self.lessons.SAMPLE_RATE
        dry, reverb = (self.stft(audio)[..., MARGIN:-MARGIN, :] for audio in (batch.dry, batch.reverb))
        # No two rooms agree frame by frame: judged by frames, the best room is none. So the send is learned from mean
        # powers alone.
        console = replace(decision.console, send=decision.console.send.detach())
        wet = render(replace(decision, console=console), dry, reverb, self.to_bins)
        mix, stems = stereo_log_mel(wet.sum(1), rate, mels), spectrum_to_log_mel(wet, rate, mels)
        views = 4 if self.preset.mid_side else 2
        expected = long_term(decision.console, batch.dry_power)
        return mix, {
            "mix": log_mel_l1(mix[:, :views], batch.mix_log_mel[:, :views]),
            "stems": log_mel_l1(stems, batch.stems_log_mel, batch.present[: len(stems)]),
            "sides": negative_log_likelihood(decision.console.coupling, self.sides(batch)).mean(),
            "long_term": log_mel_l1(torch.log(expected + FLOOR), torch.log(batch.wet_power + FLOOR), batch.present),
        }

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


def in_broad_bands(power: Tensor, present: Tensor) -> Tensor:
    """Mean mel powers (B, N, 4, F) of tracks -> of all together, the mean in each broad band (B, 4, 8)."""
    return adaptive_avg_pool1d((power * present[..., None, None]).sum(1), BROAD)


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
