"""Songs that come from outside: a folder of stems."""

import numpy as np
import pytest
import soundfile
import torch

from tfrgan_lite.errors import UserError
from tfrgan_lite.studio import engineer, read_folder


def write(folder, name, audio, rate=44100):
    soundfile.write(folder / name, np.asarray(audio, np.float32), rate)


def test_folder(tmp_path):
    rng = np.random.default_rng(0)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    write(tmp_path, "Lead Vocal.wav", tone, 22050)
    write(tmp_path, "bass.flac", 0.1 * rng.standard_normal((30000, 2)))
    write(tmp_path, "drums.mp3", 0.1 * rng.standard_normal((20000, 2)))
    write(tmp_path, "guitar.ogg", 0.1 * rng.standard_normal(20000))
    write(tmp_path, "thing.aiff", 0.1 * rng.standard_normal(10))
    for name in ("notes.txt", "song.json", ".DS_Store", ".hidden.wav"):
        (tmp_path / name).write_text("no audio")
    one = read_folder(tmp_path, "rock")
    assert one.names == ("Lead Vocal", "bass", "drums", "guitar", "thing")
    assert one.roles == ("voice", "bass", "drums", "guitar", "other")
    assert one.style == "rock" and one.sample_rate == 44100 and one.stems.shape == (5, 2, 44100)
    wanted = 0.3 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)
    assert np.abs(one.stems[0].numpy() - wanted)[:, 500:-500].max() < 1e-3
    assert (one.stems[4, :, 10:] == 0).all() and (one.stems[4, :, :10] != 0).any()
    assert torch.isfinite(engineer(one, 0).mix).all()


BROKEN = {
    "missing": ("nowhere", lambda folder: folder.rmdir()),
    "empty": ("no audio file", lambda folder: (folder / "readme.txt").write_text("x")),
    "undecodable": ("bass.wav", lambda folder: (folder / "bass.wav").write_bytes(b"no audio at all")),
    "zero bytes": ("bass.wav", lambda folder: (folder / "bass.wav").write_bytes(b"")),
    "no samples": ("bass.wav", lambda folder: write(folder, "bass.wav", np.zeros((0, 2)))),
    "surround": ("bass.wav", lambda folder: write(folder, "bass.wav", np.zeros((100, 6)))),
    "NaN": (
        "bass.wav",
        lambda folder: soundfile.write(folder / "bass.wav", np.full(9, np.nan, np.float32), 44100, subtype="FLOAT"),
    ),
    "17 tracks": ("17", lambda folder: [write(folder, f"{k}.wav", np.zeros(9)) for k in range(17)]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_folders(tmp_path, case):
    folder = tmp_path / "nowhere"
    folder.mkdir()
    named, spoil = BROKEN[case]
    spoil(folder)
    with pytest.raises(UserError, match=named) as error:
        read_folder(folder, "pop")
    assert "\n" not in str(error.value)


def test_folder_with_an_unknown_style(tmp_path):
    with pytest.raises(UserError, match="polka"):
        read_folder(tmp_path, "polka")
