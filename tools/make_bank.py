"""Make the studio's bank of one-shot notes: `python tools/make_bank.py FluidR3_GM.sf2 [OUT]`.

The sound font is Fluid R3 by Frank Wen (MIT licence), in Debian and Ubuntu the package `fluid-soundfont-gm`
(`apt-get download fluid-soundfont-gm`, then `dpkg-deb -x fluid-soundfont-gm*.deb .`, or install it). It is played by
tinysoundfont (`pip install tinysoundfont==0.3.7 --no-deps`), which only this script needs: the package itself reads the
finished bank, `tfrgan_lite/studio/samples` unless OUT names another folder.

Every note is played without reverb and chorus, cut to begin at its attack and to end in silence, and levelled. All
notes of an instrument lie in one Ogg Vorbis file, those of all drum kits in one FLAC file; `index.json` says where. The
sound font's loops and envelopes are rendered, so a held note is as long as it is in `BANK`.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from scipy.signal import butter, sosfilt

RATE = 44100
VELOCITY = 100
SILENCE_DB = -54.0  # a note ends where it stays below this, against its peak
GAP = 4096  # samples of silence between two notes: a Vorbis block, so that no attack is heard in its neighbour's end
PEAK = 0.9


@dataclass(frozen=True)
class Voice:
    """How one instrument is rendered.

    preset: General MIDI program; low, high: MIDI pitches of the first and the last note, `step` semitones apart;
    seconds: the longest note; channels: 1 (the left one of a stereo sample) or 2; shape: one of `SHAPES`, what is done
    to each note.
    """

    preset: int
    low: int
    high: int
    seconds: float
    channels: int = 1
    step: int = 4
    shape: str = ""


BANK = {
    "fingered bass": Voice(33, 28, 52, 2.6),
    "picked bass": Voice(34, 28, 52, 2.6),
    "upright bass": Voice(32, 28, 56, 2.2),
    "synth bass": Voice(38, 28, 52, 1.5),
    "deep synth bass": Voice(39, 28, 52, 1.5),
    "piano": Voice(0, 36, 88, 3.5),
    "electric piano": Voice(4, 40, 84, 3.2),
    "organ": Voice(16, 44, 84, 3.6),
    "rock organ": Voice(18, 44, 84, 3.6),
    "steel guitar": Voice(25, 40, 80, 2.4),
    "nylon guitar": Voice(24, 40, 80, 2.2),
    "clean guitar": Voice(27, 40, 80, 2.4),
    "jazz guitar": Voice(26, 40, 84, 2.0),
    "distorted guitar": Voice(30, 40, 68, 3.0),
    "overdriven guitar": Voice(29, 52, 88, 2.4, shape="vibrato"),
    "strings": Voice(48, 44, 88, 4.0, channels=2),
    "synth strings": Voice(50, 44, 84, 4.0),
    "warm pad": Voice(89, 44, 84, 4.4, channels=2),
    "pluck": Voice(81, 48, 88, 0.8, shape="pluck"),
    "saw lead": Voice(81, 56, 88, 2.2, shape="vibrato"),
    "square lead": Voice(80, 56, 88, 2.2),
    "alto sax": Voice(65, 52, 80, 2.6),
    "tenor sax": Voice(66, 46, 78, 2.6),
    "trumpet": Voice(56, 54, 84, 2.4, shape="vibrato"),
    "muted trumpet": Voice(59, 54, 84, 2.4, shape="vibrato"),
    "flute": Voice(73, 60, 92, 2.6),
    "vibraphone": Voice(11, 53, 89, 2.4),
    "oohs": Voice(53, 48, 80, 3.2, shape="open_vowel"),
    "aahs": Voice(52, 48, 80, 4.0, channels=2),
    "lead voice": Voice(52, 48, 80, 2.6),
}
KITS = {"standard kit": 0, "room kit": 8, "power kit": 16, "electronic kit": 24, "808 kit": 25, "jazz kit": 32}
KITS |= {"brush kit": 40}
# General MIDI's drum map: the longest time in seconds and the peak in dB of each drum. The sound font's kits differ too
# much in balance: the quietest hi-hat lies 33 dB below the loudest kick.
DRUMS = {36: (0.6, 0), 37: (0.3, -8), 38: (0.5, -2), 39: (0.4, -5), 42: (0.3, -14), 44: (0.3, -17), 46: (0.9, -14)}
DRUMS |= {43: (0.9, -4), 45: (0.8, -4), 48: (0.7, -4), 49: (2.4, -9), 51: (1.6, -13), 53: (1.4, -13)}
PERCUSSION = {54: (0.3, -6), 56: (0.3, -6), 62: (0.3, -3), 63: (0.5, -3), 64: (0.5, -3), 70: (0.2, -6), 75: (0.2, -6)}
PERCUSSION |= {82: (0.3, -6)}


class Player:
    """The sound font, one note at a time."""

    def __init__(self, path: Path):
        import tinysoundfont

        self.synth = tinysoundfont.Synth(gain=-12, samplerate=RATE)
        self.font = self.synth.sfload(str(path))

    def play(self, bank: int, preset: int, pitch: int, seconds: float) -> np.ndarray:
        """One held note, (2, samples) float32."""
        self.synth.program_select(0, self.font, bank, preset, bank == 128)
        self.synth.noteon(0, pitch, VELOCITY)
        audio = np.frombuffer(self.synth.generate(round(seconds * RATE)), np.float32).reshape(-1, 2).T.copy()
        self.synth.sounds_off(0)
        self.synth.generate(RATE)
        return audio


def trim(audio: np.ndarray, seconds: float) -> np.ndarray:
    """Cut a note (channels, samples) to begin 1 ms before a tenth of its peak, and to fade into silence."""
    envelope = np.abs(audio).max(0)
    start = max(int(np.argmax(envelope > 0.1 * envelope.max())) - RATE // 1000, 0)
    audio, envelope = audio[:, start:], envelope[start:]
    loud = np.flatnonzero(envelope > envelope.max() * 10 ** (SILENCE_DB / 20))[-1] + 1
    audio = audio[:, : min(loud, round(seconds * RATE))].copy()
    rise, fall = min(RATE // 1000, audio.shape[1]), min(RATE // 4, audio.shape[1] // 4)
    audio[:, :rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    audio[:, -fall:] *= np.cos(np.linspace(0, np.pi / 2, fall, dtype=np.float32)) ** 2
    return audio


def cents_off(audio: np.ndarray, pitch: float) -> float:
    """How sharp a note is, within 50 cents: where a comb of six harmonics catches most of its first 1.5 s.

    The comb's teeth are 25 cents wide, so that vibrato, or a section that is never quite together, counts as a whole.
    """
    part = audio[:, : RATE * 3 // 2]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(part.shape[1]), 2**18)).sum(0)
    cents = np.arange(-62, 63)
    hz = 440 * 2 ** ((pitch - 69 + cents[:, None] / 100) / 12) * np.arange(1, 7)
    caught = np.interp(hz, np.fft.rfftfreq(2**18, 1 / RATE), spectrum).sum(1)
    return float(np.convolve(caught, np.ones(25), "valid").argmax() - 50)


def in_tune(audio: np.ndarray, pitch: int) -> np.ndarray:
    """The note, resampled where it is more than 4 cents off."""
    cents = cents_off(audio, pitch)
    return audio if abs(cents) <= 4 else soxr.resample(audio.T, RATE, RATE * 2 ** (cents / 1200)).T


def pluck(audio: np.ndarray) -> np.ndarray:
    """A filter that shuts, as three bands that fade: the brighter, the faster."""
    time = np.arange(audio.shape[1], dtype=np.float32) / RATE
    dark = sosfilt(butter(2, 700, fs=RATE, output="sos"), audio)
    middle = sosfilt(butter(2, 2500, fs=RATE, output="sos"), audio)
    bands = ((dark, 0.3), (middle - dark, 0.12), (audio - middle, 0.05))
    return sum(band * np.exp(-time / decay) for band, decay in bands).astype(np.float32)


def vibrato(audio: np.ndarray) -> np.ndarray:
    """What a player does to a held note, where the sample is stiff: 15 cents up and down, 5.3 times a second."""
    time, turn = np.arange(audio.shape[1]) / RATE, 2 * np.pi * 5.3
    late = np.clip((time - 0.3) / 0.4, 0, 1) * (2 ** (15 / 1200) - 1) / turn * np.sin(turn * time)
    fine = soxr.resample(audio.T, RATE, 4 * RATE).T  # fine enough to read between samples on a straight line
    places = (time + late) * 4 * RATE
    return np.stack([np.interp(places, np.arange(len(channel)), channel) for channel in fine]).astype(np.float32)


def open_vowel(audio: np.ndarray) -> np.ndarray:
    """The upper formants of an open vowel, for voices that were recorded with their mouths all but shut."""
    bands = ((900, 1500, 3.0), (2200, 3800, 9.0))
    filters = ((butter(1, (low, high), "band", fs=RATE, output="sos"), gain) for low, high, gain in bands)
    return sum((gain * sosfilt(sos, audio) for sos, gain in filters), audio).astype(np.float32)


SHAPES = {"": lambda audio: audio, "pluck": pluck, "vibrato": vibrato, "open_vowel": open_vowel}


def write(path: Path, notes: list[np.ndarray], levels_db: list[float] | None = None) -> list[dict]:
    """Write notes (channels, samples) one after another; where each lies: start, length in samples and level.

    The level is the note's peak against that of the file's loudest note, or what `levels_db` says.
    """
    places, parts, start = [], [], 0
    gap = np.zeros((len(notes[0]), GAP), np.float32)
    peaks = np.array([np.abs(note).max() for note in notes])
    levels = peaks / peaks.max() if levels_db is None else 10 ** (np.array(levels_db) / 20)
    for note, peak, level in zip(notes, peaks, levels, strict=True):
        places.append({"start": start, "length": note.shape[1], "level": round(float(level), 4)})
        parts += [note * (PEAK / peak), gap]
        start += note.shape[1] + GAP
    audio = np.concatenate(parts, axis=1).T
    if path.suffix == ".flac":
        soundfile.write(path, audio, RATE, subtype="PCM_16", compression_level=1.0)
    else:
        with soundfile.SoundFile(
            path, "w", RATE, audio.shape[1], "VORBIS", format="OGG", compression_level=0.6
        ) as file:
            for block in np.array_split(audio, -(-len(audio) // RATE)):  # libsndfile fails on long blocks of Vorbis
                file.write(block)
    return places


def pitched(player: Player, out: Path) -> dict:
    """Render `BANK`; the index of its instruments."""
    index = {}
    for name, voice in BANK.items():
        pitches = list(range(voice.low, voice.high + 1, voice.step))
        notes = [player.play(0, voice.preset, pitch, voice.seconds + 0.3)[: voice.channels] for pitch in pitches]
        notes = [in_tune(note, pitch) for note, pitch in zip(notes, pitches, strict=True)]
        notes = [trim(SHAPES[voice.shape](note), voice.seconds) for note in notes]
        file = name.replace(" ", "_") + ".ogg"
        index[name] = {"file": file, "notes": dict(zip(pitches, write(out / file, notes), strict=True))}
    return index


def drums(player: Player, out: Path) -> dict:
    """Render `KITS` and the percussion; their index. A drum that two kits share is stored once."""
    index, hits, levels = {}, [], []
    for name, preset in (*KITS.items(), ("percussion", 0)):
        places = {}
        for key, (seconds, level_db) in (PERCUSSION if name == "percussion" else DRUMS).items():
            hit = trim(player.play(128, preset, key, seconds + 0.1).mean(0, keepdims=True), seconds)
            hit /= np.abs(hit).max()
            same = next(
                (k for k, other in enumerate(hits) if other.shape == hit.shape and np.allclose(other, hit)), None
            )
            if same is None:
                same = len(hits)
                hits.append(hit)
                levels.append(level_db)
            places[key] = same
        index[name] = places
    places = write(out / "drums.flac", hits, levels)
    return {
        name: {"file": "drums.flac", "notes": {key: places[hit] for key, hit in keys.items()}}
        for name, keys in index.items()
    }


def main(font: Path, out: Path) -> None:
    """Render everything into the folder `out`, in place of an older bank."""
    out.mkdir(parents=True, exist_ok=True)
    for file in (*out.glob("*.ogg"), *out.glob("*.flac"), *out.glob("index.json")):
        file.unlink()
    player = Player(font)
    index = pitched(player, out) | drums(player, out)
    lines = ",\n".join(f'"{name}": {json.dumps(entry)}' for name, entry in index.items())
    (out / "index.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    size = sum(file.stat().st_size for file in out.iterdir())
    print(
        f"{len(index)} instruments, {sum(len(e['notes']) for e in index.values())} notes, {size / 1e6:.1f} MB in {out}"
    )


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit("usage: python tools/make_bank.py SOUNDFONT.sf2 [OUT]")
    default = Path(__file__).resolve().parent.parent / "tfrgan_lite" / "studio" / "samples"
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else default)
