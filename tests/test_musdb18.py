"""MUSDB18 and MUSDB18-HQ, read from small sets that are laid out here as the real ones are."""

import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import soundfile
import torch
from small import SMALL

from tfrgan_lite.errors import UserError
from tfrgan_lite.generator import Generator
from tfrgan_lite.metrics.mixing import log_mel_distance
from tfrgan_lite.mix import mix_song
from tfrgan_lite.studio import engineer, read_musdb

RATE = 44100
STEMS = ("drums", "bass", "other", "vocals")


@pytest.fixture
def ffmpeg():
    """musdb imports stempeg, which refuses to be imported without ffmpeg and ffprobe."""
    if not (shutil.which("ffmpeg") and shutil.which("ffprobe")):
        message = "no ffmpeg found (on Debian: apt-get install ffmpeg): MUSDB18 was not read"
        pytest.fail(message, pytrace=False) if os.environ.get("CI") == "true" else pytest.skip(message)


def sounds(seconds: float = 0.5) -> np.ndarray:
    """Mixture and four stems (5, samples, 2): tones of one octave each, the right channel at half the level."""
    t = np.arange(round(seconds * RATE)) / RATE
    stems = np.stack([0.1 * np.sin(2 * np.pi * 110 * 2**k * t) for k in range(4)])
    return np.stack([stems.sum(0), *stems])[..., None] * np.array([1, 0.5])


def lay_out_hq(folder, audio=None, rate=RATE, **options):
    """A track folder of MUSDB18-HQ."""
    folder.mkdir(parents=True)
    for name, sound in zip(("mixture", *STEMS), sounds() if audio is None else audio, strict=True):
        soundfile.write(folder / f"{name}.wav", sound, rate, **options)


def lay_out_stems(file, audio=None):
    """A stem file of MUSDB18: one MP4 with an AAC stream for the mixture and for each stem."""
    file.parent.mkdir(parents=True, exist_ok=True)
    audio = sounds() if audio is None else audio
    with tempfile.TemporaryDirectory() as place:
        streams = [f"{place}/{k}.wav" for k in range(len(audio))]
        for stream, sound in zip(streams, audio, strict=True):
            soundfile.write(stream, sound, RATE)
        given = [word for stream in streams for word in ("-i", stream)]
        wanted = [word for k in range(len(streams)) for word in ("-map", str(k))]
        subprocess.run(["ffmpeg", "-v", "error", "-y", *given, *wanted, "-c:a", "aac", str(file)], check=True)


@pytest.fixture
def hq(tmp_path, ffmpeg):
    for track in ("train/B - Two", "train/A - One", "test/C - Three"):
        lay_out_hq(tmp_path / track)
    (tmp_path / "train" / ".DS_Store").write_text("")
    return tmp_path


def test_hq(hq):
    songs = read_musdb(hq, "rock")
    assert songs.names == ("A - One", "B - Two", "C - Three")
    assert read_musdb(hq, "rock", "train").names == ("A - One", "B - Two")
    assert read_musdb(str(hq), "rock", "test").names == ("C - Three",)
    song = songs["B - Two"]
    assert song.roles == ("drums", "bass", "other", "voice") and song.names == STEMS
    assert song.style == "rock" and song.sample_rate == RATE
    given = torch.from_numpy(sounds()).float().mT
    torch.testing.assert_close(song.mix, given[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(song.stems, given[1:], atol=1e-4, rtol=0)


def test_engineers_the_generator_and_the_measures_take_it(hq):
    song = read_musdb(hq, "rock")[0]
    made = mix_song(song.stems, song.sample_rate, song.style, 0, song.roles, Generator(SMALL))[0]
    for mix in (engineer(song, 0).mix, made):
        assert torch.isfinite(mix).all()
        assert 0 < log_mel_distance(mix, song.mix, song.sample_rate) < 100


def test_hq_keeps_what_is_finer_than_16_bits(tmp_path, ffmpeg):
    quiet = sounds() * 1e-4
    lay_out_hq(tmp_path / "train" / "A - One", quiet, subtype="PCM_24")
    torch.testing.assert_close(
        read_musdb(tmp_path, "pop")[0].mix, torch.from_numpy(quiet[0]).float().mT, atol=3e-7, rtol=0
    )


def test_stem_files(tmp_path, ffmpeg):
    lay_out_stems(tmp_path / "train" / "A - One.stem.mp4")
    lay_out_stems(tmp_path / "test" / "B - Two.stem.mp4")
    (tmp_path / "train" / "._A - One.stem.mp4").write_text("what an archive of another system leaves")
    songs = read_musdb(tmp_path, {"A - One": "pop", "B - Two": "ballad"})
    assert songs.names == ("A - One", "B - Two")
    assert [song.style for song in songs] == ["pop", "ballad"]
    song = songs[0]
    assert song.roles == ("drums", "bass", "other", "voice") and song.names == STEMS and song.sample_rate == RATE
    given = torch.from_numpy(sounds()).float().mT
    length = given.shape[-1]
    assert song.stems.dtype == torch.float32 and song.stems.shape[:2] == (4, 2) and song.stems.shape[-1] >= length
    both = torch.cat([song.mix[None], song.stems])[..., 2000 : length - 2000]
    error = (both - given[..., 2000 : length - 2000]).square().mean((1, 2)).sqrt()
    assert (error < 0.01).all(), error  # AAC is no exact copy
    assert torch.isfinite(engineer(song, 0).mix).all()


def test_a_real_stem_file(tmp_path, ffmpeg):
    """The excerpt of MUSDB18 that comes with stempeg."""
    import stempeg

    (tmp_path / "test").mkdir()
    shutil.copy(stempeg.example_stem_path(), tmp_path / "test")
    (song,) = read_musdb(tmp_path, "rock")
    assert song.sample_rate == RATE and song.stems.shape[-1] > 5 * RATE
    difference = song.stems.sum(0) - song.mix
    assert difference.square().mean() < 0.1 * song.mix.square().mean()


def test_mono_stem_files(tmp_path, ffmpeg):
    lay_out_stems(tmp_path / "train" / "A - One.stem.mp4", sounds()[..., :1])
    (song,) = read_musdb(tmp_path, "pop")
    assert song.stems.shape[:2] == (4, 2)
    torch.testing.assert_close(song.stems[:, 0], song.stems[:, 1])


def with_sound(name, audio, rate=RATE, **options):
    return lambda folder: soundfile.write(folder / f"{name}.wav", audio, rate, **options)


BROKEN_HQ = {
    "no mixture": ("mixture.wav: is missing", lambda folder: (folder / "mixture.wav").unlink()),
    "no vocals": ("vocals.wav: is missing", lambda folder: (folder / "vocals.wav").unlink()),
    "text": ("drums.wav: cannot be read", lambda folder: (folder / "drums.wav").write_text("no sound")),
    "empty": ("drums.wav: holds no samples", with_sound("drums", np.zeros((0, 2)))),
    "NaN": ("bass.wav: .* NaN", with_sound("bass", np.full((22050, 2), np.nan), subtype="FLOAT")),
    "24 channels": ("other.wav: has 24 channels", with_sound("other", np.zeros((22050, 24)))),
    "cut off": ("other.wav: lasts 0.20 s, the mixture 0.50 s", with_sound("other", np.zeros((8820, 2)))),
    "mixture cut off": ("drums.wav: lasts 0.50 s, the mixture 0.20 s", with_sound("mixture", np.zeros((8820, 2)))),
    "4 kHz": ("bass.wav: .* 4000 Hz", with_sound("bass", np.zeros((2000, 2)), 4000)),
}


@pytest.mark.parametrize("case", BROKEN_HQ)
def test_one_broken_track_of_hq(hq, case):
    said, spoil = BROKEN_HQ[case]
    spoil(hq / "train" / "B - Two")
    songs = read_musdb(hq, "rock")
    with pytest.raises(UserError, match=said) as error:
        songs["B - Two"]
    assert "\n" not in str(error.value) and "B - Two" in str(error.value)
    assert [song.names for song in songs.without("B - Two")] == [STEMS, STEMS]


@pytest.mark.parametrize("rate", [8000, 192000])
def test_hq_at_other_rates(hq, rate):
    """One stem at another rate is resampled; the song has the highest rate of its files."""
    with_sound("bass", np.zeros((rate // 2, 2)), rate)(hq / "train" / "A - One")
    song = read_musdb(hq, "rock")[0]
    assert song.sample_rate == max(rate, RATE) and song.stems.shape == (4, 2, song.sample_rate // 2)


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def other_streams(count, channels=2):
    return lambda file: lay_out_stems(file, np.zeros((count, 22050, channels)))


BROKEN_STEMS = {
    "cut off": ("cannot be decoded", cut),
    "text": ("cannot be decoded", lambda file: file.write_text("no sound")),
    "empty": ("cannot be decoded", lambda file: file.write_bytes(b"")),
    "four streams": ("has streams of .2, 2, 2, 2. channels", other_streams(4)),
    "surround": ("streams of .6, 6", other_streams(5, 6)),
}


@pytest.mark.parametrize("case", BROKEN_STEMS)
def test_one_broken_stem_file(tmp_path, ffmpeg, case):
    good, bad = (tmp_path / "train" / f"{name}.stem.mp4" for name in ("A - One", "B - Two"))
    lay_out_stems(good)
    lay_out_stems(bad)
    said, spoil = BROKEN_STEMS[case]
    spoil(bad)
    songs = read_musdb(tmp_path, "rock")
    with pytest.raises(UserError, match=said) as error:
        songs["B - Two"]
    assert "\n" not in str(error.value) and "B - Two" in str(error.value)
    assert len(list(songs.without("B - Two"))) == 1


LAYOUTS = {
    "nowhere": ("is no folder; give the folder that holds train", lambda root: root.rmdir()),
    "nothing": ("holds no songs of MUSDB18; give", lambda root: None),
    "other files": ("holds no songs of MUSDB18; give", lambda root: (root / "train" / "x").mkdir(parents=True)),
    "the folder train itself": ("give the folder that holds train", lambda root: lay_out_hq(root / "A - One")),
    "both": (
        "holds both",
        lambda root: (lay_out_hq(root / "train" / "A - One"), (root / "train" / "B - Two.stem.mp4").write_text("")),
    ),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_other_layouts_are_refused(tmp_path, case):
    said, lay_out = LAYOUTS[case]
    (tmp_path / "set").mkdir()
    lay_out(tmp_path / "set")
    with pytest.raises(UserError, match=said) as error:
        read_musdb(tmp_path / "set", "rock")
    assert "\n" not in str(error.value)


def test_a_subset_that_is_not_there(tmp_path):
    lay_out_hq(tmp_path / "train" / "A - One")
    with pytest.raises(UserError, match="in test"):
        read_musdb(tmp_path, "rock", "test")
    with pytest.raises(UserError, match="'valid'"):
        read_musdb(tmp_path, "rock", "valid")


def test_styles(hq):
    for style in ("polka", {"A - One": "polka"}):
        with pytest.raises(UserError, match="polka"):
            read_musdb(hq, style)
    songs = read_musdb(hq, {"A - One": "pop"})
    assert songs["A - One"].style == "pop"
    with pytest.raises(UserError, match="'B - Two'"):
        songs["B - Two"]


def test_without_musdb_the_error_says_what_to_install(tmp_path, monkeypatch):
    lay_out_hq(tmp_path / "train" / "A - One")
    monkeypatch.setitem(sys.modules, "musdb", None)
    with pytest.raises(UserError, match="pip install musdb"):
        read_musdb(tmp_path, "rock")


def test_without_ffmpeg_the_error_says_what_to_install(tmp_path, monkeypatch):
    lay_out_hq(tmp_path / "train" / "A - One")
    for name in [name for name in sys.modules if name.split(".")[0] in ("musdb", "stempeg")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="install ffmpeg"):
        read_musdb(tmp_path, "rock")
