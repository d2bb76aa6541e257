"""Training songs as batches: songs of about as many tracks, cut at random, made ahead of time. Chapter 12."""

import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from .cache import Cache
from .config import Preset
from .cores import one_core_left
from .data import training_songs
from .errors import UserError
from .heads import FineHead
from .labels import STYLES
from .mel import FLOOR
from .prepare import MASTER_LUFS, front

MARGIN = 2  # frames rendered on both sides of those compared, so that no window is cut off
T = TypeVar("T")


class Share(NamedTuple):
    """The part of every batch that one of several processes works on. The default is all of it."""

    index: int = 0  # type: ignore[assignment] # in place of the method that every tuple has
    count: int = 1  # type: ignore[assignment]

    def of(self, items: int) -> range:
        """Which of so many items are its own: as many as the others', in a row."""
        size = items // self.count
        return range(self.index * size, (self.index + 1) * size)

    def songs(self, preset: Preset) -> list[int]:
        """Which of a batch's songs are its own: of those whose frames are compared, then of the others.

        Raises UserError if the batch cannot be shared out evenly.
        """
        for name in ("rendered", "batch"):
            if getattr(preset, name) % self.count:
                raise UserError(
                    f"{name}: {getattr(preset, name)} songs cannot be shared evenly by {self.count} processes;"
                    " choose another preset or number of processes"
                )
        others = self.of(preset.batch - preset.rendered)
        return [*self.of(preset.rendered), *(preset.rendered + i for i in others)]


WHOLE = Share()


class Lesson(NamedTuple):
    """One song, as :func:`song_tensors`, and which of its mixes."""

    song: dict[str, Tensor]
    mix: int


@dataclass
class Batch:
    """B songs of up to N tracks, and audio of the first C of them: the frames to compare start at ``offset``."""

    log_mel: Tensor  # (C, N, frames, F) of the dry tracks, with the fine head's margin
    envelope: Tensor  # (B, N, ceil(T / 8), F)
    meters: Tensor  # (B, N, 2 F + 2)
    dry_power: Tensor  # (B, N, 4, F), left, right, middle, side
    wet_power: Tensor  # (B, N, 4, F)
    dry: Tensor  # (C, N, 2, samples) of the frames to compare, with a margin
    reverb: Tensor  # (C, N, 2, samples)
    mix_log_mel: Tensor  # (C, 4, loss frames, F)
    stems_log_mel: Tensor  # (C, N, 2, loss frames, F)
    roles: Tensor  # (B, N)
    present: Tensor  # (B, N)
    style: Tensor  # (B,)
    offset: int

    def heard(self, songs: slice) -> "Batch":
        """What is heard of some of the songs, with all of the audio."""
        keys = ("envelope", "meters", "dry_power", "wet_power", "roles", "present", "style")
        return replace(self, **{key: getattr(self, key)[songs] for key in keys})

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device, in single precision."""
        moved: dict[str, Any] = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(self).items()}
        halves = {k: v.float() for k, v in moved.items() if isinstance(v, Tensor) and v.dtype == torch.half}
        return Batch(**(moved | halves))


class LessonSet:
    """All lessons of a preset, and the batch of any step: a function of the preset and the step alone.

    Args:
        preset: the experiment.
        progress: whether to show a bar.
        cache: where the songs are kept; the usual one, ``Cache()``, if None.
        first: seed of the first song.

    Raises:
        UserError: as :func:`training_songs`.
    """

    SAMPLE_RATE = 44100

    def __init__(self, preset: Preset, progress: bool = True, cache: Cache | None = None, first: int = 0):
        self.preset = preset
        songs = training_songs(preset, cache or Cache(), progress, first)
        self.lessons = [Lesson(song, mix) for song in songs for mix in range(preset.mixes)]
        self.with_audio = sum("dry" in song for song, _ in self.lessons)  # the first of them
        self.tracks = np.array([len(song["roles"]) for song, _ in self.lessons])
        self.hop = front(self.SAMPLE_RATE, preset.architecture.mels).stft.hop_length

    def style_lufs(self) -> Tensor:
        """Mean loudness of the mixes of each style, -20 LUFS for a style without songs: (styles,)."""
        styles = torch.stack([song["style"] for song, _ in self.lessons])
        lufs = torch.stack([song["lufs"][mix] for song, mix in self.lessons])
        means = [lufs[styles == k].mean() for k in range(len(STYLES))]
        return torch.stack(means).nan_to_num(nan=MASTER_LUFS)

    def batch(self, step: int, share: Share = WHOLE) -> Batch:
        """The batch of a step, or a process's share of it: a function of preset and step alone, so that a resumed run
        goes on as it would have. All shares have equally many tracks and start at the same frame.

        Raises UserError as :meth:`Share.songs`.
        """
        p, rng = self.preset, np.random.default_rng((self.preset.seed, step))
        tracks = rng.choice(self.tracks)
        compared = self._draw(self.with_audio, p.rendered, tracks, rng)
        chosen = np.concatenate([compared, self._draw(len(self.lessons), p.batch - p.rendered, tracks, rng)])
        frames = self.lessons[chosen[0]].song["log_mel"].shape[1]
        offset = int(rng.integers(0, max(1, frames - p.loss_frames + 1)))
        most = int(self.tracks[chosen].max())
        own = [self.lessons[i] for i in chosen[share.songs(p)]]
        shown = own[: len(share.of(p.rendered))]
        return Batch(
            **_padded([self._heard(lesson) for lesson in own], most),
            **_padded([self._compared(lesson, offset) for lesson in shown], most),
            mix_log_mel=torch.stack([self._mix(lesson, offset) for lesson in shown]),
            offset=offset,
        )

    def listened(self, chosen: Sequence[int] | np.ndarray) -> Batch:
        """A batch of some of the lessons, by number, that are listened to alone: it has no audio."""
        rows = [self._heard(self.lessons[i]) for i in chosen]
        nothing = dict.fromkeys(("log_mel", "dry", "reverb", "mix_log_mel", "stems_log_mel"), torch.empty(0))
        return Batch(**_padded(rows, int(self.tracks[list(chosen)].max())), **nothing, offset=0)

    def _draw(self, among: int, count: int, tracks: int, rng: np.random.Generator) -> np.ndarray:
        """Some of the first lessons, whose songs have that many tracks, and where these are too few, about that many:
        what is padded has to be computed as well. None twice, unless there are fewer than asked for.
        """
        order = rng.permutation(among)
        nearest = order[np.argsort(abs(self.tracks[order] - tracks), kind="stable")]
        return np.resize(nearest, count)

    def _turned(self, lesson: Lesson) -> tuple[list[int], list[int]]:
        """The order of left and right in what is heard and in what is learned. What is stored is heard as it is and
        learned mirrored, if the mix is the mirror image of one that leans left: so one of the two has to turn.
        """
        same, other = [0, 1], [1, 0]
        if not lesson.song["mirrored"][lesson.mix]:
            return same, same
        return (other, same) if self.preset.architecture.mirror else (same, other)

    def _heard(self, lesson: Lesson) -> dict[str, Tensor]:
        song, mix = lesson
        dry, wet = self._turned(lesson)
        return {
            **{key: song[key] for key in ("envelope", "meters", "roles", "present", "style")},
            "dry_power": song["dry_power"][:, [*dry, 2, 3]],
            "wet_power": song["wet_power"][mix][:, [*wet, 2, 3]],
        }

    def _mix(self, lesson: Lesson, offset: int) -> Tensor:
        """Left, right, mid, side (4, loss frames, F)."""
        song, mix = lesson
        _, wet = self._turned(lesson)
        return song["mix_log_mel"][mix, :, offset : offset + self.preset.loss_frames][[*wet, 2, 3]]

    def _compared(self, lesson: Lesson, offset: int) -> dict[str, Tensor]:
        count = self.preset.loss_frames
        song, mix = lesson
        dry, wet = self._turned(lesson)
        margin = FineHead.MARGIN
        start, stop = max(0, offset - margin), offset + count + margin
        around = functional.pad(
            song["log_mel"][:, start:stop],
            (0, 0, start - offset + margin, max(0, stop - song["log_mel"].shape[1])),
            value=math.log(FLOOR),
        )
        return {
            "log_mel": around,
            "dry": self._samples(song["dry"], offset, count)[song["sides"][:, dry]],
            "reverb": self._samples(song["reverb"], offset, count),
            "stems_log_mel": song["stems_log_mel"][mix, :, :, offset : offset + count][:, wet],
        }

    def _samples(self, audio: Tensor, first: int, count: int) -> Tensor:
        """The samples under ``count`` frames from ``first`` on and MARGIN frames around; silence outside the song."""
        start, stop = (first - MARGIN) * self.hop, (first + count + MARGIN) * self.hop
        inside = audio[..., max(0, start) : min(stop, audio.shape[-1])]
        return functional.pad(inside, (max(0, -start), max(0, stop - audio.shape[-1])))


def _padded(rows: list[dict[str, Tensor]], tracks: int) -> dict[str, Tensor]:
    """Rows of tensors, stacked; what is told of fewer than so many tracks is padded with zeros."""
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    for key, column in columns.items():
        if column[0].dim():
            columns[key] = [torch.cat([x, x.new_zeros(tracks - len(x), *x.shape[1:])]) for x in column]
    return {key: torch.stack(column) for key, column in columns.items()}


def made_ahead(make: Callable[[int], T], steps: range, ahead: int = 2) -> Generator[T, None, None]:
    """``make(step)`` of each step, in order; a thread makes those of the next ``ahead`` steps while the caller works,
    who leaves a core to it.

    What ``make`` raises is raised when its step comes. Closing the iterator ends the thread.
    """
    with one_core_left(), ThreadPoolExecutor(1, "batches") as pool:
        try:
            waiting = deque(pool.submit(make, step) for step in steps[:ahead])
            for step in steps[ahead:]:
                made = waiting.popleft().result()
                waiting.append(pool.submit(make, step))
                yield made
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
