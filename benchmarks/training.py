"""Seconds of a training step of each preset, and where they go, in one run (medians): making the batch; deciding songs
as they were mixed, and rendering and comparing them; drawing others, for the energy score; and the adversary. Each
forward and backward.

    python benchmarks/training.py [PRESET ...]
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from tfrgan_lite.batches import LessonSet
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


def cut_loose(decision: Decision) -> Decision:
    """The same decision, for a backward pass that ends at it."""
    console = {name: value.detach() for name, value in vars(decision.console).items() if value is not None}
    for value in console.values():
        value.requires_grad_()
    fine_gain, fine_phase = (x.detach().requires_grad_() for x in (decision.fine_gain, decision.fine_phase))
    return Decision(type(decision.console)(**console), fine_gain, fine_phase, [])


def times(trainer: Trainer, k: int) -> dict[str, float]:
    """Seconds of a whole step and of its parts, on the batch of step k."""
    taken, batches = {}, []
    taken["data"] = seconds(lambda: batches.append(trainer.batch(k)))
    batch = batches[0]
    taken["step"] = taken["data"] + seconds(lambda: trainer.train_step(batch))
    (told, noise), *drawn = trainer.parts(batch)
    decision = cut_loose(trainer.decide(told, noise)[0])
    mix, _ = trainer.compare(decision, told)
    real, fake, style = told.mix_log_mel[:, 2:], mix[:, 2:].detach(), told.style[: len(mix)]

    def decide() -> None:
        made, kl = trainer.decide(told, noise)
        outputs = (*vars(made.console).values(), made.fine_gain, made.fine_phase, kl)
        sum(x.square().mean() for x in outputs if x.requires_grad).backward()

    def adversary() -> None:
        trainer._discriminator_step(real, fake, style)
        trainer.g_loss(trainer.discriminator(fake.requires_grad_(), style)).backward()

    taken["decide"] = seconds(decide)
    taken["compare"] = seconds(lambda: sum(trainer.compare(decision, told)[1].values()).backward())
    taken["draw"] = seconds(lambda: [trainer.energy(*part).backward() for part in drawn])
    taken["adversary"] = seconds(adversary)
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
        for part in ("step", "data", "decide", "compare", "draw", "adversary", "rest"):
            took = statistics.median(row[part] for row in rows)
            print(f"{part:14} {1000 * took:8.1f} ms {took / step:6.0%}")
        print(f"{trainer.device}, {torch.get_num_threads()} threads; data are made ahead while a step is taken\n")


if __name__ == "__main__":
    main()
