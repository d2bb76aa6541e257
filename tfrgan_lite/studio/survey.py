"""Many songs, each mixed by one engineer, in numbers: what the studio does as a rule, and what it depends on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from joblib import Parallel, cpu_count, delayed
from torch import Tensor
from tqdm.auto import tqdm

from ..audio import loudness
from ..errors import UserError
from ..labels import STYLES
from .decide import focus_of
from .ears import by_width, listen
from .engineer import engineer
from .song import song


@dataclass(frozen=True)
class Surveyed:
    """One mixed song without its sound.

    style; tempo in beats a minute; lufs: integrated loudness of the mix; bands: the mix's amplitude in the 24 bands of
    `ears.BAND_EDGES_HZ`, (24,), adding up to 1; room: the engineer's, as `Engineered.room`; tracks: for each audible
    track the engineer's settings, as `Engineered.console`, and what was heard on the dry stem: role, crest_db, density
    (0 to 1), and overlap (0 to 1) with the voice, or with the lead where nobody sings, or None where there is neither.
    """

    style: str
    tempo: float
    lufs: float
    bands: Tensor
    room: dict
    tracks: tuple[dict, ...]


def survey(songs: int, seconds: float = 10.0, first: int = 0, progress: bool = True) -> list[Surveyed]:
    """Mix `songs` songs of `seconds` each on all cores, with seeds from `first` on; the styles take turns.

    Song and engineer have the same seed, so the result depends on the arguments alone. `progress` shows a bar.
    Raises UserError if there is no song to mix, and what `studio.song` raises.
    """
    if songs < 1:
        raise UserError(f"songs: {songs} is too few; give at least 1")
    jobs = (delayed(_mixed)(first + i, STYLES[i % len(STYLES)], seconds) for i in range(songs))
    done = Parallel(n_jobs=min(cpu_count(), songs, 8), return_as="generator")(jobs)
    return list(tqdm(done, "mixing songs", songs, disable=not progress, unit="song"))


def _mixed(seed: int, style: str, seconds: float) -> Surveyed:
    torch.set_num_threads(1)  # the cores are busy with other songs
    raw = song(seed, style, seconds)
    mixed = engineer(raw, seed)
    heard = listen(by_width(raw.stems), raw.sample_rate)
    focus = focus_of(heard, raw.roles)
    tracks = tuple(
        strip
        | {
            "role": raw.roles[k],
            "crest_db": float(heard.crest_db[k]),
            "density": float(heard.density[k]),
            "overlap": None if focus in (None, k) else float(heard.overlap(k, focus)),
        }
        for k, strip in enumerate(mixed.console)
        if heard.audible[k]
    )
    bands = listen(by_width(mixed.mix[None]), raw.sample_rate).bands[0]
    lufs = float(loudness(mixed.mix, raw.sample_rate))
    return Surveyed(style, raw.tempo, lufs, bands, mixed.room, tracks)
