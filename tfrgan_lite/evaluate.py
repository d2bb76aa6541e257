"""Held-out songs, mixed by rule, by the generator and by engineers, judged against engineers. Chapter 12."""

import datetime
import platform
import subprocess
from copy import deepcopy
from dataclasses import asdict
from functools import partial, reduce
from operator import getitem
from pathlib import Path
from statistics import fmean

import torch

from . import baselines
from .config import Preset
from .data import on_held_out_songs
from .generator import Generator
from .metrics.mixing import distance, mean_and_interval, view
from .mix import mix_song
from .studio import Engineered, Song


def evaluate(generator: Generator, preset: Preset, progress: bool = True) -> dict:
    """Mix the preset's held-out songs and measure each system's distance to the engineers' mixes.

    Every system is measured against all of a song's engineers, of whom there must be two at least; an engineer, the
    floor, against the song's other engineers. The generator's number is the mean over two takes.

    Returns:
        A dict for JSON: ``provenance``, number of ``songs``, and ``systems``: name -> ``matched_db`` and ``as_is_db``,
        the log-mel distance in dB with and without matching loudness, each as mean, low and high of the 95 % interval
        over songs; and ``diversity_db``, the distance between two mixes of one song.
    """
    judge = partial(_judge, generator=deepcopy(generator).cpu())
    songs = list(on_held_out_songs(judge, preset, progress))

    def over_songs(*path: str) -> tuple[float, float, float]:
        return mean_and_interval([reduce(getitem, path, song) for song in songs])

    return {
        "provenance": provenance(preset),
        "songs": len(songs),
        "systems": {
            name: {m: over_songs(m, name) for m in ("matched_db", "as_is_db")} for name in songs[0]["as_is_db"]
        },
        "diversity_db": {name: over_songs("diversity_db", name) for name in songs[0]["diversity_db"]},
    }


def _judge(raw: Song, mixes: list[Engineered], generator: Generator) -> dict[str, dict[str, float]]:
    """One song: each measure's value for each system."""
    given = (raw.stems, raw.sample_rate)
    systems = {
        "raw sum": [baselines.raw_sum(*given, raw.roles)[0]],
        "equal loudness": [baselines.equal_loudness(*given, raw.roles)[0]],
        "TFR-GAN": [mix_song(*given, raw.style, seed, raw.roles, generator)[0] for seed in (0, 1)],
        "another engineer": [one.mix for one in mixes],
    }
    measured = {}
    for measure, match in (("as_is_db", False), ("matched_db", True)):
        views = {name: [view(mix, raw.sample_rate, match) for mix in made] for name, made in systems.items()}
        references = views["another engineer"]
        measured[measure] = {
            # An engineer is judged against the others, never against the mix itself.
            name: fmean(distance(x, y) for x in made for y in references if x is not y)
            for name, made in views.items()
        }
    measured["diversity_db"] = {name: distance(*views[name][:2]) for name in ("TFR-GAN", "another engineer")}
    return measured


def table(results: dict) -> str:
    """Markdown: each system's distance to the engineers in dB, mean and 95 % interval over songs."""
    lines = ["| system | loudness matched, dB | as it is, dB |", "|---|---|---|"]
    for name, row in results["systems"].items():
        cells = [f"{mean:.2f} ({low:.2f} to {high:.2f})" for mean, low, high in (row["matched_db"], row["as_is_db"])]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def card(results: dict) -> str:
    """A page of Markdown for weights: recipe, seed, commit, device and measurements, from `evaluate`'s results."""
    where = results["provenance"]
    recipe = dict(where["preset"])
    shape = recipe.pop("architecture")
    takes, engineers = (results["diversity_db"][name][0] for name in ("TFR-GAN", "another engineer"))
    return f"""# The generator's card

Trained by `python -m tfrgan_lite train --preset {recipe["name"]} --seed {where["seed"]}` at commit `{where["commit"]}`
on {where["date"]}: {where["device"]}, {where["threads"]} threads, torch {where["torch"]}.
It learned from songs and mixes of the package's own studio. The weights are under the MIT licence.

Measured on {results["songs"]} held-out songs with {recipe["judges"]} engineers each: log-mel distance to the engineers'
mixes, mean and 95 % interval over songs. `another engineer` is the floor.

{table(results)}

Two takes of a song are {takes:.3f} dB apart, two engineers' mixes {engineers:.3f} dB.

- architecture: {", ".join(f"{key} {value}" for key, value in shape.items())}
- recipe: {", ".join(f"{key} {value}" for key, value in recipe.items())}
"""


def provenance(preset: Preset) -> dict:
    """Where a number comes from: preset, seed, device, library, commit and date."""
    return {
        "preset": asdict(preset),
        "seed": preset.seed,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"{platform.machine()} CPU",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "commit": _commit(),
        "date": datetime.date.today().isoformat(),
    }


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"  # installed without its history
