"""The best static rule: the mean settings of a role in a style, learned from engineers' mixes of training songs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..audio import check_stems, loudness
from ..cores import on_all_cores
from ..errors import UserError
from ..labels import ROLES, STYLES, check_roles, style_index
from ..studio import Engineered, Song, engineer, song
from ..studio.ears import SILENCE_DB, by_width, level
from ..studio.engineer import INSERTS
from .desk import SETTINGS, neutral, run

SHIPPED = Path(__file__).with_name("static_rule.json")  # StaticRule.learn(commit=..., date=..., torch=...) wrote it
HELD_OUT = 1_000_000  # seeds from here on are for judging
# The make-up gain is left out: the fader undoes it. The threshold is kept against the track's own loudness.
MEASURED = ("level_lufs", "threshold_lu", "distance")
NAMES = (*MEASURED, *(name for name in SETTINGS if name not in ("makeup_db", "threshold_db")))
Row = dict[str, float]


@dataclass(frozen=True)
class StaticRule:
    """A table of settings, the same for every song; it hears nothing but each track's own loudness.

    Attributes:
        table: style -> role -> settings, named as in `studio.Engineered.console`, and `level_lufs`, where the fader
            brings the track; `threshold_lu`, of the compressor against the loudness of the dry track; `pan`, the mean
            over engineers, left negative; `distance`, the mean without sign.
        lufs: style -> loudness of the mix.
        provenance: how it was learned.
    """

    table: dict[str, dict[str, Row]]
    lufs: dict[str, float]
    provenance: dict

    def __call__(
        self,
        stems: Tensor,
        sample_rate: int,
        roles: tuple[str, ...] | None = None,
        style: str | None = None,
        seed: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Mix by the table.

        Args:
            stems: (N, 1 or 2, samples).
            sample_rate: Hz.
            roles: one of ROLES for each track; ``other`` for all if None.
            style: one of STYLES; the mean over all of them if None.
            seed: None pans to the mean over engineers, which is close to the centre, as they disagree on sides. With a
                seed each track stands at its mean distance, on a side that a coin chooses; the coins go by loudness, so
                the order of tracks does not matter.

        Returns:
            The mix (2, samples), true peak at most -1 dBTP, and the wet stems (N, 2, samples). A silent track stays
            silent.

        Raises:
            UserError: as :func:`tfrgan_lite.audio.check_stems`; for wrong roles, an unknown style or a negative seed.
        """
        stems = check_stems(stems, sample_rate)
        roles = check_roles(roles, len(stems))
        styles = STYLES if style is None else (STYLES[style_index(style)],)
        rows = [_mean([self.table[one][role] for one in styles]) for role in roles]
        column = {name: torch.tensor([row[name] for row in rows]) for name in NAMES}
        now = level(by_width(stems), sample_rate)
        settings = neutral(len(stems)) | {name: column[name] for name in NAMES if name not in MEASURED}
        settings["threshold_db"] = column["threshold_lu"] + now
        if seed is not None:
            settings["pan"] = column["distance"] * _coins(seed, now)
        target = sum(self.lufs[one] for one in styles) / len(styles)
        return run(stems, sample_rate, settings, column["level_lufs"], target)

    @classmethod
    def learn(cls, songs: int = 200, seconds: float = 10.0, engineers: int = 1, first: int = 0, **noted) -> StaticRule:
        """Learn from songs of the studio, each mixed by engineers who mix no other, on all cores.

        They are the training songs: seeds from ``first`` on, the styles take turns. A role that a style has seldom seen
        leans on the role's mean over styles: that counts as one track more.

        Args:
            songs: how many, 1 at least.
            seconds: length of each.
            engineers: mixes of each song.
            first: the first song's seed; none may reach 1 000 000, where the held-out songs begin.
            noted: anything else to write into the provenance, such as a commit.

        Raises:
            UserError: for no songs, or for seeds that are held out.
        """
        jobs = training_songs(songs, engineers, first)
        heard = list(on_all_cores(partial(_study, seconds, engineers), jobs))
        rows: dict[tuple[str, str], list[Row]] = {(style, role): [] for style in STYLES for role in ROLES}
        for (_, style), (tracks, _) in zip(jobs, heard, strict=True):
            for role, row in tracks:
                rows[style, role].append(row)
        anyone = _mean(row for group in rows.values() for row in group)
        of_role = {role: _mean([anyone, *(row for style in STYLES for row in rows[style, role])]) for role in ROLES}
        table = {style: {role: _mean([of_role[role], *rows[style, role]]) for role in ROLES} for style in STYLES}
        everywhere = float(np.mean([lufs for _, mixes in heard for lufs in mixes]))
        lufs: dict[str, list[float]] = {style: [] for style in STYLES}
        for (_, style), (_, mixes) in zip(jobs, heard, strict=True):
            lufs[style] += mixes
        arguments = {"songs": songs, "seconds": seconds, "engineers": engineers, "first": first}
        return cls(table, {s: float(np.mean(x or [everywhere])) for s, x in lufs.items()}, arguments | noted)

    def save(self, path: str | Path) -> None:
        """Write the rule as JSON, one role a line, numbers to four digits."""
        lines = []
        for style, roles in self.table.items():
            body = ",\n".join(f"   {json.dumps(role)}: {json.dumps(_rounded(row))}" for role, row in roles.items())
            lines.append(f"  {json.dumps(style)}: {{\n{body}\n  }}")
        head = f'{{\n "provenance": {json.dumps(self.provenance)},\n "lufs": {json.dumps(_rounded(self.lufs))},\n'
        Path(path).write_text(head + ' "table": {\n' + ",\n".join(lines) + "\n }\n}\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path = SHIPPED) -> StaticRule:
        """Read a rule that :meth:`save` wrote; by default the package's own.

        Raises UserError if the file is missing or holds no such rule.
        """
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
            table = {s: {r: {n: float(found["table"][s][r][n]) for n in NAMES} for r in ROLES} for s in STYLES}
            return cls(table, {s: float(found["lufs"][s]) for s in STYLES}, dict(found["provenance"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: holds no static rule; write one with StaticRule.learn(...).save(path)") from error


def training_songs(songs: int, engineers: int, first: int) -> list[tuple[int, str]]:
    """Seed and style of each song of the studio to learn from: seeds from `first` on, the styles take turns.

    Raises UserError for no songs, no engineers, or seeds that are held out.
    """
    if songs < 1 or engineers < 1:
        raise UserError(f"songs, engineers: {songs} and {engineers}; give at least 1 of each")
    if first < 0 or first + songs > HELD_OUT:
        raise UserError(f"first: seeds {first} to {first + songs - 1} are not all of training; stay below {HELD_OUT}")
    return [(first + i, STYLES[i % len(STYLES)]) for i in range(songs)]


def _study(seconds: float, engineers: int, seed: int, style: str) -> tuple[list[tuple[str, Row]], list[float]]:
    """One song's mixes: (role, settings) of every audible track, and the loudness of each mix in LUFS."""
    raw = song(seed, style, seconds)
    mixes = [engineer(raw, 1000 * seed + e) for e in range(engineers)]
    tracks = [found for mixed in mixes for found in read_console(raw, mixed)]
    return tracks, [float(loudness(mixed.mix, raw.sample_rate)) for mixed in mixes]


def read_console(raw: Song, mixed: Engineered) -> Iterable[tuple[str, Row]]:
    """Role and settings of every audible track of a mix; the fader is read as the loudness that it leads to."""
    strips = {name: torch.tensor([strip[name] for strip in mixed.console]) for name in mixed.console[0]}
    groups = by_width(raw.stems)
    dry = level(groups, raw.sample_rate)
    for effect, names in INSERTS.items():
        groups = [(k, effect(x, raw.sample_rate, **{name: strips[name][k] for name in names})) for k, x in groups]
    strips["level_lufs"] = level(groups, raw.sample_rate) + strips["gain_db"]
    strips["threshold_lu"] = strips["threshold_db"] - dry
    strips["distance"] = strips["pan"].abs()
    for k in (dry > SILENCE_DB).nonzero()[:, 0].tolist():
        yield raw.roles[k], {name: float(strips[name][k]) for name in NAMES}


def _mean(rows: Iterable[Row]) -> Row:
    """The mean of each setting: of frequencies, times, ratios and Q that of their logarithms."""
    rows = list(rows)
    found = {}
    for name in NAMES:
        values = np.array([row[name] for row in rows])
        geometric = name.endswith(("_hz", "_ms", "_q")) or name == "ratio"
        found[name] = float(np.exp(np.log(values).mean()) if geometric else values.mean())
    return found


def _coins(seed: int, loud: Tensor) -> Tensor:
    """A side, -1 or 1, for each track: the loudest takes the first coin."""
    if seed < 0:
        raise UserError(f"seed: {seed} is negative; give 0 or a positive whole number")
    coins = torch.from_numpy(np.random.default_rng([seed, 2]).integers(2, size=len(loud))).float() * 2 - 1
    sides = torch.empty_like(coins)
    sides[loud.argsort(descending=True, stable=True)] = coins
    return sides


def _rounded(row: Row) -> Row:
    return {name: float(f"{value:.4g}") for name, value in row.items()}
