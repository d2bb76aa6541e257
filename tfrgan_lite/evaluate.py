"""Any systems on held-out songs, judged against several engineers' mixes of each song. Chapters 09 and 12."""

import datetime
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from tqdm.auto import tqdm

from .baselines.learned import SHIPPED
from .cache import Cache, fingerprint
from .config import Preset
from .cores import on_all_cores
from .data import HELD_OUT
from .generator import Generator
from .judge import System, by_generator, by_rule, by_static_rule, judged, truth_key
from .labels import STYLES
from .metrics.bootstrap import interval
from .mix import mix_song
from .report import FLOOR, SUBJECT, bars, card, results_page, table, tables
from .studio import song
from .tally import Tally, mean

__all__ = ["System", "card", "evaluate", "on_held_out", "provenance", "results_page", "rules", "table", "tables"]

Systems = Mapping[str, System | Generator | Sequence[System | Generator]]


def rules() -> dict[str, System]:
    """The baselines that are trained on nothing or read from a table, by name: what a generator has to beat."""
    key = fingerprint(Path(__file__).parent, ("baselines",))
    made = {
        "raw sum": "raw_sum",
        "equal loudness": "equal_loudness",
        "Dugan": "dugan",
        "answer set": "answer_set",
        "knowledge rules": "knowledge_rules",
    }
    systems = {name: System(partial(by_rule, rule=rule), False, key + rule) for name, rule in made.items()}
    if SHIPPED.exists():
        for name, coin in (("learned rule", False), ("learned rule with coin", True)):
            systems[name] = System(partial(by_static_rule, coin=coin), coin, key + name)
    return systems


def evaluate(systems: Generator | Systems, preset: Preset, progress: bool = True, cache: Cache | None = None) -> dict:
    """Mix the preset's held-out songs by each system, as often as there are engineers, and judge it against them.

    Args:
        systems: name -> a :class:`System`, a generator, or several of either, as from several training seeds: each is
            measured and the measures are averaged. A generator alone is judged as TFR-GAN, beside all :func:`rules`.
        preset: whose held-out songs, and how many engineers (``judges``, at least 2) mix each of them.
        progress: whether to show a bar.
        cache: what it is kept in that does not change: the engineers' side, and the rules'. The usual one if None.

    Returns:
        A dict for JSON. ``systems``: name -> measure -> [value, low, high], the 95 % interval by bootstrap over songs;
        a measure that a system has not is left out. `report.MEASURES` says what they are. The floor, another engineer,
        is half of a song's engineers judged by the other half. Also ``provenance``, number of ``songs``,
        ``diversity_db``, the log-mel distance of two mixes of one song, ``validity``, ``real_time_factor`` of
        generators, ``seeds`` (how many were averaged), and ``bars``, what the generator must reach, and whether it did.
    """
    if isinstance(systems, Generator):
        systems = {**rules(), SUBJECT: systems}
    systems = {name: list(one) if isinstance(one, Sequence) else [one] for name, one in systems.items()}
    members = {f"{name} {i}": _as_system(one) for name, many in systems.items() for i, one in enumerate(many)}
    truths, made = on_held_out(members, preset, progress, cache)
    tally = Tally(truths)
    measured = {
        name: mean([tally.measures([one[f"{name} {i}"] for one in made], truths) for i in range(len(many))])
        for name, many in systems.items()
    }
    measured[FLOOR] = tally.floor()
    results = {
        "provenance": provenance(preset),
        "songs": len(truths),
        "systems": {
            name: {measure: interval(values) for measure, values in row.items() if measure != "between_db"}
            for name, row in measured.items()
        },
        "diversity_db": {
            name: interval(row["between_db"]) for name, row in measured.items() if row["between_db"].any()
        },
        "validity": {name: _validity([one[f"{name} 0"] for one in made]) for name in systems},
        "real_time_factor": {
            name: real_time_factor(many[0]) for name, many in systems.items() if isinstance(many[0], Generator)
        },
        "seeds": {name: len(many) for name, many in systems.items()},
    }
    return results | {"bars": bars(results, measured)}


def _as_system(given: System | Generator) -> System:
    return given if isinstance(given, System) else System(partial(by_generator, generator=deepcopy(given).cpu()))


def on_held_out(
    systems: Mapping[str, System], preset: Preset, progress: bool = True, cache: Cache | None = None
) -> tuple[list[dict], list[dict]]:
    """What the engineers, and what each system, did on each of the preset's held-out songs, on all cores.

    Returns:
        ``truth`` of each song and ``made`` of each song, as `judge.judged` has them. Arguments as :func:`evaluate`.
    """
    cache, songs = cache or Cache(), [(HELD_OUT + i, STYLES[i % len(STYLES)]) for i in range(preset.held_out)]
    keys = [truth_key(seed, style, preset) for seed, style in songs]
    missing = sum(not cache.path(key).exists() for key in keys)
    views = (
        2 * 2 * preset.judges * int(100 * preset.seconds) * 80 * 2
    )  # bytes: both, of two channels, in half precision
    cache.make_room(missing * (views + 2**20), keys)
    job = partial(judged, systems=systems, preset=preset, cache=cache)
    found = list(tqdm(on_all_cores(job, songs), "judging songs", len(songs), disable=not progress, unit="song"))
    return [truth for truth, _ in found], [made for _, made in found]


def _validity(made: list[dict]) -> dict[str, float]:
    """The worst of all mixes, and the mean loudness."""
    seen = torch.cat([one["validity"] for one in made])
    return {
        "true_peak_db": float(seen[:, 0].max()),
        "lufs": float(seen[:, 1].mean()),
        "permutation_db": max(float(one["permutation_db"]) for one in made),
        "not_finite": int(seen[:, 2].sum()),
    }


def real_time_factor(generator: Generator, seconds: float = 10.0) -> float:
    """Seconds of work for a second of a song of four tracks at 44.1 kHz, mix and wet stems, on one thread: the best of
    five runs. CPU time, which does not count waiting for other programs."""
    raw, threads = song(HELD_OUT, "rock", seconds), torch.get_num_threads()
    stems = raw.stems[torch.arange(4) % len(raw.stems)]
    roles = tuple(raw.roles[k % len(raw.roles)] for k in range(4))
    torch.set_num_threads(1)
    try:
        taken = []
        for _ in range(5):
            begun = time.process_time()
            mix_song(stems, raw.sample_rate, raw.style, 0, roles, generator)
            taken.append(time.process_time() - begun)
    finally:
        torch.set_num_threads(threads)
    return min(taken) / seconds


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
