"""Any systems on held-out songs, judged against several engineers' mixes of each song. Chapters 09 and 12."""

import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from .baselines.learned import SHIPPED
from .cache import Cache, fingerprint
from .config import Preset
from .cores import on_all_cores
from .data import HELD_OUT
from .errors import UserError
from .generator import Generator
from .judge import System, by_generator, by_rule, by_static_rule, judged, truth_key
from .labels import STYLES, style_index
from .metrics.bootstrap import interval
from .mix import Mixer
from .page import results_page
from .report import FLOOR, SUBJECT, bars, card, table, tables
from .studio import song
from .studio.tracks import tracks_of
from .tally import Measures, Tally
from .trials import Found, provenance
from .variants import ABLATIONS, MIXERS

TIMED = {"the mix": False, "the mix and its wet stems": True}  # whether there are stems

__all__ = [
    "System",
    "card",
    "compare",
    "evaluate",
    "on_held_out",
    "provenance",
    "results_page",
    "rules",
    "table",
    "tables",
]

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


def compare(found: Found, kind: str, preset: Preset, progress: bool = True, cache: Cache | None = None) -> dict:
    """Judge trained variants for one of the tables of the book.

    Args:
        found: what :func:`tfrgan_lite.trials.trained` found of the kind.
        kind: of `variants.KINDS`; mixers are judged beside all :func:`rules`, ablations against TFR-GAN.
        preset, progress, cache: as :func:`evaluate` takes them.

    Returns:
        What :func:`evaluate` does, with ``kind`` and ``training``: name -> how each seed was trained.
    """
    systems: Systems = {**(rules() if kind == MIXERS else {}), **found.systems}
    against = SUBJECT if kind == ABLATIONS else None
    return {"kind": kind, **evaluate(systems, preset, progress, cache, against), "training": found.training}


def evaluate(
    systems: Generator | Systems,
    preset: Preset,
    progress: bool = True,
    cache: Cache | None = None,
    against: str | None = None,
) -> dict:
    """Mix the preset's held-out songs by each system, as often as there are engineers, and judge it against them.

    Args:
        systems: name -> a :class:`System`, a generator, or several of either, as from several training seeds: each is
            measured and the measures are averaged. A generator alone is judged as TFR-GAN, beside all :func:`rules`.
            One of z 0 that says the sides itself knows one mix of a song.
        preset: whose held-out songs, and how many engineers (``judges``, at least 2) mix each of them.
        progress: whether to show a bar.
        cache: what it is kept in that does not change: the engineers' side, and that of systems with a key. The usual
            one if None.
        against: the system from whose measures all others' are told apart.

    Returns:
        A dict for JSON. ``systems``: name -> measure -> [value, low, high], the 95 % interval by bootstrap over songs
        and, where there are several, seeds; a measure that a system has not is left out. `report.MEASURES` says what
        they are. The floor, another engineer, is half of a song's engineers judged by the other half. Also
        ``provenance``, number of ``songs``, ``diversity_db``, the log-mel distance of two mixes of one song,
        ``validity``, ``real_time_factor`` of generators, ``seeds`` (how many were averaged), and ``bars``, what the
        generator must reach, and whether it did.
        With ``against``, also ``differences``: each other system's measures less that one's, on the same songs.

    Raises:
        UserError: if ``against`` is none of the systems.
    """
    given: Systems = {**rules(), SUBJECT: systems} if isinstance(systems, Generator) else systems
    seeds = {
        name: [_as_system(one) for one in (many if isinstance(many, Sequence) else [many])]
        for name, many in given.items()
    }
    if against is not None and against not in seeds:
        raise UserError(f"against: {against} is not among the systems; train it and judge it with them")
    members = {f"{name} {i}": one for name, many in seeds.items() for i, one in enumerate(many)}
    truths, made = on_held_out(members, preset, progress, cache)
    tally = Tally(truths)
    measured = {
        name: pooled([tally.measures([one[f"{name} {i}"] for one in made], truths) for i in range(len(many))])
        for name, many in seeds.items()
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
        "validity": {name: _validity([one[f"{name} 0"] for one in made]) for name in seeds},
        "real_time_factor": {
            name: real_time_factor(mix.keywords["generator"])
            for name, mix in ((name, many[0].mix) for name, many in seeds.items())
            if isinstance(mix, partial) and mix.func is by_generator
        },
        "seeds": {name: len(many) for name, many in seeds.items()},
    }
    if against is not None:
        results["differences"] = differences(measured, against)
    return results | {"bars": bars(results, measured)}


def _as_system(given: System | Generator) -> System:
    if isinstance(given, System):
        return given
    a = given.architecture
    return System(partial(by_generator, generator=deepcopy(given).cpu()), bool(a.z) or a.mirror)


def pooled(seeds: list[Measures]) -> Measures:
    """The mean over training seeds of each measure that all have. Each resample of the songs draws seeds, too: what
    another seed would change belongs to the interval."""
    shared = [name for name in seeds[0] if all(name in row for row in seeds)]
    means = {}
    for name in shared:
        values = np.stack([row[name] for row in seeds])  # (seeds, 1 + resamples)
        count, length = values.shape
        drawn = np.random.default_rng([count, length]).integers(count, size=(count, length))
        drawn[:, 0] = range(count)
        means[name] = np.take_along_axis(values, drawn, 0).mean(0)
    return means


def differences(measured: Mapping[str, Measures], against: str) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Each other system's measures less that one's, with intervals: the same songs, and seeds, are drawn for both."""
    own = measured[against]
    return {
        name: {m: interval(values - own[m]) for m, values in row.items() if m in own and m != "between_db"}
        for name, row in measured.items()
        if name != against
    }


def on_held_out(
    systems: Mapping[str, System], preset: Preset, progress: bool = True, cache: Cache | None = None
) -> tuple[list[dict], list[dict]]:
    """What the engineers, and what each system, did on each of the preset's held-out songs, on all cores.

    Returns:
        ``truth`` of each song, with its ``style``, and ``made`` of each song, as `judge.judged` has them. Arguments as
        :func:`evaluate`.
    """
    cache, songs = cache or Cache(), [(HELD_OUT + i, STYLES[i % len(STYLES)]) for i in range(preset.held_out)]
    keys = [truth_key(seed, style, preset) for seed, style in songs]
    missing = sum(not cache.path(key).exists() for key in keys)
    views = (
        2 * 2 * preset.judges * int(100 * preset.seconds) * 80 * 2
    )  # bytes: both, of two channels, in half precision
    cache.make_room(missing * (views + 2**20), keys)
    job = partial(judged, systems=dict(systems), preset=preset, cache=cache)
    found = list(tqdm(on_all_cores(job, songs), "judging songs", len(songs), disable=not progress, unit="song"))
    styles = (torch.tensor(style_index(style)) for _, style in songs)
    return [truth | {"style": style} for (truth, _), style in zip(found, styles, strict=True)], [
        made for _, made in found
    ]


def _validity(made: list[dict]) -> dict[str, float]:
    """The worst of all mixes, and the mean loudness."""
    seen = torch.cat([one["validity"] for one in made])
    return {
        "true_peak_db": float(seen[:, 0].max()),
        "lufs": float(seen[:, 1].mean()),
        "permutation_db": max(float(one["permutation_db"]) for one in made),
        "not_finite": int(seen[:, 2].sum()),
    }


def real_time_factor(generator: Generator, seconds: float = 10.0) -> dict[str, float]:
    """Seconds of work for a second of a song of four tracks at 44.1 kHz, on one thread, of ``the mix`` and of ``the mix
    and its wet stems``: the best of five runs each. CPU time, which does not count waiting for other programs."""
    raw, threads = song(HELD_OUT, "rock", seconds), torch.get_num_threads()
    stems = raw.stems[torch.arange(4) % len(raw.stems)]
    roles = tuple(raw.roles[k % len(raw.roles)] for k in range(4))

    def once(with_stems: bool) -> float:
        begun = time.process_time()
        mixer = Mixer(tracks_of(stems, raw.sample_rate, roles), raw.style, generator)
        mixer.finished(mixer.takes([0])[0], with_stems)
        return (time.process_time() - begun) / seconds

    torch.set_num_threads(1)
    try:
        return {what: min(once(both) for _ in range(5)) for what, both in TIMED.items()}
    finally:
        torch.set_num_threads(threads)
