"""A mixing engineer whose every choice is known.

`engineer` listens to all tracks, decides each channel strip from what it hears, from the roles, the style and who else
plays, adds a little taste drawn from its seed, and runs the console.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..audio import loudness, true_peak_db
from ..errors import UserError
from ..labels import style_index
from . import console as desk
from .ears import Groups, Heard, by_width, level, listen

# One column for each style: pop, rock, electronic, ballad.
LEVEL_LU = {  # loudness of a role against the others
    "drums": (0.0, 1.0, 0.5, -5.0),
    "bass": (-2.0, -1.5, -1.0, -5.0),
    "guitar": (-5.0, -1.0, -5.0, -4.0),
    "keys": (-4.0, -5.0, -4.0, -1.0),
    "strings": (-7.0, -7.0, -5.0, -5.0),
    "lead": (-1.0, -1.0, -1.0, -1.0),
    "voice": (1.0, 0.0, 0.0, 2.0),
    "other": (-9.0, -8.0, -8.0, -9.0),
}
SEND_DB = {
    "drums": (-20.0, -16.0, -24.0, -14.0),
    "bass": (-36.0, -36.0, -40.0, -30.0),
    "guitar": (-18.0, -20.0, -16.0, -14.0),
    "keys": (-17.0, -18.0, -14.0, -13.0),
    "strings": (-13.0, -13.0, -11.0, -10.0),
    "lead": (-15.0, -16.0, -12.0, -12.0),
    "voice": (-15.0, -17.0, -13.0, -11.0),
    "other": (-16.0, -16.0, -14.0, -14.0),
}
# 2 to 10 kHz against 80 to 500 Hz, of a well recorded track; nobody knows what "other" should sound like.
TILT_TARGET_DB = {
    "drums": -8.0,
    "bass": -30.0,
    "guitar": -12.0,
    "keys": -19.0,
    "strings": -14.0,
    "lead": -5.0,
    "voice": -10.0,
}
RELEASE_MS = {"drums": 80.0, "bass": 150.0, "voice": 120.0}  # else 180
LOUDNESS_LUFS = (-15.0, -14.5, -14.5, -16.0)
PAN_WIDTH = (0.55, 0.8, 0.65, 0.45)
DECAY_S = (1.1, 0.9, 1.4, 2.0)
BRIGHTNESS_DB = (1.0, 0.0, 2.0, -2.0)
CENTRE_ROLES = ("drums", "bass")
TRUE_PEAK_DB = -1.0
FADER_LUFS = -20.0  # where a role at 0 LU is levelled before the master gain


@dataclass(frozen=True)
class Engineered:
    """A finished mix and how it was made.

    wet_stems (tracks, 2, samples) and mix (2, samples), their sum; console: one dict of settings a track, named with
    units (pan from -1 left to 1 right; ratio and high_peak_q have none); room: arguments of `console.impulse_response`;
    master_gain_db: the last gain, the same on every track.
    """

    wet_stems: Tensor
    mix: Tensor
    console: list[dict[str, float]]
    room: dict[str, float]
    master_gain_db: float


def engineer(song, seed: int) -> Engineered:
    """Mix a song: any object with `stems` (tracks, 2, samples), `roles`, `style` and `sample_rate`.

    The same song and seed give the same mix. A silent track stays silent. The mix lands on the style's loudness
    (`LOUDNESS_LUFS`), or below it where its true peak would pass -1 dBTP. Raises UserError for an unknown style
    or a negative seed.
    """
    style = style_index(song.style)
    if seed < 0:
        raise UserError(f"seed: {seed} is negative; give 0 or a positive whole number")
    stems, rate = song.stems, song.sample_rate
    taste = _taste(seed, style, len(stems))
    groups = by_width(stems)
    heard = listen(groups, rate)
    settings = decide(heard, song.roles, style, taste)
    strips = _inserts(groups, rate, settings)
    # The fader is set last and by ear: on what equaliser and compressor have left.
    wanted = FADER_LUFS + levels(heard, song.roles, style) + taste["level_db"]
    settings["gain_db"] = torch.where(heard.audible, (wanted - level(strips, rate)).clamp(-40, 40), 0.0)
    wet = _sends(strips, rate, settings, taste["room"])
    mix = wet.sum(0)
    master = 0.0
    if heard.audible.any():
        master = min(LOUDNESS_LUFS[style] - float(loudness(mix, rate)), TRUE_PEAK_DB - 0.01 - true_peak_db(mix))
        wet = wet * 10 ** (master / 20)
        mix = wet.sum(0)
    console = [{name: float(values[k]) for name, values in settings.items()} for k in range(len(stems))]
    return Engineered(wet, mix, console, taste["room"], master)


def replay(
    stems: Tensor, sample_rate: int, console: list[dict[str, float]], room: dict, master_gain_db: float
) -> Tensor:
    """Run dry stems (tracks, 2, samples) through given settings: wet stems (tracks, 2, samples)."""
    settings = {name: torch.tensor([strip[name] for strip in console]) for name in console[0]}
    wet = _sends(_inserts(by_width(stems), sample_rate, settings), sample_rate, settings, room)
    return wet * 10 ** (master_gain_db / 20)


def _taste(seed: int, style: int, tracks: int) -> dict:
    """What only the engineer's seed decides."""
    rng = np.random.default_rng([seed, 3])
    return {
        "side": 1.0 if rng.random() < 0.5 else -1.0,
        "bright_db": rng.uniform(-1.5, 1.5),
        "wet_db": rng.uniform(-3, 3),
        "room": {
            "decay_s": float(DECAY_S[style] * np.exp(rng.uniform(-0.25, 0.25))),
            "seed": int(rng.integers(2**31)),
            "predelay_ms": float(rng.uniform(5, 30)),
        },
        "level_db": torch.from_numpy(rng.uniform(-1, 1, tracks).astype(np.float32)),
    }


def _focus(heard: Heard, roles: tuple[str, ...]) -> int | None:
    """The track that the others make room for: the loudest audible voice, else the loudest lead, else none."""
    for role in ("voice", "lead"):
        tracks = [k for k, name in enumerate(roles) if name == role and heard.audible[k]]
        if tracks:
            return max(tracks, key=lambda k: float(heard.level_db[k]))
    return None


def decide(heard: Heard, roles: tuple[str, ...], style: int, taste: dict) -> dict[str, Tensor]:
    """All settings but the gain, each a tensor (tracks,)."""
    focus = _focus(heard, roles)
    tilt = heard.tilt_db - torch.tensor([TILT_TARGET_DB.get(role, torch.nan) for role in roles]) - BRIGHTNESS_DB[style]
    tilt = tilt.nan_to_num(nan=0.0)
    peak_hz, peak_db = _carve(heard, roles, focus)
    # Peaky tracks are compressed more, and their transients are let through for longer.
    ratio = (1 + (heard.crest_db - 8) / 4).clamp(1.2, 6)
    threshold = heard.peak_db - 0.7 * heard.crest_db
    depth = (heard.peak_db - threshold) * (1 - 1 / ratio)
    send = torch.tensor([SEND_DB[role][style] for role in roles]) + taste["wet_db"]
    settings = {
        "low_shelf_db": (0.4 * tilt).clamp(-8, 8),
        "low_shelf_hz": (heard.centroid_hz / 3).clamp(80, 350),
        "high_peak_db": peak_db,
        "high_peak_hz": peak_hz,
        "high_peak_q": torch.where(peak_db < 0, 1.0, 0.7),
        "high_shelf_db": (-0.4 * tilt).clamp(-8, 8) + taste["bright_db"],
        "high_shelf_hz": (heard.centroid_hz * 4).clamp(1500, 6000),
        "threshold_db": threshold,
        "ratio": ratio,
        "attack_ms": (0.8 * heard.crest_db - 4).clamp(2, 15),
        "release_ms": torch.tensor([RELEASE_MS.get(role, 180.0) for role in roles]),
        "makeup_db": 0.5 * depth,
        "pan": _pan(heard, roles, style, focus, taste["side"]),
        # A busy track gets less room than one that leaves gaps.
        "send_db": send + 3 * (0.6 - heard.density),
    }
    return {name: torch.where(heard.audible, values, NEUTRAL.get(name, 0.0)) for name, values in settings.items()}


NEUTRAL = {  # settings of a silent track
    "low_shelf_hz": 150.0,
    "high_peak_hz": 1000.0,
    "high_peak_q": 1.0,
    "high_shelf_hz": 5000.0,
    "ratio": 1.0,
    "attack_ms": 10.0,
    "release_ms": 180.0,
    "send_db": -60.0,
}


def levels(heard: Heard, roles: tuple[str, ...], style: int) -> Tensor:
    """Target loudness of each track against the others, in LU."""
    focus = _focus(heard, roles)
    backing = [k for k, role in enumerate(roles) if role not in CENTRE_ROLES and k != focus and heard.audible[k]]
    target = torch.tensor([LEVEL_LU[role][style] for role in roles])
    for k in backing:
        target[k] -= 0.7 * max(len(backing) - 2, 0)  # the more play, the less each
        if focus is None:
            target[k] += 2.5  # nobody sings: the chords carry the song
        else:
            target[k] -= 3 * float(heard.overlap(k, focus))  # what hides the voice goes down
    return target + 2 * (0.6 - heard.density)  # what plays seldom may be heard


def _carve(heard: Heard, roles: tuple[str, ...], focus: int | None) -> tuple[Tensor, Tensor]:
    """Frequency and gain of each track's peak filter: room for the focus, for the kick, and a lift for the focus."""
    hz, db = torch.full((len(roles),), 3000.0), torch.full((len(roles),), 1.0)
    drums = [k for k, role in enumerate(roles) if role == "drums" and heard.audible[k]]
    for k, role in enumerate(roles):
        if k == focus:
            hz[k], db[k] = heard.presence_hz[k], 2.0
        elif role == "bass":
            hz[k], db[k] = 70.0, 0.0
            if drums:
                hz[k], db[k] = heard.low_hz[drums[0]], -1 - 5 * float(heard.overlap(k, drums[0]))
        elif role == "drums":
            hz[k], db[k] = 400.0, -2.0
        elif focus is not None:
            hz[k], db[k] = heard.presence_hz[focus], -1 - 7 * float(heard.overlap(k, focus))
    return hz, db


def _pan(heard: Heard, roles: tuple[str, ...], style: int, focus: int | None, side: float) -> Tensor:
    """Drums, bass and the focus in the centre; the others in pairs of neighbours in pitch, on opposite sides."""
    others = [k for k, role in enumerate(roles) if role not in CENTRE_ROLES and k != focus and heard.audible[k]]
    others.sort(key=lambda k: (float(heard.centroid_hz[k]), k))
    positions = torch.zeros(len(roles))
    for place, k in enumerate(others):
        alone = place == len(others) - 1 and place % 2 == 0
        width = PAN_WIDTH[style] * (0.85 + 0.05 * len(others)) * (0.45 if alone else 1 - 0.3 * min(place // 2, 2))
        # What is wide already needs less of it.
        positions[k] = side * (1 if place % 2 == 0 else -1) * min(width, 1.0) * (1 - float(heard.width[k]))
    return positions


INSERTS = {
    desk.equalise: (
        "low_shelf_db", "low_shelf_hz", "high_peak_db", "high_peak_hz", "high_peak_q", "high_shelf_db", "high_shelf_hz",
    ),
    desk.compress: ("threshold_db", "ratio", "attack_ms", "release_ms", "makeup_db"),
}  # fmt: skip


def _inserts(groups: Groups, rate: int, settings: dict[str, Tensor]) -> Groups:
    """Equaliser and compressor."""
    out = []
    for tracks, audio in groups:
        for effect, names in INSERTS.items():
            audio = effect(audio, rate, **{name: settings[name][tracks] for name in names})
        out.append((tracks, audio))
    return out


def _sends(groups: Groups, rate: int, settings: dict[str, Tensor], room: dict) -> Tensor:
    """Fader, pan, and the room on top: (tracks, 2, samples)."""
    impulse = desk.impulse_response(rate, **room)
    out = torch.empty(sum(len(tracks) for tracks, _ in groups), 2, groups[0][1].shape[-1])
    for tracks, strips in groups:
        audio = desk.gain(strips, rate, settings["gain_db"][tracks])
        tail = desk.reverb(desk.gain(audio, rate, settings["send_db"][tracks]), rate, impulse)
        out[tracks] = desk.pan(audio, rate, settings["pan"][tracks]).add_(tail)
    return out
