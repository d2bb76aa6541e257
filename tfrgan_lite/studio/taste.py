"""What a style asks of a mix, and what its engineer likes: the tables, and the draw of a taste from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..labels import ROLES

# One column for each style: pop, rock, electronic, ballad, jazz.
LEVEL_LU = {  # loudness of a role against the others
    "drums": (0.0, 1.0, 0.5, -5.0, -4.0),
    "bass": (-2.0, -1.5, -1.0, -5.0, -1.5),
    "guitar": (-5.0, -1.0, -5.0, -4.0, -4.0),
    "keys": (-4.0, -5.0, -4.0, -1.0, -2.0),
    "strings": (-7.0, -7.0, -5.0, -5.0, -7.0),
    "lead": (-1.0, -1.0, -1.0, -1.0, 0.5),
    "voice": (1.0, 0.0, 0.0, 2.0, 1.5),
    "other": (-9.0, -8.0, -8.0, -9.0, -9.0),
}
SEND_DB = {
    "drums": (-21.0, -17.0, -25.0, -16.0, -18.0),
    "bass": (-37.0, -37.0, -41.0, -32.0, -29.0),
    "guitar": (-19.0, -21.0, -17.0, -16.0, -18.0),
    "keys": (-18.0, -19.0, -15.0, -15.0, -18.0),
    "strings": (-14.0, -14.0, -12.0, -12.0, -13.0),
    "lead": (-16.0, -17.0, -13.0, -14.0, -15.0),
    "voice": (-16.0, -18.0, -14.0, -13.0, -15.0),
    "other": (-17.0, -17.0, -15.0, -16.0, -17.0),
}
LOUDNESS_LUFS = (-15.0, -14.5, -14.5, -16.0, -17.0)
PAN_WIDTH = (0.55, 0.8, 0.65, 0.45, 0.6)
BRIGHTNESS_DB = (1.0, 0.0, 2.0, -2.0, -1.0)
DECAY_BEATS = (2.0, 1.8, 2.6, 2.1, 2.2)
TEMPO = (110.0, 125.0, 124.0, 72.0, 135.0)  # usual for the style, in beats a minute: also where a song's is unknown
ROOM_SHARES = {  # how likely each kind of room is
    "room": (0.3, 0.6, 0.2, 0.1, 0.6),
    "plate": (0.5, 0.3, 0.5, 0.4, 0.3),
    "hall": (0.2, 0.1, 0.3, 0.5, 0.1),
}
# Who owns the range: a role makes room for those before it.
LOW_END = (
    ("drums", "bass", "voice", "lead", "keys", "guitar", "strings", "other"),
    ("drums", "bass", "voice", "guitar", "lead", "keys", "strings", "other"),
    ("drums", "bass", "lead", "voice", "strings", "keys", "guitar", "other"),
    ("voice", "bass", "keys", "drums", "guitar", "lead", "strings", "other"),
    ("bass", "drums", "voice", "keys", "lead", "guitar", "strings", "other"),
)
PRESENCE = (
    ("voice", "lead", "keys", "guitar", "drums", "strings", "bass", "other"),
    ("voice", "lead", "guitar", "drums", "keys", "strings", "bass", "other"),
    ("voice", "lead", "drums", "keys", "strings", "guitar", "bass", "other"),
    ("voice", "lead", "keys", "strings", "guitar", "bass", "drums", "other"),
    ("voice", "lead", "keys", "guitar", "bass", "drums", "strings", "other"),
)
# One number for each role.
TILT_DB = {  # 2 to 10 kHz against 80 to 500 Hz, well recorded; nobody knows what "other" should sound like
    "drums": -10.0,
    "bass": -40.0,
    "guitar": 0.0,
    "keys": -16.0,
    "strings": -12.0,
    "lead": 0.0,
    "voice": -12.0,
}
RELEASE_BEATS = {"drums": 0.16, "bass": 0.3, "voice": 0.22, "lead": 0.25}  # else 0.35
DECAY_OF_KIND = {"room": 0.7, "plate": 1.0, "hall": 1.3}
CENTRE_ROLES = ("drums", "bass")


@dataclass(frozen=True)
class Taste:
    """What only the engineer decides, whatever the song is.

    side: 1 or -1, where the first track of a pair goes
    bright_db, wet_db: leanings of treble and of reverb sends
    tight: leaning of compression, -1 (loose) to 1
    level_db: leaning of each role's level
    kind, decay, predelay_beats, room_seed: the room; `decay` multiplies the usual one
    """

    side: float
    bright_db: float
    wet_db: float
    tight: float
    level_db: dict[str, float]
    kind: str
    decay: float
    predelay_beats: float
    room_seed: int


def draw(seed: int, style: int) -> Taste:
    """The taste of the engineer with that seed: the style, an index, shifts the odds of the kinds of room alone."""
    rng = np.random.default_rng([seed, 3])
    odds = np.cumsum([shares[style] for shares in ROOM_SHARES.values()])
    return Taste(
        side=1.0 if rng.random() < 0.5 else -1.0,
        bright_db=rng.uniform(-1.2, 1.2),
        wet_db=rng.uniform(-2.5, 2.5),
        tight=rng.uniform(-1, 1),
        level_db={role: rng.uniform(-1, 1) for role in ROLES},
        kind=list(ROOM_SHARES)[np.searchsorted(odds, rng.random() * odds[-1])],
        decay=float(np.exp(rng.uniform(-0.25, 0.25))),
        predelay_beats=rng.uniform(0.015, 0.06),
        room_seed=int(rng.integers(2**31)),
    )
