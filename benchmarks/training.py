"""Seconds of a training step of each preset, and where they go: making the batch, encoder, decoder, discriminator, and
the loss, which is rendering and mel; each forward and backward, in one run (medians).

    python benchmarks/training.py [PRESET ...]
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from tfrgan_lite.batches import LessonSet
from tfrgan_lite.beta_vae import SharedNoise
from tfrgan_lite.config import PRESETS, preset
from tfrgan_lite.generator import Decision
from tfrgan_lite.memory import keep_freed_memory
from tfrgan_lite.train import Trainer

SONGS, STEPS, WARM = 24, 8, 2


def seconds(work: Callable[[], object]) -> float:
    """Wall time of a call, the GPU's work included."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def again(module: nn.Module, given: tuple) -> Callable[[], None]:
    """A module forward and backward, from what it was given in a step."""
    given = tuple(x.detach().requires_grad_(x.is_floating_point()) if isinstance(x, Tensor) else x for x in given)
    return lambda: module(*given)[0].square().mean().backward()


def cut_loose(decision: Decision) -> Decision:
    """The same decision, for a backward pass that ends at it."""
    console = {name: value.detach() for name, value in vars(decision.console).items() if value is not None}
    for value in console.values():
        value.requires_grad_()
    fine_gain, fine_phase = (x.detach().requires_grad_() for x in (decision.fine_gain, decision.fine_phase))
    return Decision(type(decision.console)(**console), fine_gain, fine_phase, [])


def times(trainer: Trainer, k: int) -> dict[str, float]:
    """Seconds of a whole step and of its parts, on the batch of step k."""
    taken, seen = {}, {}

    def see(module, given):
        seen[module] = given

    learner, d = trainer.learner, trainer.discriminator
    batches = []
    taken["data"] = seconds(lambda: batches.append(trainer.batch(k)))
    batch = batches[0]
    hooks = [part.register_forward_pre_hook(see) for part in (learner.encoder, learner.decoder)]
    taken["step"] = taken["data"] + seconds(lambda: trainer.train_step(batch))
    for hook in hooks:
        hook.remove()
    decision, _ = trainer.decide(batch, SharedNoise(k, trainer.device))
    decision = cut_loose(decision)
    mix, _ = trainer.compare(decision, batch)
    real, fake, style = batch.mix_log_mel[:, 2:], mix[:, 2:].detach(), batch.style[: len(mix)]

    def loss() -> None:
        sum(trainer.compare(decision, batch)[1].values()).backward()

    def adversary() -> None:
        trainer._discriminator_step(real, fake, style)
        trainer.g_loss(d(fake.requires_grad_(), style)).backward()

    taken["encoder"] = seconds(again(learner.encoder, seen[learner.encoder]))
    taken["decoder"] = seconds(again(learner.decoder, seen[learner.decoder]))
    taken["discriminator"] = seconds(adversary)
    taken["loss"] = seconds(loss)
    taken["rest"] = taken["step"] - sum(taken[part] for part in taken if part != "step")
    return taken


def main() -> None:
    """Print a table for each preset."""
    keep_freed_memory()  # as training does
    for name in sys.argv[1:] or PRESETS:
        config = replace(preset(name), songs=SONGS, songs_with_audio=SONGS, adversarial_from=0.0, warm_up=1)
        trainer = Trainer(config, LessonSet(config))
        trainer.step = 1  # from here on the adversary is heard
        rows = [times(trainer, k) for k in range(WARM + STEPS)][WARM:]
        print(
            f"preset {name}: {config.batch} songs a step, {config.rendered} rendered, {config.loss_frames} frames each"
        )
        step = statistics.median(row["step"] for row in rows)
        for part in ("step", "data", "encoder", "decoder", "discriminator", "loss", "rest"):
            took = statistics.median(row[part] for row in rows)
            print(f"{part:14} {1000 * took:8.1f} ms {took / step:6.0%}")
        print(f"{trainer.device}, {torch.get_num_threads()} threads; data are made ahead while a step is taken\n")


if __name__ == "__main__":
    main()
