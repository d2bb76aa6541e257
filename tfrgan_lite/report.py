"""Results as Markdown: tables of `evaluate`'s measures, what a generator has to reach, and cards."""

from collections.abc import Sequence

import numpy as np

from .metrics.bootstrap import interval
from .variants import COIN, JITTER, RIVALS, SUBJECT

FLOOR = "another engineer"
RULES = (
    *("raw sum", "equal loudness", "Dugan", "answer set", "knowledge rules", "learned rule"),
    "learned rule with coin",
)
# Measure -> heading, digits, and what it is: the smaller the better, but where it says what is right.
MEASURES = {
    "matched_db": ("loudness matched, dB", 2, "log-mel distance to the engineers' mixes, swapping sides where nearer"),
    "as_is_db": ("as it is, dB", 2, "the same without matching loudness"),
    "unswapped_db": ("sides as they are, dB", 2, "loudness matched, never swapping sides"),
    "stft": ("STFT, L/R", 2, "multi-resolution STFT distance of left and right, loudness matched"),
    "stft_mid_side": ("STFT, M/S", 2, "the same of middle and sides"),
    "energy": ("energy distance", 2, "of a song's mixes to its engineers' mixes, on features; 0 for another engineer"),
    "settings_energy": ("of settings", 2, "the same on what was done to each track, measured"),
    "console_energy": ("of the console", 2, "the same on faders, pans and sends, where they are known"),
    "mmd": ("MMD²", 3, "of all songs' mixes to all engineers' mixes, whichever song they are of"),
    "gain_db": ("gain error, dB", 2, "mean difference of tracks' levels, the master taken out"),
    "pan": ("pan distance", 2, "Wasserstein-1 of the positions of tracks that may move, -1 to 1"),
    "diversity": ("diversity", 2, "spread of a song's mixes over that of its engineers' mixes; 1 is right"),
    "width_sd": ("width, sd", 2, "stereo width against the engineers', in their standard deviations; 0 is right"),
    "both_sides": ("both sides", 2, "share of songs whose mixes reach both sides, of those that engineers take there"),
    "centred": ("in the centre", 3, "share of tracks in the centre that no engineer puts there"),
    "style": (
        "style told",
        2,
        "share of mixes whose style is told by who learned it from engineers' mixes of other songs",
    ),
    "covered": ("covered, %", 1, "how much more of a track lies under the others than engineers leave; 0 is right"),
    "keys": (
        "keys follow",
        2,
        "correlation of the keys' change of presence with the engineers'; 1 is right",
    ),
}
MAIN = ("matched_db", "as_is_db", "energy", "diversity", "gain_db")
GROUPS = {
    "One mix against one engineer's": ("matched_db", "as_is_db", "unswapped_db", "stft", "stft_mid_side"),
    "What is drawn against what engineers do": (
        "energy",
        "settings_energy",
        "console_energy",
        "mmd",
        "diversity",
        "style",
    ),
    "Tracks": ("gain_db", "covered", "keys"),
    "Stereo": ("width_sd", "pan", "both_sides", "centred"),
}
VALIDITY = {
    "true_peak_db": "true peak, dBTP",
    "lufs": "LUFS",
    "permutation_db": "order of tracks, dB",
    "not_finite": "not finite",
}


def table(results: dict, measures: tuple[str, ...] = MAIN) -> str:
    """Markdown: the measures of each system that `evaluate` judged, each with its 95 % interval over songs."""
    rows = results["systems"]
    shown = [name for name in measures if any(name in row for row in rows.values())]
    lines = [f"| system | {' | '.join(MEASURES[name][0] for name in shown)} |", "|---" * (len(shown) + 1) + "|"]
    for system, row in rows.items():
        cells = [cell(row[name], MEASURES[name][1]) if name in row else "–" for name in shown]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return "\n".join(lines)


def tables(results: dict) -> str:
    """Markdown: all measures, in groups, with what each of them is, and the validity of the mixes."""
    parts = []
    for heading, names in GROUPS.items():
        shown = [name for name in names if any(name in row for row in results["systems"].values())]
        meaning = "\n".join(f"- **{MEASURES[name][0]}**: {MEASURES[name][2]}" for name in shown)
        parts.append(f"**{heading}**\n\n{meaning}\n\n{table(results, tuple(shown))}")
    lines = [f"| system | {' | '.join(VALIDITY.values())} |", "|---" * (len(VALIDITY) + 1) + "|"]
    for system, row in results.get("validity", {}).items():
        lines.append(f"| {system} | {' | '.join(f'{row[name]:.4g}' for name in VALIDITY)} |")
    meaning = (
        "The highest true peak, the mean loudness, what the order of tracks changes, and samples that are no numbers."
    )
    return "\n\n".join([*parts, f"**Validity**\n\n{meaning}\n\n" + "\n".join(lines)])


def bars(results: dict, measured: dict[str, dict[str, np.ndarray]], subject: str = SUBJECT) -> list[dict]:
    """What the generator has to reach, and whether it did: each with ``name``, ``value``, its 95 % interval ``low`` and
    ``high``, ``bar`` (the least and the most that is allowed, None for no bound) and ``met``.

    ``measured`` has each system's measures as value and resamples, as `tally.Tally` gives them. A bar that needs a
    system that was not judged is left out.
    """
    if subject not in measured:
        return []
    own, found = measured[subject], []

    def add(name: str, values: np.ndarray | None, least: float | None = None, most: float | None = None) -> None:
        if values is not None:
            value, low, high = interval(values)
            met = (least is None or value >= least) and (most is None or value <= most)
            found.append({"name": name, "value": value, "low": low, "high": high, "bar": [least, most], "met": met})

    def over(measure: str, *others: str) -> np.ndarray | None:
        there = [measured[name][measure] for name in others if measure in measured.get(name, {})]
        return own[measure] / min(there, key=lambda values: values[0]) if there and measure in own else None

    distance, energy = "log-mel distance", "energy distance"
    add(f"{distance} over another engineer's", over("matched_db", FLOOR), most=1.0)
    add(f"{distance} over the best rule's", over("matched_db", *RULES), most=0.65)
    add(f"{energy} over the best rule's", over("energy", *RULES), most=0.25)
    add(f"{energy} over that of the {COIN}", over("energy", COIN), most=0.5)
    add(f"{energy} over that of the {JITTER}", over("energy", JITTER), most=1.0)
    add("gain error over the best rule's", over("gain_db", *RULES), most=1.0)
    add("stereo width off the engineers', standard deviations", own["width_sd"], -0.35, 0.35)
    add("songs taken to both sides", own.get("both_sides"), least=0.95)
    add("tracks in the centre that no engineer puts there", own.get("centred"), most=0.0)
    add("diversity ratio", own.get("diversity"), 0.8, 1.2)
    add("correlation of the keys' presence with the engineers'", own.get("keys"), least=0.8)
    for rival in RIVALS:
        add(f"{distance} over the {rival}'s", over("matched_db", rival), most=1.0)
        add(f"{energy} over the {rival}'s", over("energy", rival), most=1.0)
    for what, factor in results["real_time_factor"].get(subject, {}).items():
        add(f"real-time factor of {what}, four tracks, one thread", np.full(2, factor), most=0.02)
    return found


def bars_table(found: list[dict]) -> str:
    """Markdown: each of :func:`bars`, and whether it was met."""
    lines = ["| what | value | asked | met |", "|---|---|---|---|"]
    for bar in found:
        least, most = bar["bar"]
        asked = f"{least:g} to {most:g}" if None not in (least, most) else f"at {'most' if least is None else 'least'} "
        asked += "" if None not in (least, most) else f"{most if least is None else least:g}"
        value = cell((bar["value"], bar["low"], bar["high"]), 3 if (most or 1) < 0.1 else 2)
        lines.append(f"| {bar['name']} | {value} | {asked} | {'yes' if bar['met'] else '**no**'} |")
    return "\n".join(lines)


NOTHING = "Not measured yet: `python -m tfrgan_lite evaluate` does it."


def card(results: dict) -> str:
    """A page of Markdown for weights: recipe, seed, commit and device of the ``training``, if there is one, else of the
    ``provenance``; and the measurements, if there are any, from `evaluate`'s results."""
    where = results.get("training") or results["provenance"]
    recipe = dict(where["preset"])
    shape = recipe.pop("architecture")
    return f"""# The generator's card

Trained by `{_command(where)}` at commit `{where["commit"]}`
on {where["date"]}: {where["device"]}, {where["threads"]} threads, torch {where["torch"]}{_took(where)}.
It learned from songs and mixes of the package's own studio. The weights are under the MIT licence.

{_measured(results)}

- architecture: {", ".join(f"{key} {value}" for key, value in shape.items())}
- recipe: {", ".join(f"{key} {value}" for key, value in recipe.items())}
"""


def _command(training: dict) -> str:
    """What trains the same again."""
    named = f'--variant "{training["variant"]}" --steps {training["steps"]} ' if "variant" in training else ""
    return f"python -m tfrgan_lite train --preset {training['preset']['name']} {named}--seed {training['seed']}"


def _took(training: dict) -> str:
    seconds = training.get("seconds")
    return f"; {training['steps']} steps in {seconds / 60:.1f} minutes" if seconds else ""


def _measured(results: dict) -> str:
    if "systems" not in results:
        return NOTHING
    takes, engineers = (results["diversity_db"][name][0] for name in (SUBJECT, FLOOR))
    judges = results["provenance"]["preset"]["judges"]
    return f"""\
Measured on {results["songs"]} held-out songs with {judges} engineers each: log-mel distance to the engineers'
mixes, mean and 95 % interval over songs. `another engineer` is the floor.

{table(results)}

Two takes of a song are {takes:.3f} dB apart, two engineers' mixes {engineers:.3f} dB."""


def cell(values: Sequence[float], digits: int) -> str:
    """A value and its interval, for a table."""
    mean, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{mean} ({low} to {high})"
