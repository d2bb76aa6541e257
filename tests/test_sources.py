"""Songs that come from outside: a folder of stems, and what the readers of data sets share."""

import numpy as np
import pytest
import soundfile
import torch

from tfrgan_lite.errors import UserError
from tfrgan_lite.studio import engineer, read_folder
from tfrgan_lite.studio.folder import READABLE, Songs, stack


def write(folder, name, audio, rate=44100, **options):
    soundfile.write(folder / name, np.asarray(audio, np.float32), rate, **options)


def tone(rate=44100, seconds=0.5, hz=440.0):
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def test_folder(tmp_path):
    rng = np.random.default_rng(0)
    write(tmp_path, "Lead Vocal.wav", tone(22050, 1.0), 22050)
    write(tmp_path, "bass.flac", 0.1 * rng.standard_normal((30000, 2)))
    write(tmp_path, "drums.mp3", 0.1 * rng.standard_normal((20000, 2)))
    write(tmp_path, "guitar.ogg", 0.1 * rng.standard_normal(20000))
    write(tmp_path, "thing.aiff", 0.1 * rng.standard_normal(10))
    for name in ("notes.txt", "song.json", ".DS_Store", ".hidden.wav"):
        (tmp_path / name).write_text("no audio")
    (tmp_path / "takes.wav").mkdir()
    one = read_folder(tmp_path, "rock")
    assert one.names == ("Lead Vocal", "bass", "drums", "guitar", "thing")
    assert one.roles == ("voice", "bass", "drums", "guitar", "other")
    assert one.style == "rock" and one.sample_rate == 44100 and one.stems.shape == (5, 2, 44100)
    assert np.abs(one.stems[0].numpy() - tone(44100, 1.0))[:, 500:-500].max() < 1e-3
    assert (one.stems[4, :, 10:] == 0).all() and (one.stems[4, :, :10] != 0).any()
    assert one.mix is None
    assert torch.isfinite(engineer(one, 0).mix).all()


@pytest.mark.parametrize("kind", sorted(set(soundfile.available_formats()) - {"RAW"}))
def test_every_format_that_soundfile_reads(tmp_path, kind):
    name = f"keys.{kind.lower()}"
    write(tmp_path, name, tone(), format=kind)
    one = read_folder(tmp_path, "pop")
    assert one.roles == ("keys",) and one.stems.shape[1] == 2
    # Two of these formats write down the sample rate only nearly, WVE only 8 kHz; the samples are the same.
    assert one.sample_rate == pytest.approx(44100, rel=0.01) or kind == "WVE"
    length = min(one.stems.shape[-1], 20000)
    near = {"MP3": 0.1, "OGG": 0.1, "WVE": 0.02}.get(kind, 1e-3)
    assert np.abs(one.stems[0, 0, 2000:length].numpy() - tone()[2000:length]).max() < near


@pytest.mark.parametrize("name", ["bass.opus", "bass.aif", "bass.aifc", "bass.wave", "bass.WAV", "bass.oga"])
def test_other_names_of_the_same_formats(tmp_path, name):
    kind = {".opus": "OGG", ".oga": "OGG", ".aif": "AIFF", ".aifc": "AIFF"}.get(name[4:], "WAV")
    rate = 48000 if kind == "OGG" else 44100
    write(tmp_path, name, tone(rate), rate, format=kind, **({"subtype": "OPUS"} if name.endswith("opus") else {}))
    one = read_folder(tmp_path, "pop")
    assert one.names == ("bass",) and one.sample_rate == rate


@pytest.mark.parametrize("inside", ["FLAC", "OGG", "AIFF"])
def test_what_a_file_holds_counts_not_its_suffix(tmp_path, inside):
    write(tmp_path, "bass.wav", tone(), format=inside)
    one = read_folder(tmp_path, "pop")
    assert np.abs(one.stems[0, 0].numpy() - tone()[: one.stems.shape[-1]]).max() < 0.02


def test_an_unknown_role_word_is_other(tmp_path):
    write(tmp_path, "Audio 07_bounce.wav", tone())
    assert read_folder(tmp_path, "pop").roles == ("other",)


@pytest.mark.parametrize("rates", [(8000,), (192000,), (8000, 192000)])
def test_extreme_rates_become_one(tmp_path, rates):
    for rate in rates:
        write(tmp_path, f"bass {rate}.wav", tone(rate), rate)
    one = read_folder(tmp_path, "pop")
    assert one.sample_rate == max(rates) and one.stems.shape == (len(rates), 2, max(rates) // 2)
    wanted = tone(max(rates))
    for stem in one.stems:
        assert np.abs(stem[0].numpy() - wanted)[max(rates) // 10 : -max(rates) // 10].max() < 5e-3
    made = engineer(one, 0)
    assert made.mix.shape == one.stems.shape[1:] and torch.isfinite(made.mix).all()


BROKEN = {
    "missing": ("nowhere: is no folder", lambda folder: folder.rmdir()),
    "empty": ("no audio file", lambda folder: (folder / "readme.txt").write_text("x")),
    "text": ("bass.wav: cannot be read", lambda folder: (folder / "bass.wav").write_bytes(b"no audio at all")),
    "zero bytes": ("bass.wav: cannot be read", lambda folder: (folder / "bass.wav").write_bytes(b"")),
    "no samples": ("bass.wav: holds no samples", lambda folder: write(folder, "bass.wav", np.zeros((0, 2)))),
    "24 channels": ("bass.wav: has 24 channels", lambda folder: write(folder, "bass.wav", np.zeros((100, 24)))),
    "NaN": ("bass.wav: .* NaN", lambda folder: write(folder, "bass.wav", [0.1, np.nan], subtype="FLOAT")),
    "infinite": ("bass.wav: .* infinite", lambda folder: write(folder, "bass.wav", [np.inf, 0.1], subtype="FLOAT")),
    "4 kHz": ("bass.wav: .* 4000 Hz", lambda folder: write(folder, "bass.wav", tone(4000), 4000)),
    "not readable": ("voice.m4a: .m4a .* convert", lambda folder: (folder / "voice.m4a").write_bytes(b"\0" * 99)),
    "17 tracks": ("17", lambda folder: [write(folder, f"{k}.wav", np.zeros(9)) for k in range(17)]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_folders(tmp_path, case):
    folder = tmp_path / "nowhere"
    folder.mkdir()
    if case not in ("missing", "empty"):  # one bad track among good ones is never passed over
        write(folder, "a.wav", tone())
    said, spoil = BROKEN[case]
    spoil(folder)
    with pytest.raises(UserError, match=said) as error:
        read_folder(folder, "pop")
    assert "\n" not in str(error.value) and str(folder) in str(error.value)


def test_folder_with_an_unknown_style(tmp_path):
    with pytest.raises(UserError, match="polka"):
        read_folder(tmp_path, "polka")


def test_two_files_of_one_name_stay_two_tracks(tmp_path):
    for name in ("drums.wav", "drums.flac"):
        write(tmp_path, name, tone())
    assert read_folder(tmp_path, "pop").names == ("drums.flac", "drums.wav")


def test_stack_pads_the_shorter_and_fills_both_channels():
    short, long = torch.ones(1, 3), torch.stack([torch.arange(5.0), torch.zeros(5)])
    stems, rate = stack([(short, 8000), (long, 8000)])
    assert rate == 8000
    torch.testing.assert_close(stems[0], torch.tensor([[1.0, 1, 1, 0, 0]] * 2))
    torch.testing.assert_close(stems[1], long)


def test_suffixes_are_distinct_from_those_that_are_refused():
    assert {".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif", ".aiff", ".caf", ".w64"} <= READABLE
    assert not READABLE & {".raw", ".txt", ".json", ".mp4", ".m4a", ".mid"}


def test_songs_are_read_when_they_are_asked_for():
    read = []

    def reader(name):
        if name == "broken":
            raise UserError("broken: cannot be read")
        read.append(name)
        return f"song {name}"

    songs = Songs(("a", "broken", "c"), reader)
    assert len(songs) == 3 and read == []
    assert songs[0] == "song a" and songs[-1] == "song c" and songs["c"] == "song c" and read == ["a", "c", "c"]
    with pytest.raises(UserError, match="broken"):
        songs[1]
    with pytest.raises(UserError, match="broken"):
        list(songs)
    assert list(songs.without("broken")) == ["song a", "song c"] and songs.without("a").names == ("broken", "c")
    with pytest.raises(IndexError):
        songs[3]
    for ask in (lambda: songs["b"], lambda: songs.without("b")):
        with pytest.raises(UserError, match="'b'"):
            ask()
