"""A folder of stems becomes files: takes, their wet stems, and the settings of the console. Never a whole song in
memory: the sound goes through temporary files, float samples before the master, beside the mix.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import soundfile
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .audio import ensure_writable
from .errors import UserError
from .files import ensure_free, make_folder, scratch_beside, written_whole
from .generator import Generator
from .heads import ANSWER_BANDS, NEPER_DB
from .labels import style_index
from .mel import hz_to_mel, mel_points, mel_to_hz
from .mix import Mixer, Take
from .prepare import ROOM
from .studio.master import CEILING_DB, WINDOW_MS, Meter, master_gains
from .studio.tracks import open_folder

PIECE = 2**16  # samples that are written at once: an encoder may fail on more


@dataclass(frozen=True)
class Mixed:
    """What :func:`mix_folder` has written."""

    files: list[Path]  # the mixes, one a take
    names: tuple[str, ...]
    roles: tuple[str, ...]
    sample_rate: int
    seconds: float
    settings: list[dict]  # of each take, as :func:`settings_of`


def mix_folder(
    stems: str | Path,
    style: str,
    out: str | Path,
    seed: int = 0,
    samples: int = 1,
    stems_out: str | Path | None = None,
    console: str | Path | None = None,
    generator: Generator | None = None,
    force: bool = False,
    progress: bool = False,
) -> Mixed:
    """Mix a folder of stems, of any length, into files; each appears whole or not at all.

    Args:
        stems: the folder, as :func:`tfrgan_lite.studio.read_folder` reads it.
        style: one of STYLES.
        out: file of the mix, whose suffix sets the format. Of several takes: mix-1.wav, mix-2.wav, ... for mix.wav.
        seed: of the first take; the others have the seeds that follow.
        samples: how many takes.
        stems_out: folder for the wet stems, one WAV a track; of several takes in folders 1, 2, ... in it.
        console: JSON file for the settings, an object as :func:`settings_of`, or a list of them for several takes.
        generator: a trained generator; the shipped one if None.
        force: replace files that exist.
        progress: show a bar.

    Raises:
        UserError: for what cannot be read, mixed or written, and for files that would be lost.
    """
    style_index(style)
    if samples < 1:
        raise UserError(f"samples: {samples} takes; ask for at least 1")
    stems, out = Path(stems), Path(out)
    numbers = [str(k + 1) for k in range(samples)] if samples > 1 else [""]
    mixes = [out.with_stem(f"{out.stem}-{number}" if number else out.stem) for number in numbers]
    folders = [Path(stems_out) / number for number in numbers] if stems_out else []
    for file in mixes:
        ensure_writable(file, force)
    if console:
        ensure_free(Path(console), force)
    for file in (out, Path(stems_out) / "x.wav" if stems_out else out):
        if file.parent.resolve() == stems.resolve():
            raise UserError(f"{file.parent}: holds the stems, and is no place for what is made of them; choose another")
    with scratch_beside(out) as scratch, open_folder(stems, scratch) as tracks:
        wet = [[folder / f"{name}.wav" for name in tracks.names] for folder in folders]
        for file in (file for files in wet for file in files if file.parent.exists()):
            ensure_writable(file, force)
        mixer = Mixer(tracks, style, generator, progress)
        takes = mixer.takes(range(seed, seed + samples))
        meters = _render(mixer, takes, bool(stems_out), scratch)
        for folder in folders:
            make_folder(folder)
        masters = [mixer.master(meter) for meter in meters]
        for k, (gain_db, _) in enumerate(masters):
            _finish(scratch, k, [mixes[k], *(wet[k] if wet else ())], tracks.sample_rate, gain_db)
        settings = [settings_of(mixer, take, style, *its) for take, its in zip(takes, masters, strict=True)]
        if console:
            with written_whole(console) as temporary:
                found = settings if samples > 1 else settings[0]
                temporary.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")
    return Mixed(mixes, tracks.names, tracks.roles, tracks.sample_rate, tracks.samples / tracks.sample_rate, settings)


def _temporary(scratch: Path, take: int, row: int) -> Path:
    """Float samples of a take before its master: row 0 is the mix, the others are the wet stems."""
    return scratch / f"take-{take}-{row}.w64"


def _render(mixer: Mixer, takes: list[Take], stems: bool, scratch: Path) -> list[Meter]:
    """Write every take's temporary files, and hear its mix with a meter."""
    rate, meters = mixer.rate, [Meter(mixer.rate) for _ in takes]
    rows = range(1 + stems * len(mixer.wide))
    with ExitStack() as stack:
        names = [[_temporary(scratch, take, row) for row in rows] for take in range(len(takes))]
        files = [[stack.enter_context(_writer(name, rate, "FLOAT")) for name in row] for row in names]
        for take, audio in mixer.blocks(takes, stems):
            mix = audio.sum(0) if stems else audio
            meters[take].hear(mix)
            for file, sound in zip(files[take], [mix, *audio] if stems else [mix], strict=True):
                file.write(sound.T.numpy())
    return meters


def _finish(scratch: Path, take: int, targets: list[Path], rate: int, gain_db: float) -> None:
    """Put a take's mix and stems through the master into their files, and remove the temporary ones."""
    names = [_temporary(scratch, take, row) for row in range(len(targets))]
    with ExitStack() as stack:
        files = [stack.enter_context(_finished(target, rate)) for target in targets]
        before = [stack.enter_context(soundfile.SoundFile(name)) for name in names]
        for start, gain in master_gains(partial(_read, before[0]), before[0].frames, rate, gain_db):
            if not torch.isfinite(gain).all():
                raise UserError(f"{targets[0]}: not written, the mix holds NaN; mix with other weights")
            for source, file in zip(before, files, strict=True):
                audio = (_read(source, start, start + len(gain)) * gain).clamp(-1, 1)
                for piece in audio.T.split(PIECE):
                    file.write(piece.numpy())
    for name in names:
        name.unlink()


def _read(file: soundfile.SoundFile, start: int, stop: int) -> Tensor:
    file.seek(start)
    return torch.from_numpy(file.read(stop - start, dtype="float32")).T


@contextmanager
def _writer(path: Path, rate: int, subtype: str | None, named: Path | None = None) -> Iterator[soundfile.SoundFile]:
    """An open stereo file. Raises UserError where it cannot be written, about the file ``named``, if given."""
    try:
        with soundfile.SoundFile(path, "w", rate, 2, subtype) as file:
            yield file
    except soundfile.SoundFileError as error:
        raise UserError(f"{named or path}: cannot be written ({error}); choose another place or suffix") from error


@contextmanager
def _finished(path: Path, rate: int) -> Iterator[soundfile.SoundFile]:
    """An open file as :func:`tfrgan_lite.audio.write_audio` makes it, which appears when the block ends well."""
    subtype = "PCM_24" if path.suffix.lower() in (".wav", ".flac") else None
    with written_whole(path) as temporary, _writer(temporary, rate, subtype, path) as file:
        yield file


def settings_of(mixer: Mixer, take: Take, style: str, gain_db: float, lufs: float) -> dict:
    """A take's console, in words: all that its coarse mix is made of.

    Of each track ``gain_db`` from the given stem to the mix before the limiter, ``pan`` (-1 left to 1 right),
    ``send_db`` to the room after fader and bands, and ``bands``, points of the equaliser's curve, which runs straight
    between them over mel. ``room_bands`` is the same of what the room answers to all of them. If ``mirrored``, left
    and right of the room are exchanged.
    """
    console, sign = take.console, -1 if take.mirrored else 1
    gains = mixer.trim_db + NEPER_DB * console.gain[0] + gain_db
    sends = (NEPER_DB * console.send[0].log()).clamp_min(-120.0)  # a generator may have no send
    bands = points_of(console.bands[0], mixer.shape.bands)
    tracks = [
        {
            "name": name,
            "role": role,
            "gain_db": round(float(gains[k]), 3),
            "pan": round(sign * float(console.pan[0, k]), 4),
            "send_db": round(float(sends[k]), 3),
            "bands": bands[k],
        }
        for k, (name, role) in enumerate(zip(mixer.tracks.names, mixer.tracks.roles, strict=True))
    ]
    return {
        "style": style,
        "seed": take.seed,
        "mirrored": take.mirrored,
        "sample_rate_hz": mixer.rate,
        "loudness_lufs": round(lufs, 2),
        "master": {"gain_db": round(gain_db, 3), "ceiling_db": CEILING_DB, "window_ms": WINDOW_MS},
        "room": ROOM,
        "room_bands": points_of(console.answer, ANSWER_BANDS)[0],
        "tracks": tracks,
    }


def points_of(curves: Tensor, bands: int) -> list[list[dict[str, float]]]:
    """Each curve over mel bands (N, F), in nats, as the points that it runs between: hz, db."""
    hz, db = broad_bands(curves, bands)
    return [
        [{"hz": round(f, 1), "db": round(g, 3)} for f, g in zip(hz.tolist(), row, strict=True)] for row in db.tolist()
    ]


def broad_bands(curves: Tensor, bands: int) -> tuple[Tensor, Tensor]:
    """The coarse head's own points, in Hz (bands,) and dB (N, bands), of its curves over mel bands (N, F), in nats."""
    mels = curves.shape[-1]
    drawn_out = interpolate(torch.eye(bands)[None], mels, mode="linear", align_corners=True)[0]  # (bands, F)
    points = curves.double() @ torch.linalg.pinv(drawn_out.double())
    centres = hz_to_mel(mel_points(mels)[1:-1])
    hz = mel_to_hz(torch.linspace(float(centres[0]), float(centres[-1]), bands, dtype=torch.float64))
    return hz, NEPER_DB * points
