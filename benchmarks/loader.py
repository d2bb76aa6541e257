"""How long a training step waits for its batch: made when it is asked for, and made ahead by a thread.

As shares of a step, in one run (medians); with what the cache holds, bytes a song, and how fast it is checked.
"""

import statistics
import time
from collections.abc import Iterator
from dataclasses import replace

import torch

from tfrgan_lite.batches import LessonSet, made_ahead
from tfrgan_lite.cache import GIB, Cache
from tfrgan_lite.config import preset
from tfrgan_lite.memory import keep_freed_memory
from tfrgan_lite.train import Trainer

SONGS, STEPS, WARM, ROUNDS = 16, 6, 2, 3


def waits_and_steps(trainer: Trainer, batches: Iterator) -> tuple[list[float], list[float]]:
    """Seconds of waiting for each batch, and of each step with its wait, once warm."""
    waited, whole = [], []
    start = time.perf_counter()
    for batch in batches:
        waited.append(time.perf_counter() - start)
        trainer.train_step(batch)  # it returns numbers, so a GPU has finished
        whole.append(time.perf_counter() - start)
        start = time.perf_counter()
    return waited[WARM:], whole[WARM:]


def main() -> None:
    """Print the medians of both ways and their ratio, and the cache's figures."""
    keep_freed_memory()  # as training does
    config = replace(preset(), songs=SONGS, steps=1_000_000)
    cache = Cache()
    lessons = LessonSet(config, cache=cache)
    start = time.perf_counter()
    lessons = LessonSet(config, progress=False, cache=cache)  # opened and checked once more
    took = time.perf_counter() - start
    size = sum(tensor.nbytes for song, mix in lessons.lessons if mix == 0 for tensor in song.values())
    trainer = Trainer(config, lessons)
    steps = range(WARM + STEPS)
    ways = {
        "made when asked for": lambda: map(trainer.batch, steps),
        "made ahead": lambda: made_ahead(trainer.batch, steps),
    }
    waited, whole = ({way: [] for way in ways} for _ in range(2))
    for _ in range(ROUNDS):
        for way, batches in ways.items():  # alternating, so that both meet the same load
            waits, steps_with = waits_and_steps(trainer, batches())
            waited[way] += waits
            whole[way] += steps_with
    for way in ways:
        wait, step = (1000 * statistics.median(times[way]) for times in (waited, whole))
        print(f"batch {way:20} a step takes {step:8.2f} ms, of which it waits {wait:6.2f} ms, {wait / step:.1%}")
    ratio = statistics.median(whole["made ahead"]) / statistics.median(whole["made when asked for"])
    print(f"ratio {ratio:.2f}: time of a step with batches made ahead, against without")
    print(f"{size / SONGS / 1e6:.1f} MB a song of {config.seconds:g} s, checked at {size / took / GIB:.1f} GiB/s")
    print(f"preset {config.name}, {trainer.device}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
