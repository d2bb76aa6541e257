"""A blind listening test: several mixes of one excerpt, scored against a hidden reference or told apart two by two.

Rating follows MUSHRA (ITU-R BS.1534) in what fits on a page: synchronous switching in a loop, scores of 0 to 100, a
hidden reference and an anchor without treble; it is only MUSHRA-like, since nobody trains the listeners or checks
their room. In ABX (Clark, 1982) X is A or B by a coin, and the number of right answers is held against guessing.

Like the desk, it is one JavaScript module (assets/board.js and blind.js) for Jupyter, Colab and a page without a
kernel. Without JavaScript there are players with letters, and a key to unfold.
"""

import hashlib
import html
import io
import json
import re
from collections.abc import Mapping

import numpy as np
import soundfile
import torch
import traitlets
from scipy.signal import firwin, kaiserord, oaconvolve
from torch import Tensor

from ..audio import loudness
from ..errors import UserError
from .board import Board, player_row, script
from .listen import listen

FORMAT = "tfrgan_lite blind test 1"
ANCHOR = "anchor"
# BS.1534's low-pass: flat to 3.5 kHz, 25 dB down at 4 kHz and 50 dB at 4.5 kHz. This one has 60 dB from 4 kHz on.
PASS_HZ, STOP_HZ, STOP_DB = 3500, 4000, 60
FADE_S = 0.01  # at both ends, so that the loop does not click
MOST_SOUNDS, MOST_TRIALS = 12, 50  # MOST_TRIALS as blind.js has it


class Blind(Board):
    """What :func:`blind` returns: a widget where there is a kernel, HTML elsewhere, one line of text in a terminal.

    Attributes:
        results: what the reader gave so far, as it is saved; empty before. :func:`tfrgan_lite.lesson.blind_results`
            reads it.
        html: the figure with script and style, self-contained.
        figure: the figure without them.
        gains_db: sound -> gain in dB that brings it to the common loudness.
        mp3: sound -> the encoded bytes.
    """

    _esm = script("blind")
    results = traitlets.Dict().tag(sync=True)

    def __init__(self, figure: str, text: str, gains_db: dict[str, float], mp3: dict[str, bytes]):
        self.gains_db, self.mp3 = gains_db, mp3
        super().__init__(figure, text)


def blind(
    sounds: Mapping[str, Tensor | np.ndarray], sample_rate: int, describe: str, reference: str, trials: int = 12
) -> Blind:
    """A blind test of several mixes of one excerpt, all brought to one loudness (ITU-R BS.1770), in sync, in a loop.

    Args:
        sounds: label -> (samples,) or (1 or 2 channels, samples) with full scale at -1..1, all equally long; 2 to 11.
            An anchor is added: the reference below 3.5 kHz.
        sample_rate: Hz, 16000 to 192000.
        describe: one sentence that says what is to be heard, without a hint at which is which.
        reference: the label of the sound that the others are held against.
        trials: how many ABX trials the page proposes, 1 to 50.

    Raises:
        UserError: as :func:`tfrgan_lite.lesson.listen`, and for too few or too many sounds, sounds of different
            length, a label called "anchor", a reference that is none of the sounds, or trials out of range.
    """
    if not 2 <= len(sounds) < MOST_SOUNDS:
        raise UserError(f"sounds: {len(sounds)} given; give 2 to {MOST_SOUNDS - 1}, with the reference")
    if reference not in sounds:
        raise UserError(f"reference: {reference!r} is none of the sounds; give one of {', '.join(sounds)}")
    if ANCHOR in sounds:
        raise UserError(f'sounds: "{ANCHOR}" is added here; give this sound another name')
    if isinstance(trials, bool) or not isinstance(trials, int) or not 1 <= trials <= MOST_TRIALS:
        raise UserError(f"trials: is {trials!r}; give a whole number from 1 to {MOST_TRIALS}")
    if not 16000 <= sample_rate <= 192000:
        raise UserError(f"sample_rate: {sample_rate} Hz is out of range; give 16000 to 192000")
    tensors = {str(label): torch.as_tensor(sound).detach().cpu() for label, sound in sounds.items()}
    lengths = {label: sound.shape[-1] if sound.ndim else 0 for label, sound in tensors.items()}
    if len(set(lengths.values())) > 1:
        raise UserError(f"sounds: have {lengths} samples; cut them to one length")
    samples = lengths[reference]
    ends = torch.linspace(0, samples / sample_rate / FADE_S, samples).clamp(max=1)
    faded = {label: sound * ends * ends.flip(0) for label, sound in tensors.items()}
    players = listen(
        faded | {ANCHOR: low_pass(faded[reference], sample_rate)}, sample_rate, describe, match_loudness=True
    )
    trims = _trims(players.mp3)
    others = [label for label in players.mp3 if label != reference]
    # The page's own order does not matter to the script, which draws one for each reader; letters without it need one.
    draw = np.random.default_rng(list(hashlib.sha256(describe.encode()).digest()))
    names = [reference, *(others[k] for k in draw.permutation(len(others)))]
    about: dict[str, object] = {"format": FORMAT, "description": describe.strip(), "anchor": ANCHOR, "trials": trials}
    plan = about | {"reference": reference, "names": names, "seconds": samples / sample_rate}
    plan["gains"] = [trims[name] for name in names]
    text = f"{describe.strip()} A blind test of {', '.join(players.mp3)}; reference: {reference}."
    return Blind(_figure(plan, players.mp3), text, players.gains_db, players.mp3)


def low_pass(audio: Tensor, sample_rate: int) -> Tensor:
    """The anchor of BS.1534: audio (..., samples) without what is above 3.5 kHz, not delayed; ``sample_rate`` in Hz."""
    taps, beta = kaiserord(STOP_DB, (STOP_HZ - PASS_HZ) / (sample_rate / 2))
    kernel = firwin(taps | 1, (PASS_HZ + STOP_HZ) / 2, window=("kaiser", beta), fs=sample_rate)
    kernel = kernel.reshape((1,) * (audio.ndim - 1) + (-1,))
    # In full and then cut: a sound may be shorter than the filter.
    full = oaconvolve(audio.double().numpy(), kernel, mode="full", axes=-1)
    return torch.from_numpy(full[..., taps // 2 :][..., : audio.shape[-1]]).to(torch.float32)


def _trims(mp3: Mapping[str, bytes]) -> dict[str, float]:
    """Factors of at most 1 that undo what the coder did to the levels: half a dB can betray which is which."""
    lufs = {}
    for label, data in mp3.items():
        audio, rate = soundfile.read(io.BytesIO(data), always_2d=True, dtype="float32")
        lufs[label] = float(loudness(torch.from_numpy(audio.T).expand(2, -1), rate))
    least = min((level for level in lufs.values() if level > -70), default=0.0)
    return {label: 10 ** ((least - level) / 20) if level > -70 else 1.0 for label, level in lufs.items()}


def _figure(plan: dict, mp3: dict[str, bytes]) -> str:
    """The caption, a board that blind.js clears and fills, and the players: letters, and what they stand for."""
    said = html.escape(plan["description"])
    letters = [chr(65 + k) for k in range(len(mp3) - 1)]
    shown = ["the reference", *letters]
    rows = [
        player_row(word, mp3[name], plan["seconds"], "mix") for word, name in zip(shown, plan["names"], strict=True)
    ]
    key = "".join(f"<li>{word} is {html.escape(name)}</li>" for word, name in zip(shown, plan["names"], strict=True))
    return re.sub(
        r"\n+",
        "\n",
        f"""<figure class="desk blind" role="group" aria-label="{said}" data-plan="{html.escape(json.dumps(plan))}">
<figcaption>{said}<br><small>All are brought to the same loudness (BS.1770).</small></figcaption>
<div class="board"><p>The blind test needs JavaScript. Without it: play the letters below, write down for each how near
it is to the reference, from 0 to 100, and only then unfold the key.</p></div>
<details open><summary>Plain players: the reference, and letters</summary>
<table><tbody>{"".join(rows)}</tbody></table>
<details><summary>Key: which is which</summary><ul>{key}</ul></details></details></figure>""",
    )
