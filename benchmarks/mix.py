"""The generator on one thread: songs of four tracks and ten seconds become mixes, as a share of real time, and where
the time goes. Once as the command line mixes, once with the wet stems, each of which needs an inverse transform and a
reverb. All times are CPU time.
"""

import itertools
import time
from collections import Counter
from importlib import import_module
from statistics import fmean

import torch
from stages import watched

from tfrgan_lite.generator import Generator
from tfrgan_lite.labels import STYLES
from tfrgan_lite.mix import Mixer, Room, mix_song
from tfrgan_lite.prepare import front
from tfrgan_lite.studio import song
from tfrgan_lite.studio.master import Meter
from tfrgan_lite.studio.tracks import tracks_of

SECONDS, TRACKS, SONGS_A_STYLE, REPEATS = 10.0, 4, 1, 5
MODULES = ("mix", "listening", "studio.master", "studio.song")
mixing, listening, master, composing = (import_module(f"tfrgan_lite.{name}") for name in MODULES)
STAGES = {  # where each stage is done: its functions call none of another stage
    "loudness": ((Mixer, "_measure"),),
    "spectra": ((type(front(44100).stft), "forward"),),
    "mel powers": ((listening, "middle_and_side"), (listening, "mel_power")),
    "meters": ((listening, "read_meters"),),
    "network": ((Generator, "settle"),),
    "fine head": ((Generator, "refine"),),
    "gains and product": ((mixing, "channel_gains"), (mixing, "add_turned"), (mixing, "add_sent")),
    "inverse": ((mixing, "overlap_add"),),
    "reverb": ((Room, "__call__"),),
    "master": ((Meter, "hear"), (Meter, "gain_to"), (master, "master_gain")),
}


def mix_alone(stems: torch.Tensor, sample_rate: int, style: str, roles: tuple[str, ...], generator: Generator) -> None:
    """What the command line does without --stems-out, but for the files."""
    mixer = Mixer(tracks_of(stems, sample_rate, roles), style, generator)
    mix = torch.cat([block for _, block in mixer.blocks(mixer.takes([0]), stems=False)], dim=-1)
    mix * mixer.over_time(mix)[0]


def run(raw, generator: Generator, spent: Counter) -> Counter:
    """CPU seconds by stage of a song's mix, and of its mix with wet stems in all."""
    spent.clear()
    start = time.process_time()
    mix_alone(raw.stems, raw.sample_rate, raw.style, raw.roles, generator)
    took = Counter(spent, mix=time.process_time() - start)
    start = time.process_time()
    mix_song(raw.stems, raw.sample_rate, raw.style, 0, raw.roles, generator)
    took["mix and wet stems"] = time.process_time() - start
    return took


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    generator = Generator()  # what its weights say costs nothing
    for parameter in (*generator.fine.out.parameters(), *generator.coarse.out.parameters()):
        torch.nn.init.normal_(parameter, std=0.05)
    generator.style_lufs.fill_(-15.0)
    songs = []
    for style in STYLES:
        seeds = (n for n in itertools.count() if len(composing.compose(n, style, SECONDS)[1].tracks) == TRACKS)
        songs += [song(seed, style, SECONDS) for seed in itertools.islice(seeds, SONGS_A_STYLE)]
    spent = watched(STAGES)
    # The fastest run of each song counts: what else the machine does only adds. The first sets up tables.
    best = [min([run(raw, generator, spent) for _ in range(REPEATS + 1)][1:], key=lambda t: t["mix"]) for raw in songs]
    mean = {name: fmean(took[name] for took in best) for name in (*STAGES, "mix", "mix and wet stems")}
    for stage in STAGES:
        print(f"{stage:20} {1000 * mean[stage]:7.1f} ms{mean[stage] / mean['mix']:7.0%} of the mix")
    for name in ("mix", "mix and wet stems"):
        print(f"{name:20} {1000 * mean[name]:7.1f} ms, real-time factor {mean[name] / SECONDS:.4f}")
    wide = sum(not torch.equal(*stem) for raw in songs for stem in raw.stems)
    print(
        f"{len(songs)} songs of {TRACKS} tracks ({wide} of {TRACKS * len(songs)} stereo) and {SECONDS:g} s at 44.1 kHz,"
    )
    print(f"CPU time on one thread, mean over songs of the fastest of {REPEATS} runs")


if __name__ == "__main__":
    main()
