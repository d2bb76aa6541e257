"""Knowledge-engineered rules: what books and studies say, in code (after De Man and Reiss 2013).

A rule looks at what was measured on the dry tracks and at their roles, and changes settings of the channel strips. The
sources give the direction; where one gives no number, the number is ours. None was fitted to the studio's engineers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..audio import check_stems
from ..labels import check_roles
from ..studio.decide import focus_of
from ..studio.ears import Heard, by_width, listen
from .desk import neutral, run

TRACK_LUFS, MIX_LUFS = -23.0, -16.0
LOW_HZ = 200.0  # a spectrum centred below is "low"
PRESENCE_HZ = {"drums": 5000, "bass": 700, "guitar": 2500, "keys": 3000, "strings": 7000, "lead": 3000, "voice": 5000}
MUD_HZ = {"drums": 400, "bass": 300, "voice": 240}  # else 250


@dataclass
class Desk:
    """What a rule sees, and what it may change.

    heard: measured on the dry tracks; roles: one a track; focus: the track that the others make room for, or None;
    settings: (tracks,) each, as `studio.Engineered.console`; lufs: (tracks,), where the faders bring them; pinned:
    (tracks,) bool, who must not leave the middle.
    """

    heard: Heard
    roles: tuple[str, ...]
    focus: int | None
    settings: dict[str, Tensor]
    lufs: Tensor
    pinned: Tensor

    def has(self, *roles: str) -> Tensor:
        """(tracks,) bool: whose role is one of these."""
        return torch.tensor([role in roles for role in self.roles])

    @property
    def leads(self) -> Tensor:
        """(tracks,) bool: the focus alone."""
        return torch.tensor([k == self.focus for k in range(len(self.roles))])

    @property
    def low(self) -> Tensor:
        """(tracks,) bool: kick drum and bass live here, or the spectrum is centred below `LOW_HZ`."""
        return self.has("drums", "bass") | (self.heard.centroid_hz < LOW_HZ)

    @property
    def crest(self) -> Tensor:
        """(tracks,): peak over RMS, squared."""
        return 10 ** (self.heard.crest_db / 10)

    def put(self, where: Tensor, **settings: Tensor | float) -> None:
        """Set these where `where` is true."""
        for name, value in settings.items():
            self.settings[name] = torch.where(where, torch.as_tensor(value, dtype=torch.float32), self.settings[name])


@dataclass(frozen=True)
class Rule:
    """One rule: what it is about, what it says, who says so (author, year, work), and what it does."""

    part: str
    says: str
    source: str
    apply: Callable[[Desk], None]


RULES: list[Rule] = []
PEREZ_2007 = "Perez Gonzalez and Reiss 2007, Automatic mixing: live downmixing stereo panner (DAFx)"
PEREZ_2009 = "Perez Gonzalez and Reiss 2009, Automatic gain and fader control for live mixing (WASPAA)"
PEREZ_2010 = "Perez Gonzalez and Reiss 2010, A real-time semiautonomous audio panning system (EURASIP J. ASP)"
PESTANA = "Pestana and Reiss 2014, Intelligent audio production strategies informed by best practices (AES 53)"
DE_MAN = "De Man and Reiss 2013, A knowledge-engineered autonomous mixing system (AES 135)"
MA = "Ma et al. 2015, Intelligent multitrack dynamic range compression (J. AES)"
GIANNOULIS = "Giannoulis, Massberg and Reiss 2013, Parameter automation in a dynamic range compressor (J. AES)"
HAFEZI = "Hafezi and Reiss 2015, Autonomous multitrack equalization based on masking reduction (J. AES)"
OWSINSKI = "Owsinski 2006, The Mixing Engineer's Handbook"
IZHAKI = "Izhaki 2008, Mixing Audio"
SENIOR = "Senior 2011, Mixing Secrets for the Small Studio"


def rule(part: str, *sources: str) -> Callable[[Callable[[Desk], None]], Callable[[Desk], None]]:
    """Enter a function as the next rule; its docstring is what the rule says."""

    def enter(apply: Callable[[Desk], None]) -> Callable[[Desk], None]:
        RULES.append(Rule(part, apply.__doc__ or "", "; ".join(sources), apply))
        return apply

    return enter


@rule("level", PEREZ_2009)
def start_level(desk: Desk) -> None:
    """Bring every track to the same loudness first: -23 LUFS, measured after its inserts."""
    desk.lufs.fill_(TRACK_LUFS)


@rule("level", PESTANA, DE_MAN)
def lead_up(desk: Desk) -> None:
    """Who sings, or else leads, stands out: 3 LU up."""
    desk.lufs += 3.0 * desk.leads


@rule("level", IZHAKI)
def background_down(desk: Desk) -> None:
    """Pads and whatever has no role belong to the background: 4 LU down."""
    desk.lufs -= 4.0 * (desk.has("strings", "other") & ~desk.leads)


@rule("pan", OWSINSKI, PEREZ_2007)
def low_and_lead_in_the_middle(desk: Desk) -> None:
    """Drums, bass, whoever leads and every low sound stay in the middle."""
    desk.pinned |= desk.low | desk.leads


@rule("pan", PEREZ_2010)
def higher_is_wider(desk: Desk) -> None:
    """The others go left and right in turns, the higher the farther, 0.25 to 0.75."""
    movers = (~desk.pinned & desk.heard.audible).nonzero()[:, 0]
    movers = movers[desk.heard.centroid_hz[movers].argsort()]
    octaves = torch.log2(desk.heard.centroid_hz[movers] / LOW_HZ)
    turns = 1 - 2 * (torch.arange(len(movers)) % 2)  # right, left, right, ...
    desk.settings["pan"][movers] = turns * (0.25 + 0.125 * octaves).clamp(0.25, 0.75)


@rule("EQ", SENIOR, OWSINSKI)
def free_the_bottom(desk: Desk) -> None:
    """Take the bottom out of all that is not low: 9 dB less below 100 Hz."""
    desk.put(~desk.low, low_shelf_db=-9.0, low_shelf_hz=100.0)


@rule("EQ", OWSINSKI, IZHAKI)
def thin_the_mud(desk: Desk) -> None:
    """Thin out the mud: 2 dB less about 250 Hz, for drums 400, bass 300 and voices 240 Hz."""
    hz = torch.tensor([float(MUD_HZ.get(role, 250)) for role in desk.roles])
    desk.put(desk.heard.audible, low_peak_db=-2.0, low_peak_hz=hz)


@rule("EQ", OWSINSKI)
def lift_presence(desk: Desk) -> None:
    """Lift each role a little where it is recognised: 2 dB at its presence frequency."""
    hz = torch.tensor([float(PRESENCE_HZ.get(role, 3000)) for role in desk.roles])
    desk.put(~desk.has("other"), high_peak_db=2.0, high_peak_hz=hz)


@rule("EQ", HAFEZI, IZHAKI)
def give_way_to_the_lead(desk: Desk) -> None:
    """Who hides the lead between 500 Hz and 8 kHz gives way: up to 6 dB less at 2.5 kHz."""
    if desk.focus is None:
        return
    tracks = range(len(desk.roles))
    hidden = torch.stack([desk.heard.overlap(k, desk.focus, 500.0, 8000.0) for k in tracks])
    hides = ~desk.leads & desk.heard.audible & (hidden > 0.05)
    desk.put(hides, high_peak_db=-(20 * hidden).clamp(max=6.0), high_peak_hz=2500.0, high_peak_q=0.7)


@rule("compression", MA)
def compress_peaks(desk: Desk) -> None:
    """Compress what is peaky: ratio 1 at a crest of 6 dB, 1 more for each 4 dB, 4 at most."""
    desk.put(desk.heard.audible, ratio=(1 + (desk.heard.crest_db - 6) / 4).clamp(1, 4))


@rule("compression", MA)
def threshold_by_level(desk: Desk) -> None:
    """The threshold follows the track: 4 dB above its RMS level."""
    desk.put(desk.heard.audible, threshold_db=desk.heard.peak_db - desk.heard.crest_db + 4)


@rule("compression", OWSINSKI, IZHAKI)
def hold_voice_and_bass(desk: Desk) -> None:
    """Voices and bass are always compressed: 3 to 1 at least."""
    desk.put(desk.has("voice", "bass") & desk.heard.audible, ratio=desk.settings["ratio"].clamp_min(3))


@rule("compression", GIANNOULIS)
def quick_on_peaks(desk: Desk) -> None:
    """The peakier, the quicker: attack 160 ms, release 2000 ms, over the squared crest."""
    attack = (160 / desk.crest).clamp(1, 80)
    desk.put(desk.heard.audible, attack_ms=attack, release_ms=(2000 / desk.crest - attack).clamp(40, 1000))


@rule("reverb", IZHAKI)
def one_room(desk: Desk) -> None:
    """One room for all, so that they stand in one place: a send of -18 dB."""
    desk.put(desk.heard.audible, send_db=-18.0)


@rule("reverb", IZHAKI)
def depth(desk: Desk) -> None:
    """What is in front is drier, what is behind wetter: 2 dB less for the lead, 4 more for pads."""
    desk.settings["send_db"] += 4.0 * (desk.has("strings") & ~desk.leads) - 2.0 * desk.leads


@rule("reverb", SENIOR, IZHAKI)
def dry_bottom(desk: Desk) -> None:
    """Keep the low end dry: drums -22 dB, bass and other low sounds -40 dB."""
    desk.put(desk.low, send_db=-40.0)
    desk.put(desk.has("drums"), send_db=-22.0)


def decide(
    stems: Tensor, sample_rate: int, roles: tuple[str, ...] | None = None, rules: Sequence[Rule] | None = None
) -> Desk:
    """Apply the rules in turn to stems (N, 1 or 2, samples): the desk with everybody's settings, without a sound.

    ``rules`` None: all of `RULES`. Raises what :func:`knowledge_rules` raises.
    """
    stems = check_stems(stems, sample_rate)
    roles = check_roles(roles, len(stems))
    heard = listen(by_width(stems), sample_rate)
    pinned = torch.zeros(len(roles), dtype=torch.bool)
    desk = Desk(heard, roles, focus_of(heard, roles), neutral(len(roles)), heard.level_db.clone(), pinned)
    for each in RULES if rules is None else rules:
        each.apply(desk)
    return desk


def knowledge_rules(
    stems: Tensor, sample_rate: int, roles: tuple[str, ...] | None = None, rules: Sequence[Rule] | None = None
) -> tuple[Tensor, Tensor]:
    """Levels, pan, equaliser, compression and reverb by `RULES`, through the studio's console.

    Args:
        stems: (N, 1 or 2, samples).
        sample_rate: Hz.
        roles: one of ROLES for each track; ``other`` for all if None.
        rules: another choice of rules, applied in turn; all if None.

    Returns:
        The mix (2, samples) at -16 LUFS, true peak at most -1 dBTP, and the wet stems (N, 2, samples). A silent track
        stays silent, and the order of tracks does not matter.

    Raises:
        UserError: as :func:`tfrgan_lite.audio.check_stems`, for an unknown role or a wrong number of roles.
    """
    desk = decide(stems, sample_rate, roles, rules)
    return run(check_stems(stems, sample_rate), sample_rate, desk.settings, desk.lufs, MIX_LUFS)


def rule_table(rules: Sequence[Rule] | None = None) -> str:
    """The rules as a Markdown table: part, what the rule says, who says so."""
    lines = ["| part | rule | source |", "|---|---|---|"]
    lines += [f"| {one.part} | {one.says} | {one.source} |" for one in (RULES if rules is None else rules)]
    return "\n".join(lines)
