"""From what was measured on each song to each measure of a system, with its bootstrap over songs. Chapter 09."""

import numpy as np
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from .metrics.bootstrap import resamples
from .metrics.distances import (
    centred,
    correlation,
    energy_distance,
    gain_error,
    gaussian,
    halves,
    kernel_width,
    pan_distance,
    scale_of,
    sides_reached,
    spread,
)
from .metrics.features import FEATURES, LEVEL, POSITION

RESAMPLES = 1000
SPLITS = 8  # ways to split a song's engineers in halves, for the floor
DISTANCES = ("matched_db", "unswapped_db", "as_is_db", "stft", "stft_mid_side")
WIDTH = FEATURES.index("width_db")
Song = dict[str, Tensor]
Measures = dict[str, np.ndarray]


class Tally:
    """The measures of systems on the same songs: each as its value on all songs and on every resample of them, an array
    (1 + RESAMPLES,). The same resamples for all systems, so that ratios of their measures have intervals, too.

    Args:
        truths: the engineers' side of each song, as `judge.judged` returns it, and its ``style`` (). What they do sets
            the scale of all features and settings.
    """

    def __init__(self, truths: list[Song]):
        self.truths, self.drawn = truths, resamples(len(truths), RESAMPLES)
        points = torch.cat([truth["features"] for truth in truths])
        self.scale, self.width = scale_of(points), kernel_width(points / scale_of(points))
        self.settings_scale = scale_of(torch.cat([truth["settings"].flatten(0, 1) for truth in truths]))
        self.console_scale = scale_of(torch.cat([truth["console"].flatten(0, 1) for truth in truths]))
        self.ears = [self._ear(left_out) for left_out in range(len(truths))]

    def measures(self, made: list[Song], truths: list[Song]) -> Measures:
        """A system's measures from what `judge.judged` returns of each song, by name; what it has not is left out."""
        rows = [self._song(*each) for each in zip(made, truths, self.ears, strict=True)]
        names = {name: None for row in rows for name in row}  # a set that keeps the order
        parts = {name: np.array([row.get(name, (0.0, 0.0)) for row in rows], float) for name in names}
        sums = {name: values[self.drawn].sum(1) for name, values in parts.items()}  # (1 + RESAMPLES, 2)
        measured = {name: _over(*both.T) for name, both in sums.items() if both[0, 1] > 0}
        return measured | self._of_all_songs(made, truths)

    def _song(self, x: Song, y: Song, ear: LinearDiscriminantAnalysis | None) -> dict[str, tuple[float, float]]:
        """Each measure of one song as a numerator and a denominator: over songs, each is summed."""
        row = {name: (float(x[name].mean()), 1.0) for name in DISTANCES}
        points, true = x["features"] / self.scale, y["features"] / self.scale
        moves, present = y["movers"], y["present"]
        row["width_sd"] = (float(points[:, WIDTH].mean() - true[:, WIDTH].mean()), 1.0)
        row["diversity"] = (float(spread(points)), float(spread(true)))
        row["between_db"] = (float(x["between_db"]), 1.0)
        if ear:
            row["style"] = (float((ear.predict(points.numpy()) == int(y["style"])).mean()), 1.0)
        if present.any():
            under = [float(both["covered"][:, present].mean()) for both in (x, y)]
            row["covered"] = (100 * (under[0] - under[1]), 1.0)
            row["gain_db"] = (gain_error(*(both["settings"][:, present, LEVEL] for both in (x, y))), 1.0)
        places = [both["settings"][:, moves, POSITION] for both in (x, y)]
        reached = sides_reached(*places)
        row["both_sides"] = (float(reached or 0), float(reached is not None))
        row["centred"] = centred(*places)
        if len(true) > 1:
            row["energy"] = (energy_distance(points, true), 1.0)
            for name, scale in (("settings", self.settings_scale), ("console", self.console_scale)):
                if name in x:
                    both = (z[name].div(scale).flatten(1) / z[name].shape[1] ** 0.5 for z in (x, y))
                    row[f"{name}_energy"] = (energy_distance(*both), 1.0)
        return row

    def _ear(self, left_out: int) -> LinearDiscriminantAnalysis | None:
        """Who tells styles by the engineers' mixes of all songs but one; None if no other song has its style."""
        others = [truth for i, truth in enumerate(self.truths) if i != left_out]
        styles = [int(truth["style"]) for truth in others for _ in truth["features"]]
        if int(self.truths[left_out]["style"]) not in styles or len(set(styles)) < 2:
            return None
        points = torch.cat([truth["features"] for truth in others]) / self.scale
        return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(points.numpy(), styles)

    def _of_all_songs(self, made: list[Song], truths: list[Song]) -> Measures:
        """What is no mean over songs."""
        found = {"mmd": self._mmd(made, truths)}
        sides = [list(zip(side, truths, strict=True)) for side in (made, truths)]
        places = [[x["settings"][:, y["movers"], POSITION].flatten().numpy() for x, y in side] for side in sides]
        if sum(map(len, places[1])):
            moves = np.array([i for i, place in enumerate(places[1]) if len(place)])
            drawn = ([i for i in row if i in moves] or moves for row in self.drawn)
            found["pan"] = np.array(
                [pan_distance(*(np.concatenate([p[i] for i in row]) for p in places)) for row in drawn]
            )
        asked = np.array([int(y["keys"]) >= 0 for y in truths])
        if asked.sum() > 2:
            lifted = [np.array([float(x["presence"][:, y["keys"]].mean()) for x, y in side]) for side in sides]
            found["keys"] = np.array([correlation(*(side[row[asked[row]]] for side in lifted)) for row in self.drawn])
        return found

    def _mmd(self, made: list[Song], truths: list[Song]) -> np.ndarray:
        """As `distances.mmd`, but mixes of one song are not compared with each other: they are not independent, and a
        system that answers once has fewer of them. Unbiased over songs.
        """
        x, y = (torch.stack([z["features"] for z in side]) / self.scale for side in (made, truths))
        weights = np.stack([np.bincount(drawn, minlength=len(x)) for drawn in self.drawn]).astype(float)
        total, others = np.zeros(len(weights)), 1 - np.eye(len(x))
        for a, b, sign in ((x, x, 1), (y, y, 1), (x, y, -2)):
            kernel = gaussian(a.flatten(0, 1), b.flatten(0, 1), self.width)
            songs = kernel.unflatten(0, a.shape[:2]).unflatten(2, b.shape[:2]).mean((1, 3)).double().numpy()
            pairs = (np.einsum("rs,st,rt->r", weights, matrix, weights) for matrix in (songs * others, others))
            total += sign * _over(*pairs)
        return total

    def floor(self) -> Measures:
        """Half of each song's engineers judged by the other half, the mean over random splits; sides by all of them."""
        splits = []
        for number in range(SPLITS):
            made, others = [], []
            for i, truth in enumerate(self.truths):
                ((one, other),) = halves(len(truth["features"]), 1, seed=1000 * number + i)
                made.append(_some(truth, one, other))
                others.append(_some(truth, other, one))
            splits.append(self.measures(made, others))
        measured = mean(splits)
        themselves = [{**truth, "between_db": torch.zeros(())} for truth in self.truths]
        whole = [self._song(*each) for each in zip(themselves, themselves, self.ears, strict=True)]
        for name in ("both_sides", "centred"):
            measured.pop(name, None)
            values = np.array([row[name] for row in whole], float)[self.drawn].sum(1)
            if values[0, 1] > 0:
                measured[name] = _over(*values.T)
        return measured


def _some(truth: Song, rows: Tensor, others: Tensor) -> Song:
    """Some of a song's engineers, as a system's takes that are measured against the others."""
    taken = {name: truth[name][rows] for name in ("features", "settings", "presence", "covered", "console")}
    distances = {name: truth[name][rows][:, others] for name in ("matched_db", "unswapped_db", "as_is_db")}
    between = truth["matched_db"][rows][:, rows] if len(rows) > 1 else truth["matched_db"][rows][:, others]
    return {
        **{name: truth[name] for name in ("present", "movers", "keys", "style", "stft", "stft_mid_side")},
        **taken,
        **distances,
        "between_db": between.sum() / max(len(rows) * (len(rows) - 1), 1),
    }


def _over(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The ratio; on a resample without a denominator, the ratio on all songs."""
    ratio = numerator / np.where(denominator > 0, denominator, np.nan)
    return np.where(np.isnan(ratio), ratio[0], ratio)


def mean(rows: list[Measures]) -> Measures:
    """The mean of each measure that all have."""
    return {name: np.mean([row[name] for row in rows], axis=0) for name in rows[0] if all(name in row for row in rows)}
