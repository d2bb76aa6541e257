"""Multitracks in MedleyDB's layout, read from small sets that are laid out here as the real ones are."""

import sys

import numpy as np
import pytest
import soundfile
import torch
import yaml

from tfrgan_lite.errors import UserError
from tfrgan_lite.labels import ROLES, STYLES
from tfrgan_lite.metrics.mixing import log_mel_distance
from tfrgan_lite.studio import engineer, read_medleydb
from tfrgan_lite.studio.medleydb import STYLE_OF, role_of

RATE = 44100
BAND = [("electric bass", 2), ("drum set", 1), ("male singer", 1), ("male singer", 1)]


def lay_out(audio, name="Artist_Title", stems=BAND, genre="Rock", bleed="no", metadata=None, samples=11025):
    """A track folder: raw track k of the song is a constant of 0.01 (k + 1), so that sums can be told apart."""
    folder = audio / name
    (folder / f"{name}_RAW").mkdir(parents=True)
    told, value = {}, 0.0
    for s, (instrument, count) in enumerate(stems, 1):
        raws = {}
        for r in range(1, count + 1):
            file, value = f"{name}_RAW_{s:02}_{r:02}.wav", value + 0.01
            soundfile.write(folder / f"{name}_RAW" / file, np.full(samples, value), RATE, subtype="FLOAT")
            raws[f"R{r:02}"] = {"filename": file, "instrument": instrument}
        told[f"S{s:02}"] = {"component": "", "filename": "", "instrument": instrument, "raw": raws}
    soundfile.write(folder / f"{name}_MIX.wav", np.full((samples, 2), 0.5), RATE)
    place = metadata or folder
    place.mkdir(parents=True, exist_ok=True)
    song = {"artist": "Artist", "genre": genre, "has_bleed": bleed, "stems": told, "title": "Title"}
    (place / f"{name}_METADATA.yaml").write_text(yaml.safe_dump(song))
    return folder


def test_a_multitrack(tmp_path):
    lay_out(tmp_path / "Audio")
    songs = read_medleydb(tmp_path)
    assert songs.names == ("Artist_Title",) and len(songs) == 1
    song = songs["Artist_Title"]
    assert song.roles == ("bass", "bass", "drums", "voice", "voice") and song.style == "rock"
    assert song.names == ("electric bass 1", "electric bass 2", "drum set", "male singer 1", "male singer 2")
    assert song.sample_rate == RATE and song.stems.shape == (5, 2, 11025)
    torch.testing.assert_close(song.stems[:, :, 0], torch.arange(1, 6)[:, None].expand(-1, 2) * 0.01)
    torch.testing.assert_close(song.mix, torch.full((2, 11025), 0.5), atol=1e-4, rtol=0)


def test_an_engineer_mixes_it(tmp_path):
    folder, rng = lay_out(tmp_path, samples=RATE), np.random.default_rng(0)
    for file in (folder / "Artist_Title_RAW").iterdir():
        soundfile.write(file, 0.1 * rng.standard_normal(RATE), RATE)
    song = read_medleydb(tmp_path)[0]
    mix = engineer(song, 0).mix
    assert torch.isfinite(mix).all() and 0 < log_mel_distance(mix, song.mix, song.sample_rate) < 100


def test_where_the_metadata_may_lie(tmp_path):
    lay_out(tmp_path / "a" / "Audio", metadata=tmp_path / "a" / "Metadata")
    lay_out(tmp_path / "b", metadata=tmp_path / "elsewhere")
    assert read_medleydb(tmp_path / "a")[0].style == "rock"
    assert read_medleydb(tmp_path / "b", metadata=tmp_path / "elsewhere")[0].style == "rock"
    with pytest.raises(UserError, match="name its folder by metadata"):
        read_medleydb(tmp_path / "b")[0]
    with pytest.raises(UserError, match="nowhere: is no folder"):
        read_medleydb(tmp_path / "b", metadata=tmp_path / "nowhere")


def test_more_raw_tracks_than_16_become_sums_of_each_stem(tmp_path):
    lay_out(tmp_path, stems=[("electric bass", 1), ("drum set", 15), ("piano", 1)])
    song = read_medleydb(tmp_path)[0]
    assert song.names == ("electric bass", "drum set", "piano") and song.roles == ("bass", "drums", "keys")
    # 0.02 + ... + 0.16 passes full scale and is turned down to it; the others are single tracks.
    torch.testing.assert_close(song.stems[:, 0, 0], torch.tensor([0.01, 1.0, 0.17]))


def test_more_stems_than_16_become_sums_of_each_role(tmp_path):
    lay_out(tmp_path, stems=[("female singer", 1)] * 9 + [("cello", 1)] * 8)
    song = read_medleydb(tmp_path)[0]
    assert song.names == song.roles == ("voice", "strings")
    torch.testing.assert_close(
        song.stems[:, 1, 0], torch.tensor([sum(range(1, 10)), sum(range(10, 18))]) * 0.01 / torch.tensor([1, 1.08])
    )


@pytest.mark.parametrize(
    ("instrument", "role"),
    [
        *(("kick drum", "drums"), ("high hat", "drums"), ("drum machine", "drums"), ("tambourine", "drums")),
        *(("double bass", "bass"), ("electric bass", "bass"), ("bass drum", "drums"), ("bass clarinet", "lead")),
        *(("distorted electric guitar", "guitar"), ("banjo", "guitar"), ("lap steel guitar", "guitar")),
        *(("synthesizer", "keys"), ("electric piano", "keys"), ("vibraphone", "keys"), ("pipe organ", "keys")),
        *(("violin section", "strings"), ("horn section", "strings"), ("viola", "strings"), ("cello", "strings")),
        *(("female singer", "voice"), ("vocalists", "voice"), ("male rapper", "voice"), ("trumpet", "lead")),
        *(("fx/processed sound", "other"), ("Main System", "other"), ("Unlabeled", "other"), ("crowd", "other")),
    ],
)
def test_roles_of_instruments(instrument, role):
    assert role_of(instrument) == role


def test_a_role_keeps_its_own_name():
    assert [role_of(role) for role in ROLES] == list(ROLES)


def test_styles(tmp_path):
    assert set(STYLE_OF.values()) <= set(STYLES)
    for name, genre in (("A_One", "Singer/Songwriter"), ("B_Two", "Classical"), ("C_Three", "Pop")):
        lay_out(tmp_path, name, genre=genre)
    songs = read_medleydb(tmp_path)
    assert songs["A_One"].style == "ballad" and songs["C_Three"].style == "pop"
    with pytest.raises(UserError, match="B_Two: its genre 'Classical' has no style"):
        songs["B_Two"]
    assert [song.style for song in read_medleydb(tmp_path, "electronic")] == ["electronic"] * 3
    assert [song.style for song in read_medleydb(tmp_path, {"B_Two": "rock"})] == ["ballad", "rock", "pop"]
    for style in ("polka", {"A_One": "polka"}):
        with pytest.raises(UserError, match="polka"):
            read_medleydb(tmp_path, style)


def test_bleed(tmp_path):
    for name, bleed in (("A_One", "yes"), ("B_Two", "no"), ("C_Three", True)):
        lay_out(tmp_path, name, bleed=bleed)
    assert read_medleydb(tmp_path).names == ("A_One", "B_Two", "C_Three")
    assert read_medleydb(tmp_path, bleed=False).names == ("B_Two",)


def test_rates_and_lengths_are_made_equal(tmp_path):
    folder = lay_out(tmp_path)
    raw = folder / "Artist_Title_RAW" / "Artist_Title_RAW_02_01.wav"
    soundfile.write(raw, np.zeros(192000), 192000)
    song = read_medleydb(tmp_path)[0]
    assert song.sample_rate == 192000 and song.stems.shape == (5, 2, 192000) and song.mix.shape == (2, 192000)


def raw(sound, rate=RATE, **options):
    return lambda folder: soundfile.write(
        next((folder / f"{folder.name}_RAW").glob("*_02_01.wav")), sound, rate, **options
    )


def describe(text):
    return lambda folder: (folder / f"{folder.name}_METADATA.yaml").write_text(text)


BROKEN = {
    "no mix": ("MIX.wav: is missing", lambda folder: (folder / "B_Two_MIX.wav").unlink()),
    "no raw": ("B_Two_RAW: is no folder", lambda folder: (folder / "B_Two_RAW").rename(folder / "other")),
    "a raw track is missing": (
        "RAW_02_01.wav: is missing",
        lambda f: (f / "B_Two_RAW" / "B_Two_RAW_02_01.wav").unlink(),
    ),
    "text": ("RAW_02_01.wav: cannot be read", lambda f: (f / "B_Two_RAW" / "B_Two_RAW_02_01.wav").write_text("none")),
    "NaN": ("RAW_02_01.wav: .* NaN", raw([np.nan], subtype="FLOAT")),
    "empty": ("RAW_02_01.wav: holds no samples", raw(np.zeros(0))),
    "24 channels": ("RAW_02_01.wav: has 24 channels", raw(np.zeros((9, 24)))),
    "4 kHz": ("RAW_02_01.wav: .* 4000 Hz", raw(np.zeros(9), 4000)),
    "no metadata": ("METADATA.yaml: is missing", lambda folder: (folder / "B_Two_METADATA.yaml").unlink()),
    "not YAML": ("METADATA.yaml: cannot be read .* no such YAML", describe("stems: [")),
    "a list": ("METADATA.yaml: cannot be read .* no such YAML", describe("[1, 2]")),
    "no stems": ("METADATA.yaml: cannot be read .* lacks 'stems'", describe("genre: Rock\nhas_bleed: 'no'")),
    "stems without raw": ("lacks 'raw'", describe("genre: Rock\nhas_bleed: 'no'\nstems: {}")),
    "a raw track without a file": (
        "lacks 'filename'",
        describe("genre: Rock\nhas_bleed: 'no'\nstems: {S01: {instrument: piano, raw: {R01: {instrument: piano}}}}"),
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_one_broken_multitrack(tmp_path, case):
    lay_out(tmp_path, "A_One")
    said, spoil = BROKEN[case]
    spoil(lay_out(tmp_path, "B_Two"))
    songs = read_medleydb(tmp_path)
    with pytest.raises(UserError, match=said) as error:
        songs["B_Two"]
    assert "\n" not in str(error.value) and "B_Two" in str(error.value)
    assert len(list(songs.without("B_Two"))) == 1


@pytest.mark.parametrize("inside", [None, (), ("A_One",), ("A_One/x.wav",)])
def test_other_layouts_are_refused(tmp_path, inside):
    root = tmp_path / "set"
    for name in inside or ():
        (root / name).mkdir(parents=True)
    if inside == ():
        root.mkdir()
    with pytest.raises(UserError, match="give the folder that holds the track folders") as error:
        read_medleydb(root)
    assert "\n" not in str(error.value)


def test_without_yaml_the_error_says_what_to_install(tmp_path, monkeypatch):
    lay_out(tmp_path)
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(UserError, match="pip install pyyaml"):
        read_medleydb(tmp_path)
