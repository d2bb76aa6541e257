"""Multitracks in the layout of MedleyDB (Bittner et al. 2014): raw tracks, the mix, and metadata that names both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

from ..audio import MAX_TRACKS
from ..errors import UserError
from ..labels import guess_role, style_index
from .folder import Songs, existing_folder, read_track, stack
from .song import Song

LAYOUT = (
    "give the folder that holds the track folders, or Audio with them in it: TRACK/TRACK_MIX.wav, "
    "TRACK/TRACK_RAW/*.wav and TRACK/TRACK_METADATA.yaml"
)
# Genres of MedleyDB that have a style here. Classical, World/Folk, Musical Theatre, Rap and the rest have none.
STYLE_OF = {
    "Rock": "rock",
    "Pop": "pop",
    "Singer/Songwriter": "ballad",
    "Jazz": "jazz",
    "Fusion": "jazz",
    "Electronic": "electronic",
    "Electronic/Fusion": "electronic",
}
# Words of instrument names that the words of file names do not cover, most telling first: "clarinet section" is strings
# (what sustains in a group), "bass clarinet" a lead. Anything else is what guess_role says, in the end "other".
_ROLE_WORDS = (
    ("strings", "section viola erhu harp dulcimer yangqin"),
    ("voice", "vocalists rapper speaker"),
    ("lead", "flute piccolo clarinet saxophone oboe bassoon trumpet cornet trombone euphonium tuba horn harmonica"),
    ("lead", "recorder whistle panpipes dizi bagpipe melodica theremin"),
    ("keys", "synthesizer harpsichord accordion harmonium concertina bandoneon"),
    ("keys", "vibraphone marimba xylophone glockenspiel"),
    ("guitar", "banjo mandolin ukulele oud sitar guzheng liuqin zhongruan"),
    ("drums", "tambourine claps shaker bongo conga cowbell tabla timpani maracas triangle gong chimes castanet guiro"),
    ("drums", "cabasa rattle darbuka doumbek gu beatboxing bells"),
)


def read_medleydb(
    root: str | Path,
    style: str | Mapping[str, str] | None = None,
    metadata: str | Path | None = None,
    bleed: bool = True,
) -> Songs:
    """The multitracks of a folder in MedleyDB's layout, each with its raw tracks as stems and its mix as ``mix``.

    A song with more than 16 raw tracks is given as the sums of the raw tracks of each of its stems; if these are still
    more than 16, as the sums of each role. A sum whose peak would pass 1 is turned down to it. Names and roles come
    from the instruments in the metadata; rates and lengths are made equal as :func:`read_folder` does. Nothing is read
    before a song is asked for, but for the metadata where `bleed` is False.

    Args:
        root: folder that holds the track folders, or a folder ``Audio`` that does.
        style: of all songs, or the name of each song -> its style. Songs without one, and all if None, have the style
            of their genre by :data:`STYLE_OF`.
        metadata: folder of the files TRACK_METADATA.yaml, if they lie neither in the track folders nor in
            ``root/Metadata``; they come with the repository marl/medleydb.
        bleed: whether to keep songs with ``has_bleed: yes``, whose raw tracks hear one another.

    Raises:
        UserError: if PyYAML is not installed; for another layout or an unknown style. A song that is asked for raises
            it if it is broken (a file that is missing, undecodable or NaN, metadata in another form) or has no style.
    """
    for name in {style} if isinstance(style, str) else set((style or {}).values()):
        style_index(name)
    root = existing_folder(root, LAYOUT)
    audio = root / "Audio" if (root / "Audio").is_dir() else root
    parts = ("RAW", "STEMS", "MIX.wav", "METADATA.yaml")
    visible = [path for path in sorted(audio.iterdir()) if not path.name.startswith(".")]
    found = {path.name: path for path in visible if any((path / f"{path.name}_{part}").exists() for part in parts)}
    if not found:
        raise UserError(f"{root}: holds no multitracks; {LAYOUT}")
    places = [existing_folder(metadata, "give the folder of the files TRACK_METADATA.yaml")] if metadata else []
    yaml = _yaml()

    def describe(name: str) -> _Metadata:
        candidates = [folder / f"{name}_METADATA.yaml" for folder in (*places, found[name], root / "Metadata")]
        file = next((file for file in candidates if file.is_file()), candidates[0])
        return _metadata(yaml, file)

    def read(name: str) -> Song:
        described = describe(name)
        its_style = style if isinstance(style, str) else (style or {}).get(name) or STYLE_OF.get(described.genre)
        if its_style is None:
            raise UserError(f"{name}: its genre {described.genre!r} has no style; name one by the argument style")
        style_index(its_style)
        return _read(found[name], described, its_style)

    if bleed:
        return Songs(tuple(found), read)
    return Songs(tuple(name for name in found if not describe(name).has_bleed), read)


def role_of(instrument: str) -> str:
    """Role of an instrument as MedleyDB names it, such as "male singer" or "distorted electric guitar"."""
    words = set(re.findall(r"[a-z]+", instrument.lower()))
    return next((role for role, known in _ROLE_WORDS if words & set(known.split())), guess_role(instrument))


def _yaml() -> ModuleType:
    try:
        import yaml
    except ImportError as error:
        raise UserError("yaml: is not installed, and MedleyDB's metadata need it; pip install pyyaml") from error
    return yaml


class _Metadata(NamedTuple):
    """What is needed of a metadata file; stems as (instrument, [(instrument, raw file), ...])."""

    genre: str
    has_bleed: bool
    stems: list[tuple[str, list[tuple[str, str]]]]


def _metadata(yaml: ModuleType, file: Path) -> _Metadata:
    if not file.is_file():
        raise UserError(f"{file}: is missing; copy it there from marl/medleydb, or name its folder by metadata")
    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
        stems = [
            (str(stem["instrument"]), [(str(raw["instrument"]), str(raw["filename"])) for raw in _sorted(stem["raw"])])
            for stem in _sorted(told["stems"])
        ]
        if not any(raws for _, raws in stems):
            raise KeyError("raw")
        return _Metadata(str(told["genre"]), told["has_bleed"] in ("yes", True), stems)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        lacking = f"it lacks {error}" if isinstance(error, KeyError) else "it is no such YAML"
        raise UserError(f"{file}: cannot be read as MedleyDB's metadata, {lacking}; copy it again") from error


def _sorted(numbered: dict) -> list[dict]:
    """The values of a dictionary with keys like S01, in their order."""
    return [value for _, value in sorted(numbered.items())]


def _read(folder: Path, described: _Metadata, style: str) -> Song:
    """The song of a track folder. A group of raw files that becomes one track is added up while it is read."""
    raw = [([file], instrument) for _, raws in described.stems for instrument, file in raws]
    by_stem = [([file for _, file in raws], instrument) for instrument, raws in described.stems if raws]
    roles = {role_of(instrument): [] for _, instrument in by_stem}
    for files, instrument in by_stem:
        roles[role_of(instrument)] += files
    by_role = [(files, role) for role, files in roles.items()]
    tracks = next(tracks for tracks in (raw, by_stem, by_role) if len(tracks) <= MAX_TRACKS)

    place, instruments = folder / f"{folder.name}_RAW", [instrument for _, instrument in tracks]
    if not place.is_dir():
        raise UserError(f"{place}: is no folder; copy the raw tracks of {folder.name!r} there, its stems are not dry")
    mix = read_track(folder / f"{folder.name}_MIX.wav")
    audio, rate = stack([mix, *(_sum([place / file for file in files]) for files, _ in tracks)])
    names = tuple(
        instrument if instruments.count(instrument) == 1 else f"{instrument} {instruments[: k + 1].count(instrument)}"
        for k, instrument in enumerate(instruments)
    )
    return Song(audio[1:], tuple(map(role_of, instruments)), style, rate, names, mix=audio[0])


def _sum(files: list[Path]) -> tuple[Tensor, int]:
    """Audio files added up, one after the other: (1 or 2, samples) and rate. One file stays as it is."""

    def add(one: tuple[Tensor, int], other: tuple[Tensor, int]) -> tuple[Tensor, int]:
        both, rate = stack([one, other])
        return both.sum(0), rate

    total, rate = reduce(add, map(read_track, files))
    return (total / torch.clamp(total.abs().max(), min=1) if len(files) > 1 else total), rate
