"""The two vocabularies of the project: mixing styles and track roles."""

import re

from .errors import UserError

STYLES = ("pop", "rock", "electronic", "ballad", "jazz")
ROLES = ("drums", "bass", "guitar", "keys", "strings", "lead", "voice", "other")

# Words of file names, most telling first: "bass drum" is drums, "lead vocal" is voice, "bass guitar" is bass.
_ROLE_WORDS = (
    ("drums", "drum drums kick snare hat hihat hats cymbal cymbals overhead overheads toms tom percussion perc beat"),
    ("voice", "voice vocal vocals vox singer choir"),
    ("bass", "bass sub"),
    ("lead", "lead solo melody"),
    ("guitar", "guitar guitars gtr"),
    ("keys", "keys key keyboard piano organ rhodes chords synth"),
    ("strings", "strings string pad pads violin cello orchestra brass horns"),
)


def guess_role(name: str) -> str:
    """Role of a track from its file name without extension, for example ``"lead vocal 2"`` -> ``"voice"``; else
    ``"other"``.
    """
    words = set(re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()))
    for role, known in _ROLE_WORDS:
        if words & set(known.split()):
            return role
    return "other"


def style_index(style: str) -> int:
    """Position of ``style`` in :data:`STYLES`. Raises UserError for an unknown style."""
    if style not in STYLES:
        raise UserError(f"unknown style {style!r}: choose one of {', '.join(STYLES)}")
    return STYLES.index(style)


def role_index(role: str) -> int:
    """Position of ``role`` in :data:`ROLES`. Raises UserError for an unknown role."""
    if role not in ROLES:
        raise UserError(f"unknown role {role!r}: choose one of {', '.join(ROLES)}")
    return ROLES.index(role)


def check_roles(roles: tuple[str, ...] | None, tracks: int) -> tuple[str, ...]:
    """The roles of ``tracks`` tracks: as given, or ``other`` for all if None.

    Raises UserError for another number of roles or an unknown one.
    """
    roles = tuple(roles) if roles is not None else ("other",) * tracks
    if len(roles) != tracks:
        raise UserError(f"roles: {len(roles)} roles for {tracks} tracks; give one a track")
    for role in roles:
        role_index(role)
    return roles
