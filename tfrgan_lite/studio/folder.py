"""Songs from a folder of stems: one audio file a track. What the readers of data sets share stands here, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile
import torch
from torch import Tensor

from ..audio import MAX_TRACKS, SUFFIXES, read_audio, resample
from ..errors import UserError
from ..labels import guess_role, style_index
from .song import Song

# RAW has no header: its rate and channels are unknown. The second line holds other names of the same formats.
READABLE = {f".{name.lower()}" for name in soundfile.available_formats()} - {".raw"}
READABLE |= {*SUFFIXES, ".aifc", ".bwf", ".oga", ".opus", ".snd", ".sph", ".wave"}
# Audio, beyond doubt, that soundfile cannot read: a stem in one of these must not be passed over in silence.
UNREADABLE = {".aac", ".ac3", ".alac", ".ape", ".m4a", ".mka", ".mp4", ".raw", ".shn", ".tta", ".wma", ".wv"}


def read_folder(path: str | Path, style: str) -> Song:
    """Read every audio file of a folder as one track, sorted by name; hidden files and other kinds are ignored.

    Any format that soundfile reads, known by its content, not by its suffix; mono or stereo, any sample rates from
    8 to 192 kHz (resampled to the highest among them) and lengths (padded with silence to the longest). A track's role
    is guessed from its file name, else ``"other"``. The stems keep their levels.

    Raises UserError for an unknown style, a folder that is missing or holds no audio file or more than 16, and for a
    file that cannot be decoded, is empty, has more than two channels, a rate out of range or a sample that is not
    finite.
    """
    style_index(style)
    files = stem_files(path)
    stems, rate = stack([read_track(file) for file in files])
    return Song(stems, tuple(guess_role(file.stem) for file in files), style, rate, names_of(files))


def stem_files(path: str | Path) -> list[Path]:
    """The audio files of a folder, sorted by name. Raises UserError as :func:`read_folder` does for a folder."""
    folder = existing_folder(path, "give the folder that holds the stems")
    files = [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")]
    files = sorted((f for f in files if f.suffix.lower() in READABLE | UNREADABLE), key=lambda file: file.name)
    if not files:
        raise UserError(f"{folder}: holds no audio file; put in one file a track, as {', '.join(SUFFIXES)}")
    if len(files) > MAX_TRACKS:
        raise UserError(
            f"{folder}: holds {len(files)} audio files; leave at most {MAX_TRACKS}, and sum groups of tracks"
        )
    for file in files:
        if file.suffix.lower() in UNREADABLE:
            raise UserError(f"{file}: {file.suffix} cannot be read here; convert it to WAV or FLAC, or take it away")
    return files


def names_of(files: Sequence[Path]) -> tuple[str, ...]:
    """The tracks' names: drums.wav beside drums.flac are two tracks, whose names must stay two."""
    known = [file.stem for file in files]
    return tuple(file.stem if known.count(file.stem) == 1 else file.name for file in files)


def existing_folder(path: str | Path, remedy: str) -> Path:
    """The path, with ~ expanded. Raises UserError, which ends with `remedy`, if there is no such folder."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder; {remedy}")
    return folder


def read_track(file: Path) -> tuple[Tensor, int]:
    """One audio file: (1 or 2, samples) and its rate in Hz. Raises UserError as :func:`read_folder` does."""
    if not file.is_file():
        raise UserError(f"{file}: is missing; copy it there from where the set came from")
    audio, rate = read_audio(file)
    check_rate(file, rate)
    return audio, rate


def check_rate(file: Path, rate: int) -> None:
    """Raise UserError for a rate in Hz that no mixer here takes."""
    if not 8000 <= rate <= 192000:
        raise UserError(f"{file}: has a sample rate of {rate} Hz; export it at 8000 to 192000 Hz")


def stack(tracks: Sequence[tuple[Tensor, int]]) -> tuple[Tensor, int]:
    """Tracks (1 or 2, samples), each with its rate in Hz -> stems (tracks, 2, samples) at the highest rate.

    Shorter tracks are padded with silence at their end; a mono track fills both channels.
    """
    rate = max(its_rate for _, its_rate in tracks)
    audio = [resample(track, its_rate, rate) for track, its_rate in tracks]
    stems = torch.zeros(len(audio), 2, max(track.shape[-1] for track in audio))
    for stem, track in zip(stems, audio, strict=True):
        stem[:, : track.shape[-1]] = track
    return stems, rate


@dataclass(frozen=True)
class Songs:
    """The songs of a data set. Each is read when it is asked for, so that a set may be larger than the memory.

    ``songs[0]`` and ``songs["its name"]`` read one song, ``for song in songs`` one after the other; each may raise
    UserError for a song that is broken. To go on with the others, take it out: ``songs.without("its name")``.

    names: of the songs, in order; read: reads the song of that name.
    """

    names: tuple[str, ...]
    read: Callable[[str], Song]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, which: int | str) -> Song:
        """Read a song by its place or its name. Raises IndexError for another place, UserError for another name."""
        if isinstance(which, str):
            self._known(which)
            return self.read(which)
        return self.read(self.names[which])

    def __iter__(self) -> Iterator[Song]:
        return map(self.read, self.names)

    def without(self, *names: str) -> Songs:
        """The same songs but for those of these names. Raises UserError for a name that is not among them."""
        for name in names:
            self._known(name)
        return Songs(tuple(name for name in self.names if name not in names), self.read)

    def _known(self, name: str) -> None:
        if name not in self.names:
            raise UserError(f"{name!r}: no song of the set has this name; look for it among its .names")
