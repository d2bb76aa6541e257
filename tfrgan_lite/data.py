"""Songs of the studio as training batches: rendered once, in parallel, then cut at random. Chapter 12."""

import math
import platform
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm.auto import tqdm

from .audio import amplitude, loudness
from .cache import Cache, fingerprint, key_of, size_of
from .config import Preset
from .cores import on_all_cores
from .discriminator import mid_side
from .errors import UserError
from .generator import FineHead
from .labels import STYLES, style_index
from .mel import FLOOR
from .prepare import MASTER_LUFS, front, hear, listen, mel_power, spectrum_to_log_mel, through_room
from .studio import Engineered, Song, engineer, song

HELD_OUT = 1_000_000  # seeds of held-out songs start here; training songs' start at 0
MARGIN = 2  # frames rendered on both sides of those compared, so that no window is cut off
T = TypeVar("T")

# What the bits of a rendered song depend on. Another release of these libraries may draw other numbers or round
# otherwise; as their versions count, a song from the cache is what rendering it now would give.
MAKERS = ("studio", "audio.py", "data.py", "discriminator.py", "labels.py", "mel.py", "prepare.py")
LIBRARIES = ("numpy", "scipy", "soundfile", "torch", "torchaudio")
MADE_BY = [
    fingerprint(Path(__file__).parent, MAKERS),  # now, as long as the code in memory is that of the files
    *(version(name) for name in LIBRARIES),
    platform.machine(),
]


def mixed_song(seed: int, style: str, seconds: float, engineers: int) -> tuple[Song, list[Engineered]]:
    """The studio's song of a seed and style, and its mixes by ``engineers`` engineers, who never mix another song."""
    raw = song(seed, style, seconds)
    return raw, [engineer(raw, 1000 * seed + e) for e in range(engineers)]


def on_held_out_songs(job: Callable, preset: Preset, progress: bool = True) -> Iterator:
    """The results of ``job(song, mixes)`` for the preset's held-out songs with their engineers' mixes, on all cores.

    The job must be a function of a module (or a partial of one). No training song has the seed of a held-out one.
    """
    job = partial(_with_song, job, preset.seconds, preset.judges)
    done = on_all_cores(job, _turns(HELD_OUT, preset.held_out))
    return iter(tqdm(done, "judging songs", preset.held_out, disable=not progress, unit="song"))


def _with_song(job: Callable, seconds: float, engineers: int, seed: int, style: str) -> object:
    return job(*mixed_song(seed, style, seconds, engineers))


def _turns(first: int, count: int) -> list[tuple[int, str]]:
    """``count`` songs as seed and style: seeds from ``first`` on, and the styles take turns."""
    return [(first + i, STYLES[i % len(STYLES)]) for i in range(count)]


def stereo_log_mel(spectrum: Tensor, sample_rate: int, mels: int = 80) -> Tensor:
    """Complex stereo spectra (..., 2, T, K) -> log-mel of left, right, mid, side (..., 4, T, F)."""
    return spectrum_to_log_mel(torch.cat([spectrum, mid_side(spectrum)], dim=-3), sample_rate, mels)


def stereo_power(spectrum: Tensor, sample_rate: int, mels: int = 80) -> Tensor:
    """Complex stereo spectra (..., 2, T, K) -> mel power of left, right, mid, side (..., 4, T, F)."""
    return mel_power(torch.cat([spectrum, mid_side(spectrum)], dim=-3), sample_rate, mels)


def leans_right(dry: Tensor, wet: Tensor, roles: Tensor) -> bool:
    """Whether a mix is the mirror image of the one that is learned: its first panned track went right.

    Left and right are a symmetry of mixing. It is taken out of the network: in training every such mix is mirrored,
    with its stems; in use a coin decides whether to mirror the result. The first track is that of the lowest role, and
    of two of one role the duller; a track is panned if its balance moved by more than 1 dB.

    Args:
        dry, wet: mean mel powers (N, 4, F) of the tracks' left, right, middle and side.
        roles: (N,) indices into ROLES.
    """
    balance = [10 * torch.log10(x[:, :2].sum(-1) + FLOOR) for x in (dry, wet)]
    moved = (balance[1] - balance[0]).diff(dim=-1)[:, 0]  # to the right, in dB
    band = torch.arange(dry.shape[-1])
    dry = dry[:, 2] + dry[:, 3]
    centre = (dry * band).sum(-1) / dry.sum(-1).clamp_min(FLOOR)
    order = (roles * dry.shape[-1] + centre).argsort()
    panned = [float(moved[k]) for k in order if abs(float(moved[k])) > 1]
    return bool(panned) and panned[0] > 0


def song_tensors(raw: Song, mixes: list[Engineered], mels: int, audio: bool = True) -> dict[str, Tensor]:
    """All that training needs of a song and M engineers' mixes of it; audio and log-mels in half precision.

    Returns:
        ``envelope`` and ``meters`` of the levelled dry tracks, as :class:`tfrgan_lite.prepare.Listened` has them;
        ``dry_power`` (N, 4, F), the mean mel power of their left, right, middle and side; ``roles`` and ``present``
        (N,); ``style`` (); and of the mixes their loudness ``lufs`` (M,), ``mirrored`` (M,), and with those mirrored
        and all at -20 LUFS ``wet_power`` (M, N, 4, F).

        With ``audio`` also what frames are compared with: ``log_mel`` (N, T, F) of the dry tracks; ``dry`` (C,
        samples), their channels, one for a track whose two are equal; ``sides`` (N, 2), each track's left and right
        among them; ``reverb`` (N, 2, samples); ``mix_log_mel`` (M, 4, T, F) of left, right, mid, side;
        ``stems_log_mel`` (M, N, 2, T, F).
    """
    rate = raw.sample_rate
    heard = hear(raw.stems, rate, raw.roles)
    stft = front(rate, mels).stft
    spectrum = stft(heard.dry)
    listened = listen(heard.dry, spectrum, rate, mels)
    song = {
        "envelope": listened.envelope.half(),
        "meters": listened.meters,
        "dry_power": stereo_power(spectrum, rate, mels).mean(-2),
        "roles": heard.roles,
        "present": heard.present,
        "style": torch.tensor(style_index(raw.style)),
    }
    columns: dict[str, list[Tensor]] = {}
    for mixed in mixes:
        lufs = loudness(mixed.mix, rate)
        wet = stft(mixed.wet_stems * amplitude(MASTER_LUFS - lufs))
        power = stereo_power(wet, rate, mels)
        mirrored = leans_right(song["dry_power"], power.mean(-2), heard.roles)
        turn = [1, 0] if mirrored else [0, 1]
        row = {"lufs": lufs, "mirrored": torch.tensor(mirrored), "wet_power": power.mean(-2)[:, [*turn, 2, 3]]}
        if audio:
            row["mix_log_mel"] = stereo_log_mel(wet.sum(0)[turn], rate, mels).half()
            row["stems_log_mel"] = torch.log(power[:, turn] + FLOOR).half()
        for key, value in row.items():
            columns.setdefault(key, []).append(value)
    song |= {key: torch.stack(column) for key, column in columns.items()}
    if audio:
        dry = heard.dry.half()
        wide = [not torch.equal(*track) for track in dry]
        last = torch.tensor(wide).add(1).cumsum(0) - 1  # of each track's channels
        song |= {
            "log_mel": listened.log_mel.half(),
            "dry": torch.cat([track if two else track[:1] for track, two in zip(dry, wide, strict=True)]),
            "sides": torch.stack([last - torch.tensor(wide).long(), last], dim=1),
            "reverb": through_room(heard.dry, rate).half(),
        }
    return song


def training_songs(preset: Preset, cache: Cache, audio: bool, progress: bool = True) -> list[dict[str, Tensor]]:
    """The preset's training songs as :func:`song_tensors`, from the cache, or rendered into it on all cores.

    With ``audio`` the first of them, those whose frames are compared; else the others. The bar begins with the songs
    that are there, and says what the others will take once one of each style is rendered. With a cache that keeps
    nothing, the songs are in memory.

    Raises UserError if the cache has no room for them or cannot be written to.
    """
    recipe = (preset.seconds, preset.mixes, preset.architecture.mels, audio)
    turns = _turns(10_000 * preset.seed, preset.songs)
    turns = turns[: preset.songs_with_audio] if audio else turns[preset.songs_with_audio :]
    songs = {key_of(MADE_BY, *song, *recipe): song for song in turns}
    checked = tqdm(songs, "checking songs", disable=not progress, unit="song", leave=False, delay=1)
    there = {key: found for key in checked if (found := cache.get(key)) is not None}
    missing = [key for key in songs if key not in there]
    if not missing:
        return list(there.values())
    first, rest = missing[: len(STYLES)], missing[len(STYLES) :]
    render = partial(_rendered, recipe, MADE_BY)
    task = "rendering songs" if audio else "listening to songs"
    with tqdm(None, task, len(songs), disable=not progress, initial=len(there), unit="song") as bar:
        sample = on_all_cores(render, [(None, key, *songs[key]) for key in first])
        for key, tensors in zip(first, sample, strict=True):
            there[key] = tensors
            bar.update()
        size = sum(tensor.nbytes for key in first for tensor in there[key].values()) * len(missing) // len(first)
        bar.set_description(f"{task}, about {size_of(size)} in {cache}")
        cache.make_room(size, songs)
        for key in first:
            cache.put(key, there[key])
            there[key] = cache.get(key) or there[key]
        others = on_all_cores(render, [(cache, key, *songs[key]) for key in rest])
        for key, tensors in zip(rest, others, strict=True):
            # Where both are None, another run has thrown it out meanwhile.
            there[key] = tensors or cache.get(key) or render(None, key, *songs[key])
            cache.make_room(0, songs)
            bar.update()
    return [there[key] for key in songs]


def _rendered(
    recipe: tuple[float, int, int, bool], made_by: list[str], cache: Cache | None, key: str, seed: int, style: str
) -> dict[str, Tensor] | None:
    """A song's tensors, or None if they are in the cache."""
    if made_by != MADE_BY:
        raise UserError("tfrgan_lite: its files have changed since this program began; start it again")
    seconds, engineers, mels, audio = recipe
    tensors = song_tensors(*mixed_song(seed, style, seconds, engineers), mels, audio)
    if cache is None or not cache.limit:
        return tensors
    cache.put(key, tensors)
    return None


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

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device, in single precision."""
        moved = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(self).items()}
        return Batch(
            **{k: v.float() if isinstance(v, Tensor) and v.dtype == torch.half else v for k, v in moved.items()}
        )


class LessonSet:
    """All lessons of a preset, and the batch of any step: a function of the preset and the step alone.

    Args:
        preset: the experiment.
        progress: whether to show a bar.
        cache: where the songs are kept; the usual one, ``Cache()``, if None.

    Raises:
        UserError: as :func:`training_songs`.
    """

    SAMPLE_RATE = 44100

    def __init__(self, preset: Preset, progress: bool = True, cache: Cache | None = None):
        self.preset = preset
        cache = cache or Cache()
        self.rendered, others = (
            [
                Lesson(song, mix)
                for song in training_songs(preset, cache, audio, progress)
                for mix in range(preset.mixes)
            ]
            for audio in (True, False)
        )
        self.lessons = self.rendered + others
        self.hop = front(self.SAMPLE_RATE, preset.architecture.mels).stft.hop_length

    def style_lufs(self) -> Tensor:
        """Mean loudness of the mixes of each style, -20 LUFS for a style without songs: (styles,)."""
        styles = torch.stack([song["style"] for song, _ in self.lessons])
        lufs = torch.stack([song["lufs"][mix] for song, mix in self.lessons])
        means = [lufs[styles == k].mean() for k in range(len(STYLES))]
        return torch.stack(means).nan_to_num(nan=MASTER_LUFS)

    def batch(self, step: int) -> Batch:
        """The batch of a step, a function of preset and step alone, so that a resumed run goes on as it would have."""
        p, rng = self.preset, np.random.default_rng((self.preset.seed, step))
        chosen = self._draw(self.rendered, p.rendered, rng) + self._draw(self.lessons, p.batch - p.rendered, rng)
        offset = int(rng.integers(0, max(1, len(chosen[0].song["log_mel"][0]) - p.loss_frames + 1)))
        heard = _padded([self._heard(lesson) for lesson in chosen])
        compared = _padded([self._compared(lesson, offset) for lesson in chosen[: p.rendered]], heard["roles"].shape[1])
        mixes = [song["mix_log_mel"][mix, :, offset : offset + p.loss_frames] for song, mix in chosen[: p.rendered]]
        return Batch(**heard, **compared, mix_log_mel=torch.stack(mixes), offset=offset)

    def _draw(self, lessons: list[Lesson], count: int, rng: np.random.Generator) -> list[Lesson]:
        return [lessons[i] for i in rng.choice(len(lessons), count, replace=len(lessons) < count)]

    def _heard(self, lesson: Lesson) -> dict[str, Tensor]:
        song, mix = lesson
        turn = [1, 0] if song["mirrored"][mix] else [0, 1]
        return {
            **{key: song[key] for key in ("envelope", "meters", "roles", "present", "style")},
            "dry_power": song["dry_power"][:, [*turn, 2, 3]],
            "wet_power": song["wet_power"][mix],
        }

    def _compared(self, lesson: Lesson, offset: int) -> dict[str, Tensor]:
        count = self.preset.loss_frames
        song, mix = lesson
        sides = song["sides"].flip(1) if song["mirrored"][mix] else song["sides"]
        margin = FineHead.MARGIN
        start, stop = max(0, offset - margin), offset + count + margin
        around = functional.pad(
            song["log_mel"][:, start:stop],
            (0, 0, start - offset + margin, max(0, stop - song["log_mel"].shape[1])),
            value=math.log(FLOOR),
        )
        return {
            "log_mel": around,
            "dry": self._samples(song["dry"], offset, count)[sides],
            "reverb": self._samples(song["reverb"], offset, count),
            "stems_log_mel": song["stems_log_mel"][mix, :, :, offset : offset + count],
        }

    def _samples(self, audio: Tensor, first: int, count: int) -> Tensor:
        """The samples under ``count`` frames from ``first`` on and MARGIN frames around; silence outside the song."""
        start, stop = (first - MARGIN) * self.hop, (first + count + MARGIN) * self.hop
        inside = audio[..., max(0, start) : min(stop, audio.shape[-1])]
        return functional.pad(inside, (max(0, -start), max(0, stop - audio.shape[-1])))


def _padded(rows: list[dict[str, Tensor]], tracks: int = 0) -> dict[str, Tensor]:
    """Rows of tensors, stacked; those of fewer tracks are padded, to ``tracks`` at least."""
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    stacked = {key: pad_sequence(c, batch_first=True) if c[0].dim() else torch.stack(c) for key, c in columns.items()}
    return {
        key: x if x.dim() < 2 else torch.cat([x, x.new_zeros(len(x), max(0, tracks - x.shape[1]), *x.shape[2:])], dim=1)
        for key, x in stacked.items()
    }


def made_ahead(make: Callable[[int], T], steps: range, ahead: int = 2) -> Iterator[T]:
    """``make(step)`` of each step, in order; a thread makes those of the next ``ahead`` steps while the caller works.

    What ``make`` raises is raised when its step comes. Closing the iterator ends the thread.
    """
    with ThreadPoolExecutor(1, "batches") as pool:
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
