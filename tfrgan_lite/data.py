"""Songs of the studio as training batches: rendered once, in parallel, then cut at random. Chapter 12."""

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

from .cache import Cache, fingerprint, key_of, size_of
from .config import Preset
from .cores import on_all_cores
from .discriminator import mid_side
from .errors import UserError
from .labels import STYLES, style_index
from .mel import log_mel_of
from .prepare import hear, spectrum_to_log_mel, track_log_mel
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


def leans_right(mix: Tensor) -> bool:
    """Whether the right channel of a mix (2, samples) holds more energy than the left.

    Left and right are a symmetry of mixing. It is taken out of the network: in training every mix that leans right is
    mirrored, with its stems; in use a coin decides whether to mirror the result.
    """
    energy = mix.square().sum(-1)
    return bool(energy[1] > energy[0])


def song_tensors(raw: Song, mixes: list[Engineered], mels: int) -> dict[str, Tensor]:
    """All that training needs of a song and M engineers' mixes of it; spectra and audio in half precision.

    Returns:
        ``log_mel`` (N, T, F) of the level-normalised dry tracks; ``dry`` (C, samples), their channels, one for a track
        whose two are equal; ``sides`` (N, 2), each track's left and right among them; ``reverb`` (N, 2, samples);
        ``roles`` and ``present`` (N,); ``style`` (); and of the mixes ``mirrored`` (M,), whether it leaned right, and
        with those mirrored ``mix_log_mel`` (M, 4, T, F) of left, right, mid, side, ``stems_log_mel`` (M, N, 2, T, F).
    """
    heard = hear(raw.stems, raw.sample_rate, raw.roles)
    stft = log_mel_of(raw.sample_rate, mels).stft
    mirrored = [leans_right(mixed.mix) for mixed in mixes]
    spectra = [stft(m.wet_stems.flip(-2) if flip else m.wet_stems) for m, flip in zip(mixes, mirrored, strict=True)]
    dry = heard.dry.half()
    wide = [not torch.equal(*track) for track in dry]
    last = torch.tensor(wide).add(1).cumsum(0) - 1  # of each track's channels
    return {
        "log_mel": track_log_mel(heard.dry, raw.sample_rate, mels).half(),
        "dry": torch.cat([track if two else track[:1] for track, two in zip(dry, wide, strict=True)]),
        "sides": torch.stack([last - torch.tensor(wide).long(), last], dim=1),
        "reverb": heard.reverb.half(),
        "roles": heard.roles,
        "present": heard.present,
        "style": torch.tensor(style_index(raw.style)),
        "mirrored": torch.tensor(mirrored),
        "mix_log_mel": torch.stack([stereo_log_mel(s.sum(0), raw.sample_rate, mels).half() for s in spectra]),
        "stems_log_mel": torch.stack([spectrum_to_log_mel(s, raw.sample_rate, mels).half() for s in spectra]),
    }


def training_songs(preset: Preset, cache: Cache, progress: bool = True) -> list[dict[str, Tensor]]:
    """The preset's training songs as :func:`song_tensors`, from the cache, or rendered into it on all cores.

    The bar begins with the songs that are there, and says what the others will take once one of each style is rendered.
    With a cache that keeps nothing, the songs are in memory.

    Raises UserError if the cache has no room for them or cannot be written to.
    """
    recipe = (preset.seconds, preset.mixes, preset.architecture.mels)
    songs = {key_of(MADE_BY, *song, *recipe): song for song in _turns(10_000 * preset.seed, preset.songs)}
    checked = tqdm(songs, "checking songs", disable=not progress, unit="song", leave=False, delay=1)
    there = {key: found for key in checked if (found := cache.get(key)) is not None}
    missing = [key for key in songs if key not in there]
    if not missing:
        return list(there.values())
    first, rest = missing[: len(STYLES)], missing[len(STYLES) :]
    render = partial(_rendered, recipe, MADE_BY)
    with tqdm(None, "rendering songs", len(songs), disable=not progress, initial=len(there), unit="song") as bar:
        sample = on_all_cores(render, [(None, key, *songs[key]) for key in first])
        for key, tensors in zip(first, sample, strict=True):
            there[key] = tensors
            bar.update()
        size = sum(tensor.nbytes for key in first for tensor in there[key].values()) * len(missing) // len(first)
        bar.set_description(f"rendering songs, about {size_of(size)} in {cache}")
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
    recipe: tuple[float, int, int], made_by: list[str], cache: Cache | None, key: str, seed: int, style: str
) -> dict[str, Tensor] | None:
    """A song's tensors, or None if they are in the cache."""
    if made_by != MADE_BY:
        raise UserError("tfrgan_lite: its files have changed since this program began; start it again")
    seconds, engineers, mels = recipe
    tensors = song_tensors(*mixed_song(seed, style, seconds, engineers), mels)
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
    """B songs of up to N tracks; the frames to compare start ``offset`` frames into the window."""

    log_mel: Tensor  # (B, N, T, F) of the dry tracks
    dry: Tensor  # (B, N, 2, samples) of the frames to compare, with a margin
    reverb: Tensor  # (B, N, 2, samples)
    mix_log_mel: Tensor  # (B, 4, loss frames, F)
    stems_log_mel: Tensor  # (B, N, 2, loss frames, F)
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
        songs = training_songs(preset, cache or Cache(), progress)
        self.lessons = [Lesson(song, mix) for song in songs for mix in range(preset.mixes)]
        self.hop = log_mel_of(self.SAMPLE_RATE, preset.architecture.mels).stft.hop_length

    def batch(self, step: int) -> Batch:
        """The batch of a step, a function of preset and step alone, so that a resumed run goes on as it would have."""
        p, rng = self.preset, np.random.default_rng((self.preset.seed, step))
        chosen = [self.lessons[i] for i in rng.choice(len(self.lessons), p.batch, replace=len(self.lessons) < p.batch)]
        offset = int(rng.integers(0, p.architecture.frames - p.loss_frames + 1))
        rows = [self._cut(lesson, offset, rng) for lesson in chosen]
        columns = {key: [row[key] for row in rows] for key in rows[0]}
        padded = {
            key: pad_sequence(column, batch_first=True) for key, column in columns.items() if key != "mix_log_mel"
        }
        style = torch.stack([lesson.song["style"] for lesson in chosen])
        return Batch(mix_log_mel=torch.stack(columns["mix_log_mel"]), style=style, offset=offset, **padded)

    def _cut(self, lesson: Lesson, offset: int, rng: np.random.Generator) -> dict[str, Tensor]:
        window, count = self.preset.architecture.frames, self.preset.loss_frames
        song, mix = lesson
        start = int(rng.integers(0, max(1, song["log_mel"].shape[1] - window + 1)))
        first = start + offset
        sides = song["sides"].flip(1) if song["mirrored"][mix] else song["sides"]
        return {
            "log_mel": song["log_mel"][:, start : start + window],
            "dry": self._samples(song["dry"], first, count)[sides],
            "reverb": self._samples(song["reverb"], first, count),
            "mix_log_mel": song["mix_log_mel"][mix, :, first : first + count],
            "stems_log_mel": song["stems_log_mel"][mix, :, :, first : first + count],
            "roles": song["roles"],
            "present": song["present"],
        }

    def _samples(self, audio: Tensor, first: int, count: int) -> Tensor:
        """The samples under ``count`` frames from ``first`` on and MARGIN frames around; silence outside the song."""
        start, stop = (first - MARGIN) * self.hop, (first + count + MARGIN) * self.hop
        inside = audio[..., max(0, start) : min(stop, audio.shape[-1])]
        return functional.pad(inside, (max(0, -start), max(0, stop - audio.shape[-1])))


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
