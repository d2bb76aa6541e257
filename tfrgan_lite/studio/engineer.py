"""A mixing engineer whose every choice is known.

`engineer` listens to all tracks, decides each channel strip from what it hears, from the roles, the style and who else
plays, adds the taste drawn from its seed, and runs the console.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from ..audio import amplitude
from ..errors import UserError
from ..labels import style_index
from . import console as desk
from .decide import decide, focus_of, levels, room
from .ears import Groups, by_width, level, listen
from .master import CEILING_DB, WINDOW_MS, gain_to, master_gain
from .taste import LOUDNESS_LUFS, draw

FADER_LUFS = -20.0  # where a role at 0 LU is levelled before the master gain


@dataclass(frozen=True)
class Engineered:
    """A finished mix and how it was made.

    mix (2, samples); wet_stems (tracks, 2, samples), whose sum is the mix, computed when first asked for;
    console: one dict of settings a track, named with units (pan from -1 left to 1 right; ratio and the peaks' q have
    none); room: the arguments of `console.impulse_response`; master: gain_db, then the limiter's ceiling_db and
    window_ms, the same on every track.
    """

    mix: Tensor
    console: list[dict[str, float]]
    room: dict
    master: dict[str, float]
    _strips: Strips = field(repr=False)
    _master_gain: Tensor = field(repr=False)

    @cached_property
    def wet_stems(self) -> Tensor:
        """Each track as it is in the mix, the room's answer to it included."""
        return self._strips.wet().mul_(self._master_gain)


def engineer(song, seed: int) -> Engineered:
    """Mix a song: any object with `stems` (tracks, 2, samples), `roles`, `names` (or ()), `style`, `sample_rate` and
    `tempo` (or None).

    The same song and seed give the same mix, and the order of tracks does not matter. A silent track stays silent. The
    mix lands on the style's loudness (`taste.LOUDNESS_LUFS`), and its true peak stays below -1 dBTP: a limiter sees to
    it, which takes 12 dB at most. Raises UserError for an unknown style or a negative seed.
    """
    style = style_index(song.style)
    if seed < 0:
        raise UserError(f"seed: {seed} is negative; give 0 or a positive whole number")
    rate, taste = song.sample_rate, draw(seed, style)
    groups = by_width(song.stems)
    heard = listen(groups, rate)
    focus = focus_of(heard, song.roles, song.names)
    settings = decide(heard, song.roles, style, song.tempo, taste, focus)
    inserted = _inserts(groups, rate, settings)
    # The fader is set last and by ear: on what equaliser and compressor have left.
    leaning = torch.tensor([taste.level_db[role] for role in song.roles])
    wanted = FADER_LUFS + levels(heard, song.roles, style, focus) + leaning
    settings["gain_db"] = torch.where(heard.audible, (wanted - level(inserted, rate)).clamp(-40, 40), 0.0)
    strips = Strips(inserted, rate, settings, room(heard, style, song.tempo, taste))
    mix = strips.mix()
    master = {"gain_db": 0.0, "ceiling_db": CEILING_DB, "window_ms": WINDOW_MS}
    if heard.audible.any():
        master["gain_db"] = gain_to(LOUDNESS_LUFS[style], mix, rate)
    gain = master_gain(mix, rate, **master)
    console = [{name: float(values[k]) for name, values in settings.items()} for k in range(len(song.stems))]
    return Engineered(mix * gain, console, strips.room, master, strips, gain)


def replay(stems: Tensor, sample_rate: int, console: list[dict[str, float]], room: dict, master: dict) -> Tensor:
    """Run dry stems (tracks, 2, samples) through an engineer's settings: wet stems (tracks, 2, samples)."""
    settings = {name: torch.tensor([strip[name] for strip in console]) for name in console[0]}
    strips = Strips(_inserts(by_width(stems), sample_rate, settings), sample_rate, settings, room)
    return strips.wet().mul_(master_gain(strips.mix(), sample_rate, **master))


INSERTS = {
    desk.equalise: (
        *("low_shelf_db", "low_shelf_hz", "low_peak_db", "low_peak_hz", "low_peak_q"),
        *("high_peak_db", "high_peak_hz", "high_peak_q", "high_shelf_db", "high_shelf_hz"),
    ),
    desk.compress: ("threshold_db", "ratio", "attack_ms", "release_ms", "makeup_db"),
}


def _inserts(groups: Groups, rate: int, settings: dict[str, Tensor]) -> Groups:
    """Equaliser and compressor."""
    out = []
    for tracks, audio in groups:
        for effect, names in INSERTS.items():
            audio = effect(audio, rate, **{name: settings[name][tracks] for name in names})
        out.append((tracks, audio))
    return out


@dataclass(frozen=True)
class Strips:
    """Tracks after their inserts, on their way to the master: fader, pan, and the send to the room after the fader."""

    groups: Groups
    sample_rate: int
    settings: dict[str, Tensor]
    room: dict

    @cached_property
    def impulse(self) -> Tensor:
        """The room's response, (2, taps)."""
        return desk.impulse_response(self.sample_rate, **self.room)

    def wet(self) -> Tensor:
        """Every track for itself: (tracks, 2, samples)."""
        out = torch.empty(sum(len(tracks) for tracks, _ in self.groups), 2, self.groups[0][1].shape[-1])
        for tracks, audio in self.groups:
            place, send = self._gains(tracks)
            wet = desk.reverb(audio * send[:, None, None], self.sample_rate, self.impulse)
            out[tracks] = wet.add_(audio * place[..., None])
        return out

    def mix(self) -> Tensor:
        """The sum of `wet`, (2, samples), much faster: the room is linear, so one reverb of all sends is enough."""
        samples = self.groups[0][1].shape[-1]
        buses = torch.zeros(2, 2, samples)  # (channel, direct or send, samples)
        for tracks, audio in self.groups:
            place, send = self._gains(tracks)
            for channel, bus in enumerate(buses):
                bus.addmm_(torch.stack([place[:, channel], send]), audio[:, min(channel, audio.shape[1] - 1)])
        return desk.reverb(buses[:, 1], self.sample_rate, self.impulse).add_(buses[:, 0])

    def _gains(self, tracks: Tensor) -> tuple[Tensor, Tensor]:
        """Factors of left and right (n, 2), and of the send (n,)."""
        fader = amplitude(self.settings["gain_db"][tracks])
        place = desk.pan_gains(self.settings["pan"][tracks]) * fader[:, None]
        return place, amplitude(self.settings["send_db"][tracks]) * fader
