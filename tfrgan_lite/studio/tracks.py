"""The tracks of a song that are read piece by piece: from a tensor, or from files that need not fit into the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import soundfile
import torch
from torch import Tensor
from torch.nn.functional import pad

from ..audio import check_stems, resample
from ..errors import UserError
from ..labels import check_roles, guess_role
from .folder import check_rate, names_of, read_track, stem_files

COPIED = 2**20  # samples in a piece


@dataclass(frozen=True)
class Tracks:
    """Dry tracks at one sample rate in Hz, all taken to be as long as the longest, `samples`.

    pieces: one function a track, of a first sample and the one after the last, both within the song, that gives those
    samples: (1 or 2, samples), or fewer where the track ends.
    """

    pieces: tuple[Callable[[int, int], Tensor], ...]
    samples: int
    sample_rate: int
    roles: tuple[str, ...]
    names: tuple[str, ...]

    def read(self, track: int, start: int, stop: int) -> Tensor:
        """A piece of a track, (1 or 2, stop - start); before the song's start and after the track's end is silence."""
        inside = max(start, 0), min(stop, self.samples)
        audio = self.pieces[track](*inside) if inside[0] < inside[1] else torch.zeros(1, 0)
        before = min(max(-start, 0), stop - start)
        return pad(audio, (before, stop - start - before - audio.shape[-1]))


def tracks_of(stems: Tensor, sample_rate: int, roles: tuple[str, ...] | None = None) -> Tracks:
    """Stems (N, 1 or 2, samples) in memory as tracks, called by their numbers; roles are ``other`` if None.

    Raises UserError as :func:`tfrgan_lite.audio.check_stems`, or for an unknown role.
    """
    stems = check_stems(stems, sample_rate)
    roles = check_roles(roles, len(stems))
    pieces = tuple(partial(_cut, stem[:1] if torch.equal(*stem) else stem) for stem in stems)
    return Tracks(pieces, stems.shape[-1], sample_rate, roles, tuple(str(k) for k in range(len(stems))))


def _cut(stem: Tensor, start: int, stop: int) -> Tensor:
    return stem[:, start:stop]


@contextmanager
def open_folder(path: str | Path, scratch: Path) -> Iterator[Tracks]:
    """The tracks of a folder, as :func:`tfrgan_lite.studio.folder.read_folder` finds them, without their samples.

    Of a file of another sample rate than the highest, or of a lossy format, which cannot be cut anywhere, a copy is
    made in the folder `scratch`, float samples at the highest rate.

    Raises UserError as `read_folder`; for samples that are not finite only when they are read.
    """
    files = stem_files(path)
    with ExitStack() as stack:
        opened = [stack.enter_context(_opened(file)) for file in files]
        rate = max(file.samplerate for file in opened)
        for k, (name, file) in enumerate(zip(files, opened, strict=True)):
            if file.samplerate != rate or not file.subtype.startswith(("PCM", "FLOAT", "DOUBLE")):
                copy = scratch / f"stem-{k}.w64"
                _copy(name, file, rate, copy)
                opened[k] = stack.enter_context(soundfile.SoundFile(copy))
        pieces = tuple(partial(_piece, *both) for both in zip(files, opened, strict=True))
        roles = tuple(guess_role(file.stem) for file in files)
        yield Tracks(pieces, max(file.frames for file in opened), rate, roles, names_of(files))


def _opened(name: Path) -> soundfile.SoundFile:
    try:
        file = soundfile.SoundFile(name)
    except (soundfile.SoundFileError, OSError) as error:
        raise UserError(f"{name}: cannot be read as audio; give a WAV, FLAC, MP3, OGG or AIFF file") from error
    if not file.frames:
        raise UserError(f"{name}: holds no samples; remove it or export it again")
    if file.channels > 2:
        raise UserError(f"{name}: has {file.channels} channels; export it as mono or stereo")
    check_rate(name, file.samplerate)
    return file


def _copy(name: Path, file: soundfile.SoundFile, rate: int, copy: Path) -> None:
    """Write a stem's samples at `rate` as floats; at its own rate piece by piece."""
    with soundfile.SoundFile(copy, "w", rate, file.channels, "FLOAT") as out:
        if file.samplerate != rate:
            out.write(resample(read_track(name)[0], file.samplerate, rate).T.numpy())
            return
        while len(piece := file.read(COPIED, dtype="float32", always_2d=True)):
            out.write(piece)


def _piece(name: Path, file: soundfile.SoundFile, start: int, stop: int) -> Tensor:
    """Samples of an open file; none where it has ended."""
    if start >= file.frames:
        return torch.zeros(file.channels, 0)
    try:
        file.seek(start)
        audio = torch.from_numpy(file.read(stop - start, dtype="float32", always_2d=True)).T
    except (soundfile.SoundFileError, OSError) as error:
        raise UserError(f"{name}: cannot be read further than {start} samples ({error}); export it again") from error
    if not torch.isfinite(audio).all():
        raise UserError(f"{name}: holds samples that are NaN or infinite; export it again")
    return audio
