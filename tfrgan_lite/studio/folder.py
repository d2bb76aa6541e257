"""Songs from a folder of stems: one audio file a track."""

from __future__ import annotations

from pathlib import Path

import torch

from ..audio import MAX_TRACKS, SUFFIXES, read_audio, resample
from ..errors import UserError
from ..labels import guess_role, style_index
from .song import Song


def read_folder(path: str | Path, style: str) -> Song:
    """Read every audio file of a folder as one track, sorted by name; other and hidden files are ignored.

    WAV, FLAC, MP3, OGG or AIFF, mono or stereo, any sample rates (resampled to the highest among them) and lengths
    (padded with silence to the longest). A track's role is guessed from its file name. The stems keep their levels.

    Raises UserError for an unknown style, a folder that is missing or holds no audio file or more than 16, and for a
    file that cannot be decoded, is empty, has more than two channels or a sample that is not finite.
    """
    style_index(style)
    folder = Path(path)
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder; give the folder that holds the stems")
    files = [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")]
    files = sorted((file for file in files if file.is_file()), key=lambda file: file.name)
    if not files:
        raise UserError(f"{folder}: holds no audio file; put in one file a track, as {', '.join(SUFFIXES)}")
    if len(files) > MAX_TRACKS:
        raise UserError(
            f"{folder}: holds {len(files)} audio files; leave at most {MAX_TRACKS}, and sum groups of tracks"
        )
    tracks = [read_audio(file) for file in files]
    rate = max(sample_rate for _, sample_rate in tracks)
    audio = [resample(track, sample_rate, rate) for track, sample_rate in tracks]
    stems = torch.zeros(len(audio), 2, max(track.shape[-1] for track in audio))
    for stem, track in zip(stems, audio, strict=True):
        stem[:, : track.shape[-1]] = track  # a mono file fills both channels
    known = [file.stem for file in files]
    # drums.wav beside drums.flac: two tracks, whose names must stay two.
    names = tuple(file.stem if known.count(file.stem) == 1 else file.name for file in files)
    return Song(stems, tuple(guess_role(file.stem) for file in files), style, rate, names)
