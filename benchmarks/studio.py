"""The studio on one thread: songs of five tracks and ten seconds, and an engineer's mix of each, as times real time,
with the share of each stage. The wet stems, made only when asked for, are counted apart. All times are CPU time.
"""

import itertools
import time
from collections import Counter
from importlib import import_module
from statistics import fmean

import torch
from stages import watched

from tfrgan_lite.labels import STYLES
from tfrgan_lite.memory import keep_freed_memory
from tfrgan_lite.studio import engineer, song

SECONDS, TRACKS, SONGS_A_STYLE, REPEATS = 10.0, 5, 2, 5
songs, engineers = (import_module(f"tfrgan_lite.studio.{name}") for name in ("song", "engineer"))
STAGES = {  # where each stage is done: its functions call none of another stage
    "score and notes": ((songs, "compose"), (songs, "_perform")),
    "recording": ((songs, "_record"),),
    "listening": ((engineers, "by_width"), (engineers, "listen")),
    "decisions": ((engineers, "decide"), (engineers, "levels"), (engineers, "room")),
    "inserts": ((engineers, "_inserts"),),
    "fader by ear": ((engineers, "level"),),
    "pan and reverb": ((engineers.Strips, "mix"),),
    "master": ((engineers, "gain_to"), (engineers, "master_gain")),
    "wet stems": ((engineers.Strips, "wet"),),
}


def run(seed: int, style: str, spent: Counter) -> Counter:
    """CPU seconds by stage of one song, its mix and its wet stems."""
    spent.clear()
    start = time.process_time()
    mixed = engineer(song(seed, style, SECONDS), seed)
    spent["mix"] = time.process_time() - start
    _ = mixed.wet_stems
    spent["mix and wet stems"] = time.process_time() - start
    return Counter(spent)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    keep_freed_memory()  # as every process does that renders a set
    of_five = []
    for style in STYLES:
        seeds = (n for n in itertools.count() if len(songs.compose(n, style, SECONDS)[1].tracks) == TRACKS)
        of_five += [(seed, style) for seed in itertools.islice(seeds, SONGS_A_STYLE)]
    spent = watched(STAGES)
    # The first run loads the bank. Of the others the fastest counts: what else the machine does only adds.
    best = [min([run(*one, spent) for _ in range(REPEATS + 1)][1:], key=lambda took: took["mix"]) for one in of_five]
    mean = {name: fmean(took[name] for took in best) for name in (*STAGES, "mix", "mix and wet stems")}
    for stage in STAGES:
        share = "" if stage == "wet stems" else f"{mean[stage] / mean['mix']:7.0%} of the mix"
        print(f"{stage:20} {1000 * mean[stage]:7.1f} ms{share}")
    for name in ("mix", "mix and wet stems"):
        print(f"{name:20} {1000 * mean[name]:7.1f} ms, {SECONDS / mean[name]:5.0f} times real time")
    print(f"ratio {mean['mix and wet stems'] / mean['mix']:.2f}: with wet stems, a reverb for each, to the mix alone")
    size = f"{len(of_five)} songs of {TRACKS} tracks and {SECONDS:g} s"
    print(f"{size}, CPU time on one thread, bank loaded, mean over songs of the fastest of {REPEATS} runs")


if __name__ == "__main__":
    main()
