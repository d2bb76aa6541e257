"""Songs of MUSDB18 (Rafii et al. 2017, stem files) and MUSDB18-HQ (2019, WAV files), through the package `musdb`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from ..errors import UserError
from ..labels import style_index
from .folder import Songs, check_rate, existing_folder, read_track, stack
from .song import Song

ROLES = {"drums": "drums", "bass": "bass", "other": "other", "vocals": "voice"}
LAYOUT = (
    "give the folder that holds train and test, with files 'Artist - Title.stem.mp4' (MUSDB18) or folders "
    "'Artist - Title' of mixture.wav, drums.wav, bass.wav, other.wav and vocals.wav (MUSDB18-HQ)"
)
TOLERANCE_S = 0.05  # stems of one song that differ by more in length were not copied whole


def read_musdb(root: str | Path, style: str | Mapping[str, str], subset: str | None = None) -> Songs:
    """The songs of a MUSDB18 or MUSDB18-HQ folder, each with the four stems drums, bass, other and vocals (a voice).

    The stems are wet: each has been through its song's mix, so that their plain sum is close to ``mix``, the mixture
    that comes with them. Nothing is read before a song is asked for.

    Args:
        root: folder that holds ``train`` and ``test``.
        style: of all songs, or the name of each song -> its style; neither the set nor `musdb` tells a genre.
        subset: "train" or "test"; None for whichever of the two are there, train first.

    Raises:
        UserError: if musdb or ffmpeg is not installed; for another layout, an unknown style or subset. A song that is
            asked for raises it if it is broken (missing, undecodable, NaN, stems of different lengths) or has no style.
    """
    for name in {style} if isinstance(style, str) else set(style.values()):
        style_index(name)
    if subset not in (None, "train", "test"):
        raise UserError(f"subset: {subset!r} is unknown; give 'train', 'test' or None for both")
    root = existing_folder(root, LAYOUT)
    folders = [root / name for name in ("train", "test") if subset in (None, name) and (root / name).is_dir()]
    inside = [path for folder in folders for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    files = {path.name.removesuffix(".stem.mp4"): path for path in inside if path.name.endswith(".stem.mp4")}
    wav = {path.name: path for path in inside if any((path / f"{name}.wav").exists() for name in ("mixture", *ROLES))}
    if not files and not wav:
        raise UserError(f"{root}: holds no songs of MUSDB18{f' in {subset}' if subset else ''}; {LAYOUT}")
    if files and wav:
        raise UserError(f"{root}: holds both MUSDB18 and MUSDB18-HQ; give a folder that holds one of them")
    musdb = _musdb()
    found, decode = (files, _decode_stem_file) if files else (wav, _read_wav_folder)

    def read(name: str) -> Song:
        its_style = style if isinstance(style, str) else style.get(name)
        if its_style is None:
            raise UserError(f"style: has none for {name!r}; add {name!r} to it, or give one style for all songs")
        stems, rate = decode(musdb, found[name])
        return Song(stems[1:], tuple(ROLES.values()), its_style, rate, tuple(ROLES), mix=stems[0])

    return Songs(tuple(found), read)


def _musdb() -> ModuleType:
    """The package musdb. Raises UserError that says what to install."""
    try:
        import musdb
    except ImportError as error:
        raise UserError("musdb: is not installed, and MUSDB18 is read through it; pip install musdb") from error
    except RuntimeError as error:  # of stempeg, which musdb imports, where it finds no ffmpeg
        raise UserError(
            "musdb: finds no ffmpeg and ffprobe, which it needs even for MUSDB18-HQ; install ffmpeg (apt-get install "
            "ffmpeg, brew install ffmpeg, or from ffmpeg.org) and have both on the PATH"
        ) from error
    return musdb


def _decode_stem_file(musdb: ModuleType, file: Path) -> tuple[Tensor, int]:
    """Mixture and stems (5, 2, samples) of a stem file, in the order of its streams, which is that of ROLES."""
    try:
        track = musdb.MultiTrack(str(file), name=file.name.removesuffix(".stem.mp4"), stem_id=0)
        channels, samples, rate = track.info.channels_streams, track.samples, track.rate
        as_it_should_be = len(channels) == 1 + len(ROLES) and set(channels) in ({1}, {2})
        audio = torch.from_numpy(track.stems).float() if as_it_should_be else None
    except Exception as error:  # musdb, stempeg and ffmpeg raise nearly every kind where a file is damaged
        raise UserError(f"{file}: cannot be decoded as a stem file; copy it again from MUSDB18") from error
    if audio is None:
        raise UserError(f"{file}: has streams of {channels} channels, not five of two; copy it again from MUSDB18")
    if audio.shape[1] < samples - TOLERANCE_S * rate:
        raise UserError(
            f"{file}: ends after {audio.shape[1] / rate:.1f} of {samples / rate:.1f} s; copy it again from MUSDB18"
        )
    check_rate(file, rate)
    audio = audio.mT if audio.ndim == 3 else audio[:, None]  # musdb drops the channels where there is one
    return audio.expand(-1, 2, -1).contiguous(), rate


def _read_wav_folder(musdb: ModuleType, folder: Path) -> tuple[Tensor, int]:
    """Mixture and stems (5, 2, samples) of a track folder. musdb knows their names; soundfile reads them, because
    musdb would cut them to 16 bits and turn NaN into a number."""
    setup = musdb.DB(root=str(folder), subsets=[], is_wav=True).setup
    files = [folder / setup["mixture"], *(folder / setup["sources"][name] for name in ROLES)]
    tracks = [read_track(file) for file in files]
    for file, (audio, rate) in zip(files, tracks, strict=True):
        seconds, whole = audio.shape[-1] / rate, tracks[0][0].shape[-1] / tracks[0][1]
        if abs(seconds - whole) > TOLERANCE_S:
            raise UserError(
                f"{file}: lasts {seconds:.2f} s, the mixture {whole:.2f} s; copy {folder.name!r} again from MUSDB18-HQ"
            )
    return stack(tracks)
