"""Songs of the studio as training batches: rendered once, in parallel, then cut at random. Chapter 12."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as functional
from joblib import Parallel, cpu_count, delayed
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm.auto import tqdm

from .config import Preset
from .discriminator import mid_side
from .labels import STYLES, style_index
from .mel import log_mel_of
from .prepare import hear, spectrum_to_log_mel, track_log_mel
from .studio import Engineered, Song, engineer, song

HELD_OUT = 1_000_000  # seeds of held-out songs start here; training songs' start at 0
MARGIN = 2  # frames rendered on both sides of those compared, so that no window is cut off


def mixed_song(seed: int, style: str, seconds: float, engineers: int) -> tuple[Song, list[Engineered]]:
    """The studio's song of a seed and style, and its mixes by ``engineers`` engineers, who never mix another song."""
    raw = song(seed, style, seconds)
    return raw, [engineer(raw, 1000 * seed + e) for e in range(engineers)]


def on_held_out_songs(job: Callable, preset: Preset, progress: bool = True) -> Iterator:
    """The results of ``job(song, mixes)`` for the preset's held-out songs with their engineers' mixes, on all cores.

    The job must be a function of a module (or a partial of one). No training song has the seed of a held-out one.
    """
    job = partial(_with_song, job, preset.seconds, preset.judges)
    return _on_all_cores(job, HELD_OUT, preset.held_out, progress, "judging songs")


def training_lessons(preset: Preset, progress: bool = True) -> Iterator[list["Lesson"]]:
    """The preset's training songs as lessons, a list for each song, rendered on all cores."""
    job = partial(_with_song, partial(lessons, mels=preset.architecture.mels), preset.seconds, preset.mixes)
    return _on_all_cores(job, 10_000 * preset.seed, preset.songs, progress, "rendering songs")


def _with_song(job: Callable, seconds: float, engineers: int, seed: int, style: str) -> object:
    return job(*mixed_song(seed, style, seconds, engineers))


def _on_all_cores(job: Callable, first: int, count: int, progress: bool, words: str) -> Iterator:
    """The results of ``job(seed, style)`` for ``count`` seeds from ``first`` on, in order; the styles take turns."""
    jobs = (delayed(_on_one_core)(job, first + i, STYLES[i % len(STYLES)]) for i in range(count))
    done = Parallel(n_jobs=min(cpu_count(), 8), return_as="generator")(jobs)
    return iter(tqdm(done, words, count, disable=not progress, unit="song"))


def _on_one_core(job: Callable, seed: int, style: str) -> object:
    torch.set_num_threads(1)
    return job(seed, style)


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


@dataclass
class Lesson:
    """One song and one engineer's mix of it, mirrored if it leaned right; spectra and audio in half precision."""

    log_mel: Tensor  # (N, T, F) of the level-normalised dry tracks
    dry: Tensor  # (N, 2, samples)
    reverb: Tensor  # (N, 2, samples)
    mix_log_mel: Tensor  # (4, T, F) left, right, mid, side
    stems_log_mel: Tensor  # (N, 2, T, F)
    roles: Tensor  # (N,)
    present: Tensor  # (N,)
    style: int


def lessons(raw: Song, mixes: list[Engineered], mels: int) -> list[Lesson]:
    """A song with its engineers' mixes -> one lesson for each mix. The lessons share what they have in common."""
    heard = hear(raw.stems, raw.sample_rate, raw.roles)
    log_mel = track_log_mel(heard.dry, raw.sample_rate, mels).half()
    dry, wet = heard.dry.half(), heard.reverb.half()
    stft = log_mel_of(raw.sample_rate, mels).stft
    made = []
    for mixed in mixes:
        mirrored = leans_right(mixed.mix)
        stems = mixed.wet_stems.flip(-2) if mirrored else mixed.wet_stems
        spectra = stft(stems)
        made.append(
            Lesson(
                log_mel,
                dry.flip(-2) if mirrored and not torch.equal(dry, dry.flip(-2)) else dry,
                wet,
                stereo_log_mel(spectra.sum(0), raw.sample_rate, mels).half(),
                spectrum_to_log_mel(spectra, raw.sample_rate, mels).half(),
                heard.roles,
                heard.present,
                style_index(raw.style),
            )
        )
    return made


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
    """All lessons of a preset in memory, and the batch of any step: a function of the seed and the step alone."""

    SAMPLE_RATE = 44100

    def __init__(self, preset: Preset, progress: bool = True):
        self.preset = preset
        mels = preset.architecture.mels
        self.lessons = [lesson for song in training_lessons(preset, progress) for lesson in song]
        self.hop = log_mel_of(self.SAMPLE_RATE, mels).stft.hop_length

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
        style = torch.tensor([lesson.style for lesson in chosen])
        return Batch(mix_log_mel=torch.stack(columns["mix_log_mel"]), style=style, offset=offset, **padded)

    def _cut(self, lesson: Lesson, offset: int, rng: np.random.Generator) -> dict[str, Tensor]:
        window, count = self.preset.architecture.frames, self.preset.loss_frames
        start = int(rng.integers(0, max(1, lesson.log_mel.shape[1] - window + 1)))
        first = start + offset
        return {
            "log_mel": lesson.log_mel[:, start : start + window],
            "dry": self._samples(lesson.dry, first, count),
            "reverb": self._samples(lesson.reverb, first, count),
            "mix_log_mel": lesson.mix_log_mel[:, first : first + count],
            "stems_log_mel": lesson.stems_log_mel[:, :, first : first + count],
            "roles": lesson.roles,
            "present": lesson.present,
        }

    def _samples(self, audio: Tensor, first: int, count: int) -> Tensor:
        """The samples under ``count`` frames from ``first`` on and MARGIN frames around; silence outside the song."""
        start, stop = (first - MARGIN) * self.hop, (first + count + MARGIN) * self.hop
        inside = audio[..., max(0, start) : min(stop, audio.shape[-1])]
        return functional.pad(inside, (max(0, -start), max(0, stop - audio.shape[-1])))
