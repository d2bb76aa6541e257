"""Players for the book: sounds side by side, at comparable levels, each with a name and a description in words."""

import base64
import html
import io
from collections.abc import Mapping

import numpy as np
import soundfile
import torch
from torch import Tensor

from ..audio import loudness, resample
from ..errors import UserError

MP3_RATES = (32000, 44100, 48000)  # Hz, MPEG-1; what the older, lower rates decode to is longer than what went in
PEAK = 10 ** (-1 / 20)  # -1 dB of full scale, and a coder's overshoot is turned down as well
MATCHED_LUFS = -20.0
# Of soundfile's 0 (best) to 1 (smallest): 150 kbit/s for stereo noise, less for music. The bit rate varies, because
# at constant rates of this size the coder turns the sound down by 0.45 dB.
COMPRESSION = 0.4


class Players:
    """What :func:`listen` returns: a table of players in a notebook and in the book, one line of text in a terminal.

    Attributes:
        html: the figure, self-contained.
        gains_db: label -> gain in dB that was applied to that sound.
        mp3: label -> the encoded bytes.
        note: what was done to the levels, in words; may be empty.
    """

    def __init__(
        self, describe: str, seconds: dict[str, float], mp3: dict[str, bytes], gains_db: dict[str, float], note: str
    ):
        self.gains_db, self.mp3, self.note = gains_db, mp3, note
        self.text = f"{describe} Sounds: {', '.join(mp3)}. {note}".strip()
        rows = "".join(_row(label, seconds[label], data) for label, data in mp3.items())
        caption = html.escape(describe) + (f"<br><small>{html.escape(note)}</small>" if note else "")
        self.html = (
            f'<figure class="listen" role="group" aria-label="{html.escape(describe)}">'
            f'<figcaption style="color: inherit">{caption}</figcaption><table><tbody>{rows}</tbody></table></figure>'
        )

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def listen(
    sounds: Mapping[str, Tensor | np.ndarray], sample_rate: int, describe: str, match_loudness: bool = False
) -> Players:
    """Players for one or more sounds, as MP3 inside the page: at most 20 kB for each second.

    All sounds share one gain, which is 0 dB unless one of them would clip, so that their levels can be compared by ear.

    Args:
        sounds: label -> (samples,) or (1 or 2 channels, samples) with full scale at -1..1; equal channels are stored
            as one.
        sample_rate: Hz, 8000 to 192000.
        describe: one sentence that says what is to be heard; it is the caption, and the text for who cannot hear it.
        match_loudness: bring each sound to the same loudness (ITU-R BS.1770) first; the page then says so.

    Raises:
        UserError: for no sounds, a sound of another shape, without samples or with NaN, an empty description,
            or a sample rate out of range.
    """
    if not sounds:
        raise UserError("sounds: is empty; give at least one label with its audio")
    if not describe.strip():
        raise UserError("describe: is empty; say in a sentence what is to be heard")
    if not 8000 <= sample_rate <= 192000:
        raise UserError(f"sample_rate: {sample_rate} Hz is out of range; give 8000 to 192000")
    checked = {label: _checked(label, sound) for label, sound in sounds.items()}
    seconds = {label: audio.shape[-1] / sample_rate for label, audio in checked.items()}
    gains = dict.fromkeys(checked, 1.0)
    if match_loudness:
        levels = {label: float(loudness(audio.expand(2, -1), sample_rate)) for label, audio in checked.items()}
        gains = {label: 10 ** ((MATCHED_LUFS - lufs) / 20) if lufs > -70 else 1.0 for label, lufs in levels.items()}
    rate = sample_rate if sample_rate in MP3_RATES else 44100
    audio = {label: resample(sound, sample_rate, rate) * gains[label] for label, sound in checked.items()}
    mp3, common = encode(audio, rate)
    gains_db = {label: 20 * float(np.log10(gain * common)) for label, gain in gains.items()}
    return Players(describe.strip(), seconds, mp3, gains_db, _note(match_loudness, common))


def _checked(label: str, sound: Tensor | np.ndarray) -> Tensor:
    """float32 (1 or 2, samples), one channel if both are equal."""
    audio = torch.as_tensor(sound).detach().cpu()
    if audio.ndim == 1:
        audio = audio[None]
    if audio.ndim != 2 or audio.shape[0] not in (1, 2) or not audio.is_floating_point():
        shape = f"{tuple(audio.shape)} {str(audio.dtype).removeprefix('torch.')}"
        raise UserError(f"sounds[{label!r}]: is {shape}; give (samples,) or (1 or 2 channels, samples) of floats")
    if audio.shape[1] == 0:
        raise UserError(f"sounds[{label!r}]: holds no samples; give at least one")
    if not torch.isfinite(audio).all():
        raise UserError(f"sounds[{label!r}]: holds NaN or infinite samples; look for a division by zero before it")
    audio = audio.to(torch.float32)
    return audio[:1] if torch.equal(audio[0], audio[-1]) else audio


def encode(audio: Mapping[str, Tensor], rate: int, compression: float = COMPRESSION) -> tuple[dict[str, bytes], float]:
    """Sounds as MP3, and the one gain that they all get so that each of them, decoded again, does not clip.

    Args:
        audio: key -> (1 or 2 channels, samples).
        rate: Hz, one of MP3_RATES.
        compression: 0 (best) to 1 (smallest).
    """
    common = PEAK / max(PEAK, *(float(sound.abs().max()) for sound in audio.values()))
    while True:
        mp3 = {label: _mp3(sound * common, rate, compression) for label, sound in audio.items()}
        # A lossy coder shifts phases and drops partials: the decoded wave can be higher than the one that went in.
        peak = max(float(np.abs(soundfile.read(io.BytesIO(data))[0]).max(initial=0)) for data in mp3.values())
        if peak <= 1:
            return mp3, common
        common *= 0.99 / peak


def _mp3(audio: Tensor, rate: int, compression: float) -> bytes:
    buffer = io.BytesIO()
    kind = {"format": "MP3", "bitrate_mode": "VARIABLE", "compression_level": compression}
    soundfile.write(buffer, audio.numpy().T, rate, **kind)
    return buffer.getvalue()


def _note(match_loudness: bool, common: float) -> str:
    notes = ["Brought to the same loudness (BS.1770): compare the sound, not the level."] if match_loudness else []
    turned_down_db = round(-20 * np.log10(common), 1)
    if turned_down_db > 0 and not match_loudness:
        notes.append(f"All turned down by {turned_down_db} dB, so that none clips.")
    return " ".join(notes)


def _row(label: str, seconds: float, data: bytes) -> str:
    name, source = html.escape(label), f"data:audio/mpeg;base64,{base64.b64encode(data).decode()}"
    player = f'<audio controls preload="none" aria-label="{name}, {seconds:.1f} seconds" src="{source}"></audio>'
    return f'<tr><th scope="row">{name}<br><small>{seconds:.1f} s</small></th><td>{player}</td></tr>'
