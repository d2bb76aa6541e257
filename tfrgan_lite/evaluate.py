"""Held-out songs, mixed by rule, by the generator and by engineers, judged against engineers. Chapter 12."""

import datetime
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path

import torch

from . import baselines
from .config import Preset
from .data import studio_songs
from .generator import Generator
from .metrics.mixing import log_mel_distance, mean_and_interval
from .mix import mix_song


def evaluate(generator: Generator, preset: Preset, progress: bool = True) -> dict:
    """Mix the preset's held-out songs and measure each system's distance to the engineers' mixes.

    Every system is measured against all of a song's engineers; an engineer, the floor, against the song's other engineers.

    Returns:
        A dict for JSON: ``provenance``, and ``systems``: name -> ``matched_db`` and ``as_is_db`` (log-mel distance in dB with
        and without matching loudness), each as mean, low and high of the 95 % interval over songs; and ``diversity_db``,
        the distance between two takes of the same song.
    """
    rows: dict[str, list[tuple[float, float]]] = {}
    diversity: dict[str, list[float]] = {"TFR-GAN": [], "another engineer": []}
    for raw, mixes in studio_songs(preset, held_out=True, progress=progress):
        references = [one.mix for one in mixes]
        given = (raw.stems, raw.sample_rate)
        takes = [mix_song(*given, raw.style, seed, raw.roles, generator)[0] for seed in (0, 1)]
        systems = {
            "raw sum": [(baselines.raw_sum(*given, raw.roles)[0], references)],
            "equal loudness": [(baselines.equal_loudness(*given, raw.roles)[0], references)],
            "TFR-GAN": [(takes[0], references)],
        }
        if len(references) > 1:
            others = [references[:i] + references[i + 1 :] for i in range(len(references))]
            systems["another engineer"] = list(zip(references, others, strict=True))
            diversity["another engineer"].append(log_mel_distance(references[0], references[1], raw.sample_rate))
        diversity["TFR-GAN"].append(log_mel_distance(takes[0], takes[1], raw.sample_rate))
        for name, judged in systems.items():
            pairs = [(mix, reference) for mix, against in judged for reference in against]
            distances = [[log_mel_distance(m, r, raw.sample_rate, matched) for m, r in pairs] for matched in (True, False)]
            rows.setdefault(name, []).append(tuple(sum(d) / len(d) for d in distances))
    return {
        "provenance": provenance(preset),
        "systems": {
            name: {
                "matched_db": mean_and_interval([row[0] for row in songs]),
                "as_is_db": mean_and_interval([row[1] for row in songs]),
            }
            for name, songs in rows.items()
        },
        "diversity_db": {name: mean_and_interval(values) for name, values in diversity.items() if values},
        "songs": preset.held_out,
    }


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
