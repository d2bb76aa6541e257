"""The training loop of G and D: alternating steps, a history, checkpoints that resume exactly. Chapter 12."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, fields, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from torch import Tensor
from tqdm.auto import tqdm

from .beta_vae import active_units
from .cache import Cache
from .config import Preset
from .data import MARGIN, Batch, LessonSet, made_ahead, stereo_log_mel
from .discriminator import build_discriminator
from .errors import UserError
from .files import load_tensors, make_folder, save_tensors
from .generator import Decision, Generator, long_term, render
from .losses import ADVERSARIAL, gradient_penalty, kl_per_token, log_mel_l1
from .mel import FLOOR, mel_to_bins
from .memory import keep_freed_memory
from .posterior import Posterior
from .prepare import front, spectrum_to_log_mel
from .sides import negative_log_likelihood, sides_of

CHECKPOINT = "checkpoint.safetensors"


class Trainer:
    """G, D, their optimisers and the loss, for one preset.

    Everything random in step k is drawn from a source seeded with the preset's seed and k, so a run that is stopped and
    resumed takes the same steps as one that was not, bit for bit on a CPU.

    Attributes:
        generator, discriminator: the two players.
        step: number of steps done.
        history: one dict of floats for each step done.
    """

    def __init__(self, preset: Preset, lessons: LessonSet):
        self.preset, self.lessons = preset, lessons
        a = preset.architecture
        self.accelerator = Accelerator()
        self.device = self.accelerator.device
        with torch.random.fork_rng():
            torch.manual_seed(preset.seed)
            self.generator = Generator(a)
            self.posterior = Posterior(a.mels, a.z)
            self.discriminator = build_discriminator(preset.discriminator, preset.loss_frames, a.mels)
        self.modules = {
            "generator": self.generator,
            "posterior": self.posterior,
            "discriminator": self.discriminator,
        }
        self.optimisers = {
            "generator": torch.optim.AdamW(
                [*self.generator.parameters(), *self.posterior.parameters()], preset.learning_rate, betas=(0.9, 0.99)
            ),
            "discriminator": torch.optim.AdamW(
                self.discriminator.parameters(), preset.discriminator_rate, betas=(0.5, 0.99)
            ),
        }
        self.generator.style_lufs.copy_(lessons.style_lufs())
        self.g, self.q, self.d, self.g_optimiser, self.d_optimiser = self.accelerator.prepare(
            self.generator, self.posterior, self.discriminator, *self.optimisers.values()
        )
        self.d_loss, self.g_loss = ADVERSARIAL[preset.adversarial]
        self.stft = front(lessons.SAMPLE_RATE).stft.to(self.device)
        self.to_bins = mel_to_bins(lessons.SAMPLE_RATE, self.stft.n_fft, a.mels).to(self.device)
        self.step, self.history = 0, []

    def fit(
        self, steps: int | None = None, progress: bool = True, after_step: Callable[["Trainer"], None] | None = None
    ) -> None:
        """Train up to ``steps`` steps in all (the preset's, if None), calling ``after_step`` after each.

        Raises UserError if a loss is no longer finite.
        """
        keep_freed_memory()
        steps = self.preset.steps if steps is None else steps
        ahead = made_ahead(self.batch, range(self.step, steps))
        with (
            closing(ahead) as batches,
            tqdm(batches, "training", steps, initial=self.step, disable=not progress, unit="step") as bar,
        ):
            for batch in bar:
                self.history.append(self.train_step(batch))
                self.step += 1
                bar.set_postfix({key: f"{self.history[-1][key]:.3f}" for key in ("mix", "kl")}, refresh=False)
                if after_step:
                    after_step(self)

    def batch(self, step: int) -> Batch:
        """The batch of a step, on the device and in single precision."""
        return self.lessons.batch(step).to(self.device)

    def train_step(self, batch: Batch | None = None) -> dict[str, float]:
        """One step of D, once it is heard, and one of G, on a batch, that of this step if None.

        Returns the terms of the loss, unweighted.
        """
        p, k = self.preset, self.step
        self.g.train()  # who listened to a mix between two steps left it in evaluation mode
        noise = torch.Generator(self.device).manual_seed(p.seed * 1_000_003 + k)
        batch = self.batch(k) if batch is None else batch
        self._set_rates(k)
        sides = sides_of(batch.dry_power, batch.wet_power, batch.present)
        decision, wet, latent_kl = self.mix(batch, sides, noise)
        mels, rate, present = p.architecture.mels, self.lessons.SAMPLE_RATE, batch.present
        mix, stems = stereo_log_mel(wet.sum(1), rate, mels), spectrum_to_log_mel(wet, rate, mels)
        expected = long_term(decision.console, batch.dry_power)
        terms = {
            "mix": log_mel_l1(mix, batch.mix_log_mel),
            "stems": log_mel_l1(stems, batch.stems_log_mel, present[: len(stems)]),
            "long_term": log_mel_l1(torch.log(expected + FLOOR), torch.log(batch.wet_power + FLOOR), present),
            "kl": kl_per_token(decision.kl, present),
            "latent_kl": latent_kl,
            "sides": negative_log_likelihood(decision.console.coupling, sides).mean(),
        }
        loss = (
            p.mix_weight * terms["mix"]
            + p.stems_weight * terms["stems"]
            + p.long_term_weight * terms["long_term"]
            + p.beta * terms["kl"]
            + p.latent_weight * terms["latent_kl"]
            + p.sides_weight * terms["sides"]
        )
        weight = self.adversarial_weight(k)
        if weight > 0:
            real, fake = batch.mix_log_mel[:, 2:], mix[:, 2:]
            terms |= self._discriminator_step(real, fake.detach(), batch.style[: len(real)])
            terms["adversarial"] = self.g_loss(self.d(fake, batch.style[: len(real)]))
            loss = loss + weight * terms["adversarial"]
        if not torch.isfinite(loss):
            raise UserError(f"training: the loss is not finite at step {k}; lower the preset's learning_rate")
        self.g_optimiser.zero_grad()
        self.accelerator.backward(loss)
        terms["gradient"] = self.accelerator.clip_grad_norm_([*self.g.parameters(), *self.q.parameters()], 1.0)
        self.g_optimiser.step()
        terms["active"] = sum(active_units(layer[batch.present]) for layer in decision.kl) / len(decision.kl)
        return {key: float(torch.as_tensor(value).detach()) for key, value in terms.items()}

    def mix(self, batch: Batch, sides: Tensor, noise: torch.Generator) -> tuple[Decision, Tensor, Tensor]:
        """G's decision, the wet spectra (C, N, 2, loss frames, K) of a batch, and the KL of the posterior in nats.

        z is the posterior's, or fresh noise where there is none.
        """
        z, kl = self.q(batch.dry_power, batch.wet_power, batch.roles, batch.style, batch.present, noise)
        heard = (batch.envelope, batch.meters, batch.roles, batch.style)
        with self.accelerator.autocast():
            decision = self.g(*heard, z, batch.present, batch.log_mel, batch.offset, sides, noise)
        dry, reverb = (self.stft(audio)[..., MARGIN:-MARGIN, :] for audio in (batch.dry, batch.reverb))
        # No two rooms agree frame by frame: judged by frames, the best room is none. So the send is learned from mean
        # powers alone.
        console = replace(decision.console, send=decision.console.send.detach())
        wet = render(replace(decision, console=console), dry, reverb, self.to_bins)
        return decision, wet, kl.sum(-1).mean()

    def _discriminator_step(self, real: Tensor, fake: Tensor, style: Tensor) -> dict[str, Tensor]:
        real = real.requires_grad_()
        real_logits, fake_logits = self.d(real, style), self.d(fake, style)
        penalty = gradient_penalty(real_logits, real) if self.preset.gradient_penalty else real_logits.new_zeros(())
        loss = self.d_loss(real_logits, fake_logits)
        self.d_optimiser.zero_grad()
        self.accelerator.backward(loss + self.preset.gradient_penalty * penalty)
        self.d_optimiser.step()
        accuracy = 0.5 * ((real_logits > 0).float().mean() + (fake_logits < 0).float().mean())
        return {"discriminator": loss, "penalty": penalty, "accuracy": accuracy}

    def adversarial_weight(self, k: int) -> float:
        """Zero at first, then a ramp as long as the wait, then the preset's weight."""
        wait = self.preset.adversarial_from * self.preset.steps
        return self.preset.adversarial_weight * min(1.0, max(0.0, (k - wait) / max(1.0, wait)))

    def _set_rates(self, k: int) -> None:
        """Linear warm-up, then a cosine down to a hundredth, as a function of the step alone."""
        p = self.preset
        warm = min(1.0, (k + 1) / p.warm_up)
        cosine = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * min(1.0, k / p.steps))).item())
        for optimiser, rate in ((self.g_optimiser, p.learning_rate), (self.d_optimiser, p.discriminator_rate)):
            for group in optimiser.param_groups:
                group["lr"] = rate * warm * max(0.01, cosine)

    def save(self, folder: Path) -> None:
        """Write weights, optimiser states, history and preset as one safetensors file, whole or not at all.

        Raises UserError where that cannot be done.
        """
        tensors = {}
        for name, module in self.modules.items():
            tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
        for name, optimiser in self.optimisers.items():
            for index, state in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser.{name}.{index}.{key}": value for key, value in state.items()}
        metadata = {"preset": json.dumps(asdict(self.preset)), "history": json.dumps(self.history)}
        save_tensors(folder / CHECKPOINT, tensors, metadata)

    def load(self, folder: Path) -> None:
        """Continue from the checkpoint in ``folder``. Raises UserError as :func:`read_checkpoint`."""
        self.restore(*read_checkpoint(folder, self.preset))

    def restore(self, tensors: dict[str, Tensor], history: list[dict[str, float]]) -> None:
        """Continue from what :func:`read_checkpoint` returned."""
        for name, module in self.modules.items():
            module.load_state_dict(_under(tensors, f"{name}."))
        for name, optimiser in self.optimisers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in _under(tensors, f"optimiser.{name}.").items():
                index, entry = key.split(".")
                state.setdefault(int(index), {})[entry] = value
            optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
        self.history, self.step = history, len(history)


def read_checkpoint(folder: Path, preset: Preset) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """The tensors and the history of the checkpoint in ``folder``.

    Raises UserError if there is none, it is damaged, or it is of another preset.
    """
    path = folder / CHECKPOINT
    try:
        tensors, metadata = load_tensors(path)
        stored, history = json.loads(metadata["preset"]), json.loads(metadata["history"])
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: no checkpoint to resume ({error}); train without --resume") from error
    except (KeyError, ValueError) as error:
        raise UserError(f"{path}: is no checkpoint of a training run; choose another folder") from error
    current = json.loads(json.dumps(asdict(preset)))
    for field in fields(Preset):
        if stored.get(field.name) != current[field.name]:
            raise UserError(f"{path}: was trained with another {field.name}; resume with the same preset")
    return tensors, history


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def train(
    preset: Preset, out: str | Path, resume: bool = False, progress: bool = True, cache: Cache | None = None
) -> Trainer:
    """Render the preset's songs, train G and D on them, and leave ``checkpoint.safetensors`` in the folder ``out``.

    The songs are kept in the cache, ``Cache()`` if None.

    Raises UserError if ``out`` already holds a checkpoint and ``resume`` is not set, or it or the cache cannot be
    written to.
    """
    out = Path(out)
    if (out / CHECKPOINT).exists() and not resume:
        raise UserError(f"{out}: holds a checkpoint already; pass --resume to continue it, or choose another folder")
    stored = read_checkpoint(out, preset) if resume else None  # refused, if at all, before the songs are rendered
    make_folder(out)
    trainer = Trainer(preset, LessonSet(preset, progress, cache))
    if stored:
        trainer.restore(*stored)

    def checkpoint(trainer: Trainer) -> None:
        if trainer.step % preset.checkpoint_every == 0 or trainer.step == preset.steps:
            trainer.save(out)

    trainer.fit(progress=progress, after_step=checkpoint)
    trainer.generator.eval()
    return trainer
