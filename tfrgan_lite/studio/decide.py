"""From what an engineer hears to the settings of every channel strip and of the room."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..audio import decibels
from .ears import BAND_HZ, Heard
from .taste import (
    BRIGHTNESS_DB,
    CENTRE_ROLES,
    DECAY_BEATS,
    DECAY_OF_KIND,
    LEVEL_LU,
    LOW_END,
    PAN_WIDTH,
    PRESENCE,
    RELEASE_BEATS,
    SEND_DB,
    TEMPO,
    TILT_DB,
    Taste,
)

LOW_HZ, BOX_HZ, HIGH_HZ, VOCAL_HZ = (40, 500), (150, 800), (500, 8000), (900, 5000)
BACKING_NAMES = ("back", "choir", "harmon", "bv", "double")
NEUTRAL = {  # settings of a silent track, where they are not 0
    "low_shelf_hz": 150.0,
    "low_peak_hz": 300.0,
    "low_peak_q": 1.0,
    "high_peak_hz": 2500.0,
    "high_peak_q": 1.0,
    "high_shelf_hz": 5000.0,
    "ratio": 1.0,
    "attack_ms": 10.0,
    "release_ms": 180.0,
    "send_db": -60.0,
}


def decide(
    heard: Heard, roles: tuple[str, ...], style: int, tempo: float | None, taste: Taste, focus: int | None
) -> dict[str, Tensor]:
    """All settings but the gain, each a tensor (tracks,).

    `tempo` in beats a minute, None for the style's usual one; `focus` is `focus_of`'s.
    """
    beat_ms, tempo_ratio = 60000 / (tempo or TEMPO[style]), (tempo or TEMPO[style]) / TEMPO[style]
    tilt = heard.tilt_db - torch.tensor([TILT_DB.get(role, torch.nan) for role in roles]) - BRIGHTNESS_DB[style]
    correction = 7 * torch.tanh(tilt.nan_to_num(nan=0.0) / 20)
    # Peaky tracks are compressed more, and their transients are let through for longer.
    ratio = 1.2 + 0.16 * (heard.crest_db - 3) * (1 + 0.3 * taste.tight)
    threshold = heard.peak_db - (0.7 + 0.1 * taste.tight) * heard.crest_db
    release = torch.tensor([RELEASE_BEATS.get(role, 0.35) for role in roles]) * beat_ms
    settings = {
        "low_shelf_db": correction - 0.5 * taste.bright_db,
        "low_shelf_hz": 80 * (heard.centroid_hz / 80) ** 0.4,
        "high_shelf_db": -correction + taste.bright_db,
        "high_shelf_hz": 1500 * (heard.centroid_hz / 100) ** 0.35,
        **_carve(heard, roles, style, focus),
        "threshold_db": threshold,
        "ratio": ratio,
        "attack_ms": (0.6 * heard.crest_db - 1) * (1 - 0.3 * taste.tight),
        "release_ms": (release * (1 - 0.25 * taste.tight)).clamp(40, 500),
        "makeup_db": 0.5 * (heard.peak_db - threshold) * (1 - 1 / ratio),
        "pan": _pan(heard, roles, style, focus, taste.side),
        # A busy track gets less room than one that leaves gaps; so does every track of a busy or a fast song.
        "send_db": torch.tensor([SEND_DB[role][style] for role in roles])
        + taste.wet_db
        + 3 * (0.6 - heard.density)
        + 0.6 * (2.5 - _company(heard))
        - 5 * np.log2(tempo_ratio),
    }
    return {name: torch.where(heard.audible, values, NEUTRAL.get(name, 0.0)) for name, values in settings.items()}


def room(heard: Heard, style: int, tempo: float | None, taste: Taste) -> dict:
    """Arguments of `rooms.impulse_response`: a decay of so many beats, shorter where more is played at once."""
    beat_s = 60 / (tempo or TEMPO[style])
    playing = float((heard.density * heard.audible).sum())
    decay_s = DECAY_BEATS[style] * beat_s * DECAY_OF_KIND[taste.kind] * taste.decay * np.exp(0.08 * (3 - playing))
    return {
        "kind": taste.kind,
        "decay_s": float(np.clip(decay_s, 0.25, 4.0)),
        "predelay_ms": float(min(1000 * beat_s * taste.predelay_beats, 100.0)),
        "seed": taste.room_seed,
    }


def levels(heard: Heard, roles: tuple[str, ...], style: int, focus: int | None) -> Tensor:
    """Target loudness of each track against the others, in LU, before taste."""
    backing = torch.tensor([role not in CENTRE_ROLES for role in roles]) & heard.audible
    if focus is not None:
        backing[focus] = False
    hidden = torch.where(_above(roles, PRESENCE[style], focus) & heard.audible, heard.overlaps, 0.0).amax(1)
    target = torch.tensor([LEVEL_LU[role][style] for role in roles])
    target = target - 0.7 * backing * (backing.sum() - 2).clamp_min(0)  # the more play, the less each
    target = target - 3 * hidden  # what hides a more important track goes down
    if focus is None:
        target = target + 2.5 * backing  # nobody sings: the chords carry the song
    target = target + 2 * (0.6 - heard.density)  # what plays seldom may be heard
    return target - 0.1 * (heard.crest_db - 12)  # what sticks out is heard anyway


def focus_of(heard: Heard, roles: tuple[str, ...], names: tuple[str, ...] = ()) -> int | None:
    """The track that the others make room for: an audible voice, else a lead, else None.

    Of several, one whose name does not say that it backs another, and of those the one recorded loudest.
    """
    backs = [any(word in name.lower() for word in BACKING_NAMES) for name in names or roles]
    for role in ("voice", "lead"):
        tracks = [k for k, name in enumerate(roles) if name == role and heard.audible[k]]
        if tracks:
            return max(tracks, key=lambda k: (not backs[k], float(heard.level_db[k])))
    return None


def _company(heard: Heard) -> Tensor:
    """How many others play while a track does, on average: (tracks,)."""
    density = heard.density * heard.audible
    return density.sum() - density


def _above(roles: tuple[str, ...], order: tuple[str, ...], focus: int | None) -> Tensor:
    """(tracks, tracks): whether the second is more important than the first; the focus leads its own role."""
    rank = torch.tensor([float(order.index(role)) for role in roles])
    if focus is not None:
        rank[focus] -= 0.5
    return rank[None] < rank[:, None]


def _carve(heard: Heard, roles: tuple[str, ...], style: int, focus: int | None) -> dict[str, Tensor]:
    """Both peak filters. A track gives way to the one above it with which it shares most, the more the more they share.

    Who has nobody above in the low end cuts its own boxiness there; who has nobody above in the presence range is
    lifted, the more the more another track shares of it.
    """
    bands = heard.bands * heard.audible[:, None]
    both = torch.minimum(bands[:, None], bands) * (1 - torch.eye(len(roles)))[..., None]  # (tracks, tracks, bands)
    weight = torch.ones(len(roles))
    settings = {}
    for name, range_hz, order in (("low_peak", LOW_HZ, LOW_END[style]), ("high_peak", HIGH_HZ, PRESENCE[style])):
        shared = both * _inside(range_hz)
        if name == "high_peak" and focus is not None:
            weight[focus] = 2.0  # who sings comes first
        above = _above(roles, order, focus) & heard.audible
        amount, rival = (shared.sum(-1) * weight * above).max(1)
        db = -0.5 - 8 * torch.tanh(amount)
        hz, q = _place(shared[torch.arange(len(roles)), rival])
        if name == "low_peak":
            hump = _hump_db(bands) * _inside(BOX_HZ)
            own_hz, own_q = _place(hump)
            own_db = -0.5 - 0.25 * hump.amax(1).clamp_max(12)
        else:
            own_hz, own_q = _place(bands * _inside(VOCAL_HZ))
            own_db = 0.5 + 4 * torch.tanh(shared.sum(-1).amax(1))
        alone = ~above.any(1)
        settings[f"{name}_db"] = torch.where(alone, own_db, db)
        settings[f"{name}_hz"] = torch.where(alone, own_hz, hz)
        settings[f"{name}_q"] = torch.where(alone, own_q, q)
    return settings


def _inside(range_hz: tuple[float, float]) -> Tensor:
    return torch.from_numpy((range_hz[0] <= BAND_HZ) & (range_hz[1] > BAND_HZ))


def _place(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Centre in Hz and quality of a filter on what weighs most in (tracks, bands): narrow where that is narrow."""
    octave = torch.from_numpy(np.log2(BAND_HZ)).float()
    share = weights.square() + 1e-12
    share = share / share.sum(1, keepdim=True)
    centre = share @ octave
    spread = (share * (octave - centre[:, None]).square()).sum(1).sqrt()
    return 2**centre, (1 / (2 * spread).clamp_min(1e-3)).clamp(0.4, 2.5)


def _hump_db(spectra: Tensor) -> Tensor:
    """How far each band stands out from the five about it, in dB, at least 0: (tracks, bands)."""
    db = decibels(spectra, 1e-6)
    around = torch.nn.functional.avg_pool1d(torch.nn.functional.pad(db, (2, 2), mode="replicate"), 5, 1)
    return (db - around).clamp_min(0)


def _pan(heard: Heard, roles: tuple[str, ...], style: int, focus: int | None, side: float) -> Tensor:
    """Drums, bass and the focus in the centre; the others left and right, away from those whose bands they share.

    Those who share most choose first: each takes the side where it meets less. The more a track shares with any other,
    the farther out it goes; what is wide already needs less of it.
    """
    overlaps = heard.overlaps * (heard.audible[:, None] & heard.audible) * (1 - torch.eye(len(roles)))
    share = overlaps.amax(1)
    movers = [k for k, role in enumerate(roles) if role not in CENTRE_ROLES and k != focus and heard.audible[k]]
    signs = torch.zeros(len(roles))
    for k in sorted(movers, key=lambda k: (-float(share[k]), float(heard.centroid_hz[k]), k)):
        meets = float(overlaps[k] @ signs)
        signs[k] = side if meets == 0 else -np.sign(meets)
    width = (PAN_WIDTH[style] * (0.3 + 1.2 * share) * (share > 0)).clamp(max=1.0)
    return signs * width * (1 - 0.7 * heard.width)
