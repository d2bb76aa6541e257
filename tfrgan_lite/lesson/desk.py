"""A mixing desk: faders, pans, mute, solo and meters over a song's tracks, and a switch between several mixes of it.

One JavaScript module (assets/board.js and desk.js) runs it everywhere. In Jupyter and in Colab it is a widget, whose
settings Python can read and set. On a page without a kernel the same module stands in the output's HTML, as the
fallback of the widget, with a stub in place of the model; it needs no widget manager and no network. In both, the
sounds lie in plain players, which are also all that is left without JavaScript or without Web Audio.
"""

import html
import json
import math
from collections.abc import Mapping, Sequence

import torch
import traitlets
from torch import Tensor

from ..audio import check_stems, loudness, resample
from ..errors import UserError
from .board import Board, player_row, script
from .listen import MATCHED_LUFS, encode

MAX_BYTES = 1_500_000  # of the HTML, sounds and all
RATE = 32000  # Hz: what is above 15 kHz is what a small file can best do without
COMPRESSION = 0.6  # of soundfile's 0 (best) to 1 (smallest); a page holds two or three stems for each track
# The share of a wet stem's energy that may differ where the dry one, at another level, is played in its stead: of the
# order of what the coder changes. A rule's gains pass, with what a limiter takes from a few peaks; an equaliser or a
# room does not.
SAME = 2e-3
DRY = "dry"
FADER_DB, PAN = (-60.0, 6.0), (-1.0, 1.0)  # as desk.js has them; a fader at its lowest is silent


class Desk(Board):
    """What :func:`desk` returns: a widget where there is a kernel, HTML elsewhere, one line of text in a terminal.

    Attributes:
        settings: ``version``, and ``tracks``, for each track a dict of ``gain_db`` (-60, which is silence, to 6),
            ``pan`` (-1 left to 1 right), ``mute`` and ``solo``. It follows the reader's hands; setting it moves the
            faders, and raises UserError for anything else. Mute wins over solo.
        html: the figure with script and style, self-contained.
        figure: the figure without them.
        gains_db: version -> gain in dB that brings it to the common loudness.
        sounds: (name, MP3 bytes) of each stored sound: the versions' mixes, then single tracks.
    """

    _esm = script("desk")
    settings = traitlets.Dict().tag(sync=True)

    def __init__(
        self, figure: str, text: str, names: list[str], gains_db: dict[str, float], sounds: list[tuple[str, bytes]]
    ):
        self.names, self.gains_db, self.sounds = names, gains_db, sounds
        track = {"gain_db": 0, "pan": 0, "mute": False, "solo": False}
        super().__init__(figure, text, settings={"version": DRY, "tracks": [dict(track) for _ in names]})

    @traitlets.validate("settings")
    def _checked(self, proposal: dict) -> dict:
        given = proposal["value"]
        if set(given) != {"version", "tracks"} or given["version"] not in self.gains_db:
            raise UserError(f"settings: give version, one of {', '.join(self.gains_db)}, and tracks")
        if not isinstance(given["tracks"], list) or len(given["tracks"]) != len(self.names):
            raise UserError(f"settings: tracks: give a list of {len(self.names)}")
        for name, track in zip(self.names, given["tracks"], strict=True):
            if not isinstance(track, dict) or set(track) != {"gain_db", "pan", "mute", "solo"}:
                raise UserError(f"settings: {name}: give gain_db, pan, mute and solo")
            for key, (least, most) in (("gain_db", FADER_DB), ("pan", PAN)):
                if not isinstance(track[key], (int, float)) or not least <= track[key] <= most:
                    raise UserError(f"settings: {name}: {key}: is {track[key]!r}; give {least:g} to {most:g}")
            if not isinstance(track["mute"], bool) or not isinstance(track["solo"], bool):
                raise UserError(f"settings: {name}: mute and solo: give True or False")
        return given


def desk(
    stems: Tensor,
    sample_rate: int,
    describe: str,
    names: Sequence[str] | None = None,
    versions: Mapping[str, Tensor] | None = None,
) -> Desk:
    """A mixing desk for a song: its dry tracks, and other versions of it to switch to while it plays.

    All versions are brought to one loudness (ITU-R BS.1770) with all faders at 0 dB, and play in sync, in a loop. Each
    version is given by its wet stems, so that faders, mute and solo work on all. Five seconds of six tracks in the
    versions dry, a rule's, and two with stems of their own fit. A wet stem that differs from its dry one in
    level alone, to the coder's precision, is not stored again.

    Args:
        stems: dry tracks (N, 1 or 2, samples), N from 1 to 16.
        sample_rate: Hz, 8000 to 192000.
        describe: one sentence that says what is to be heard; it is the caption, and the text for who cannot hear it.
        names: of the tracks, all different; "track 1", "track 2" and so on if None.
        versions: label -> wet stems (N, 1 or 2, samples), whose sum is that version's mix.

    Raises:
        UserError: for stems that cannot be played, wet stems of another shape or length, NaN, names that do not fit,
            an empty description, a version called "dry", or more sound than 1.5 MB can hold.
    """
    dry = check_stems(stems, sample_rate)
    names = [f"track {n}" for n in range(1, len(dry) + 1)] if names is None else [str(name) for name in names]
    if len(names) != len(dry) or len(set(names)) != len(names):
        raise UserError(f"names: {names} do not fit; give {len(dry)} different names, one for each track")
    if not describe.strip():
        raise UserError("describe: is empty; say in a sentence what is to be heard")
    if DRY in (versions or {}):
        raise UserError('versions: the stems themselves are called "dry"; give this version another name')
    wet = {DRY: dry} | {label: _wet(label, given, dry, sample_rate) for label, given in (versions or {}).items()}
    match = {label: _match(tracks, sample_rate) for label, tracks in wet.items()}
    stored, plan = _stored(wet, names, match)
    audio = [(label, tracks.sum(0) * match[label]) for label, tracks in wet.items()] + stored
    mp3, _ = encode(
        {str(k): resample(_thin(x), sample_rate, RATE) for k, (_, x) in enumerate(audio)}, RATE, COMPRESSION
    )
    sounds = [(name, mp3[str(k)]) for k, (name, _) in enumerate(audio)]
    seconds = dry.shape[-1] / sample_rate
    figure = _figure(describe.strip(), plan | {"seconds": seconds}, sounds)
    text = f"{describe.strip()} A mixing desk; tracks: {', '.join(names)}; versions: {', '.join(wet)}."
    made = Desk(figure, text, names, {label: 20 * math.log10(gain) for label, gain in match.items()}, sounds)
    if (size := len(made.html)) > MAX_BYTES:
        audible = 4 / 3 * sum(len(data) for _, data in sounds)  # bytes of base64
        fitting = 0.95 * seconds * (MAX_BYTES - size + audible) / audible
        raise UserError(
            f"stems: a desk of {size / 1e6:.2f} MB, more than {MAX_BYTES / 1e6:g} MB; give about {fitting:.1f} s of"
            " sound, or fewer versions"
        )
    return made


def _wet(label: str, given: Tensor, dry: Tensor, sample_rate: int) -> Tensor:
    """A version's wet stems as float32, of the shape of the dry ones."""
    shape = tuple(torch.as_tensor(given).shape)
    if len(shape) != 3 or (shape[0], shape[2]) != (dry.shape[0], dry.shape[2]):
        wanted = f"({dry.shape[0]}, 1 or 2, {dry.shape[2]}), a wet stem for each track"
        raise UserError(f"versions[{label!r}]: has shape {shape}; give {wanted}")
    try:
        return check_stems(given, sample_rate)
    except UserError as error:
        raise UserError(f"versions[{label!r}]: {error}") from error


def _match(tracks: Tensor, sample_rate: int) -> float:
    """The factor that brings a version's mix to the common loudness; 1 for silence."""
    lufs = float(loudness(tracks.sum(0), sample_rate))
    return 10 ** ((MATCHED_LUFS - lufs) / 20) if lufs > -70 else 1.0


def _stored(wet: dict[str, Tensor], names: list[str], match: dict[str, float]) -> tuple[list[tuple[str, Tensor]], dict]:
    """The single tracks that are to be stored, and which of them each version plays for each track, by how much."""
    dry = wet[DRY]
    stored = [(f"{name}, {DRY}", stem) for name, stem in zip(names, dry, strict=True)]
    versions = []
    for label, tracks in wet.items():
        played = []
        for n, (name, stem) in enumerate(zip(names, tracks, strict=True)):
            source, gain = n, float((stem * dry[n]).sum() / dry[n].square().sum().clamp_min(1e-12))
            if (stem - gain * dry[n]).square().sum() > SAME * stem.square().sum():
                source, gain = len(stored), 1.0
                stored.append((f"{name}, {label}", stem))
            played.append({"source": source, "gain": gain * match[label]})
        versions.append({"name": label, "tracks": played})
    return stored, {"names": names, "versions": versions}


def _thin(audio: Tensor) -> Tensor:
    """(2, samples), or (1, samples) if both channels are equal."""
    return audio[:1] if torch.equal(audio[0], audio[1]) else audio


def _figure(describe: str, plan: dict, sounds: list[tuple[str, bytes]]) -> str:
    """The caption, a board that desk.js clears and fills, and the players: of the versions, then of single tracks."""
    said, mixes = html.escape(describe), len(plan["versions"])
    kinds = ["mix"] * mixes + ["track"] * (len(sounds) - mixes)
    rows = [player_row(name, data, plan["seconds"], kind) for (name, data), kind in zip(sounds, kinds, strict=True)]
    return f"""<figure class="desk" role="group" aria-label="{said}" data-plan="{html.escape(json.dumps(plan))}">
<figcaption>{said}<br><small>All versions are brought to the same loudness (BS.1770).</small></figcaption>
<div class="board"><p>The desk and its faders need JavaScript; the players below do not.</p></div>
<details open><summary>Plain players: each version, each track</summary>
<table><tbody>{"".join(rows[:mixes])}</tbody></table>
<p>Single tracks, as they are stored:</p>
<table><tbody>{"".join(rows[mixes:])}</tbody></table></details></figure>"""
