"""How far engineers of one song are apart: for a mixer that knows but one answer, and shall give several."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.signal import sosfreqz
from torch import Tensor

from ..audio import decibels
from ..cores import on_all_cores
from ..errors import UserError
from ..studio import engineer, song
from ..studio.console import biquads
from ..studio.song import RATE
from .learned import read_console, training_songs

SHIPPED = Path(__file__).with_name("jitter.json")  # Jitter.learn(commit=..., date=..., torch=...) wrote it
SPREADS = {"level_db": "level_lufs", "tilt_db": "high_shelf_db", "send_db": "send_db"}  # and what they are read from
READ = (*SPREADS.values(), "low_shelf_db", "low_shelf_hz", "high_shelf_hz")
Settings = dict[str, np.ndarray]


@dataclass(frozen=True)
class Jitter:
    """Standard deviations of engineers' settings about the mean of the engineers of the same song.

    Each is a pair: of what all tracks of a mix have in common, and of what is each track's own.

    Attributes:
        level_db: of the loudness to which the fader brings a track, against the mean over tracks in dB; so there is
            nothing in common.
        tilt_db: of the high shelf in dB.
        send_db: of the reverb send.
        low_share: dB of the low shelf for each dB of the high shelf.
        low_hz, high_hz: corners of the shelves, the medians over tracks.
        provenance: how it was learned.
    """

    level_db: tuple[float, float]
    tilt_db: tuple[float, float]
    send_db: tuple[float, float]
    low_share: float
    low_hz: float
    high_hz: float
    provenance: dict

    def draw(self, loud: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Offsets of level, tilt and send in dB, each (N,), from normal distributions.

        Args:
            loud: (N,), the tracks' loudness in dB. The loudest takes the first draw, so the order of tracks does not
                matter.
            seed: another seed, other offsets.

        Raises:
            UserError: for a negative seed.
        """
        if seed < 0:
            raise UserError(f"seed: {seed} is negative; give 0 or a positive whole number")
        rng = np.random.default_rng([seed, 4])
        common, own = np.transpose([getattr(self, name) for name in SPREADS])
        drawn = common * rng.standard_normal(3) + own * rng.standard_normal((len(loud), 3))
        offsets = torch.empty(3, len(loud))
        offsets[:, loud.argsort(descending=True, stable=True)] = torch.from_numpy(drawn.T).float()
        return tuple(offsets)

    def shelves_db(self, tilt_db: Tensor, hz: Tensor) -> Tensor:
        """What both shelves do to a track whose high shelf moves by tilt_db (N,), in dB at frequencies (F,): (N, F)."""
        settings = {
            "low_shelf_db": self.low_share * tilt_db,
            "low_shelf_hz": self.low_hz,
            "high_shelf_db": tilt_db,
            "high_shelf_hz": self.high_hz,
        }
        responses = [sosfreqz(track, hz, fs=RATE)[1] for track in biquads(RATE, **settings).numpy()]
        return decibels(torch.from_numpy(np.abs(responses)).float())

    @classmethod
    def learn(cls, songs: int = 40, seconds: float = 3.0, engineers: int = 8, first: int = 0, **noted) -> Jitter:
        """Learn from songs of the studio, each mixed by engineers who mix no other, on all cores.

        Args:
            songs, seconds, first: as of :meth:`StaticRule.learn`: training songs, the styles take turns.
            engineers: mixes of each song, 2 at least.
            noted: anything else to write into the provenance, such as a commit.

        Raises:
            UserError: for no songs, fewer than 2 engineers, or for seeds that are held out.
        """
        if engineers < 2:
            raise UserError(f"engineers: {engineers} differ from nobody; give at least 2")
        jobs = training_songs(songs, engineers, first)
        read = on_all_cores(partial(_study, seconds, engineers), jobs)
        return cls.of(read, songs=songs, seconds=seconds, engineers=engineers, first=first, **noted)

    @classmethod
    def of(cls, songs: Iterable[Settings], /, **provenance) -> Jitter:
        """The jitter of songs, each a dict: name in READ -> the settings (engineers, tracks), at least 2 engineers."""
        songs = list(songs)
        apart = {name: [x[name] - x[name].mean(0) for x in songs] for name in READ}
        apart["level_lufs"] = [x - x.mean(1, keepdims=True) for x in apart["level_lufs"]]
        low, high = (np.concatenate([x.ravel() for x in apart[f"{end}_shelf_db"]]) for end in ("low", "high"))
        corners = [np.median(np.concatenate([x[f"{end}_shelf_hz"].ravel() for x in songs])) for end in ("low", "high")]
        share = low @ high / (high @ high or 1.0)
        return cls(*(_spread(apart[name]) for name in SPREADS.values()), float(share), *map(float, corners), provenance)

    def save(self, path: str | Path) -> None:
        """Write the jitter as JSON, one attribute a line, numbers to four decimals."""
        rounded = {name: np.round(x, 4).tolist() for name, x in asdict(self).items() if name != "provenance"}
        both = {"provenance": self.provenance} | rounded
        lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in both.items()]
        Path(path).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path = SHIPPED) -> Jitter:
        """Read a jitter that :meth:`save` wrote; by default the package's own.

        Raises UserError if the file is missing or holds no such jitter.
        """
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
            spreads = [(float(common), float(own)) for common, own in (found[name] for name in SPREADS)]
            share, *corners = (float(found[name]) for name in ("low_share", "low_hz", "high_hz"))
            if not np.isfinite([*np.ravel(spreads), share, *corners]).all() or np.min(spreads) < 0 or min(corners) <= 0:
                raise ValueError("numbers out of range")
            return cls(*spreads, share, *corners, dict(found["provenance"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: holds no jitter; write one with Jitter.learn(...).save(path)") from error


def _study(seconds: float, engineers: int, seed: int, style: str) -> Settings:
    """One song's settings in READ, of its audible tracks: (engineers, tracks)."""
    raw = song(seed, style, seconds)
    mixes = [[row for _, row in read_console(raw, engineer(raw, 1000 * seed + e))] for e in range(engineers)]
    return {name: np.array([[row[name] for row in rows] for rows in mixes]) for name in READ}


def _spread(apart: list[np.ndarray]) -> tuple[float, float]:
    """Standard deviations, common to the tracks of a mix and each track's own, of deviations (engineers, tracks) from
    the mean over the engineers of a song.

    The analysis of variance of a one-way random model, of groups of several sizes (S. R. Searle, G. Casella and C. E.
    McCulloch, Variance Components, 1992, chapter 3), a mix being a group. Both variances are without bias, until one
    below 0 is taken for 0.
    """
    mixes = np.array([len(x) - 1 for x in apart])  # of each song, less the mean that was taken away
    tracks = np.array([x.shape[1] for x in apart])
    means = [x.mean(1, keepdims=True) for x in apart]
    within = sum(np.square(x - mean).sum() for x, mean in zip(apart, means, strict=True))
    between = sum(n * np.square(mean).sum() for n, mean in zip(tracks, means, strict=True))
    own = within / max(mixes @ (tracks - 1), 1)
    common = (between - own * mixes.sum()) / (mixes @ tracks)
    return float(max(common, 0.0) ** 0.5), float(own**0.5)
