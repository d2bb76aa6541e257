"""Many songs, each mixed by one engineer, in numbers: what the studio does as a rule, and what it depends on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..audio import loudness
from ..cores import on_all_cores
from ..errors import UserError
from ..labels import STYLES
from .decide import HIGH_HZ, focus_of
from .ears import BAND_HZ, Heard, by_width, listen
from .engineer import engineer
from .song import song


@dataclass(frozen=True)
class Surveyed:
    """One mixed song without its sound.

    style; tempo in beats a minute; playing: how many tracks sound at a time, on average; lufs: integrated loudness of
    the mix; bands: the mix's amplitude in the 24 bands of `ears.BAND_HZ`, (24,), adding up to 1; room: the engineer's,
    as `Engineered.room`; tracks: for each audible track its role, the engineer's settings for it, as
    `Engineered.console`, and what was heard on the dry stem:

    - crest_db, tilt_db and density, as `ears.Heard` has them;
    - overlap: the largest with any other audible track, 0 to 1, None if it is alone;
    - cover: how much of the voice's amplitude (the lead's where nobody sings) between 500 Hz and 8 kHz lies under this
      track if both are equally loud, 0 to 1; None for the voice itself, and where there is neither.
    """

    style: str
    tempo: float
    playing: float
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
    done = on_all_cores(_mixed, [(first + i, STYLES[i % len(STYLES)], seconds) for i in range(songs)])
    return list(tqdm(done, "mixing songs", songs, disable=not progress, unit="song"))


def _mixed(seed: int, style: str, seconds: float) -> Surveyed:
    raw = song(seed, style, seconds)
    mixed = engineer(raw, seed)
    heard = listen(by_width(raw.stems), raw.sample_rate)
    audible, focus = heard.audible.nonzero()[:, 0].tolist(), focus_of(heard, raw.roles, raw.names)
    measured = {name: getattr(heard, name).tolist() for name in ("crest_db", "tilt_db", "density")}
    tracks = tuple(
        mixed.console[k]
        | {name: values[k] for name, values in measured.items()}
        | {
            "role": raw.roles[k],
            "overlap": max((float(heard.overlaps[k, other]) for other in audible if other != k), default=None),
            "cover": None if focus in (None, k) else _cover(heard, k, focus),
        }
        for k in audible
    )
    return Surveyed(
        style=style,
        tempo=raw.tempo,
        playing=float(heard.density[audible].sum()),
        lufs=float(loudness(mixed.mix, raw.sample_rate)),
        bands=listen(by_width(mixed.mix[None]), raw.sample_rate).bands[0],
        room=mixed.room,
        tracks=tracks,
    )


def _cover(heard: Heard, track: int, focus: int) -> float:
    """The share of one track's amplitude in the presence range that lies under another's, both at 0 LUFS."""
    presence = torch.from_numpy((BAND_HZ >= HIGH_HZ[0]) & (BAND_HZ < HIGH_HZ[1]))
    over, under = heard.power[[track, focus]].sqrt()[:, presence]
    return float(torch.minimum(over, under).sum() / under.sum().clamp_min(1e-12))
