"""The bank of samples: complete, in tune, without latency or clicks, licensed, small; and what happens without it."""

import json
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import soundfile

from tfrgan_lite.errors import UserError
from tfrgan_lite.studio import bank
from tfrgan_lite.studio import instruments as play
from tfrgan_lite.studio.styles import RECIPES

PITCHED = [name for name in bank.index() if not bank.is_kit(name)]
KITS = [name for name in bank.index() if bank.is_kit(name)]


def cents_off(wave: np.ndarray, pitch: int) -> float:
    """How sharp the first 1.2 s of a note are: where a comb of five harmonics, 25 cents wide, catches most."""
    part = wave[0, int(0.05 * bank.RATE) : int(1.2 * bank.RATE)].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 2**18))
    cents = np.arange(-62, 63)
    hz = 440 * 2 ** ((pitch - 69 + cents[:, None] / 100) / 12) * np.arange(1, 6)
    caught = np.interp(hz, np.fft.rfftfreq(2**18, 1 / bank.RATE), spectrum).sum(1)
    return float(np.convolve(caught, np.ones(25), "valid").argmax() - 50)


def recorded(name: str) -> list[tuple[int, np.ndarray]]:
    return [(pitch, bank.note.__wrapped__(name, pitch)) for pitch in bank.index()[name]["notes"]]


@pytest.mark.parametrize("name", list(bank.index()))
def test_every_sample_begins_with_its_attack_and_ends_in_silence(name):
    for pitch, wave in recorded(name):
        assert wave.dtype == np.int16 and wave.shape[0] in (1, 2) and wave.shape[1] > 0.05 * bank.RATE
        envelope = np.abs(wave.astype(np.int32)).max(0)
        assert envelope.max() > 1000, (name, pitch)
        assert np.argmax(envelope > 0.1 * envelope.max()) <= 0.01 * bank.RATE, (name, pitch)
        assert envelope[:2].max() <= 0.05 * envelope.max() and envelope[-20:].max() <= 0.001 * bank.FULL_SCALE, pitch


@pytest.mark.parametrize("name", PITCHED)
def test_every_pitch_is_in_tune_and_near_a_sample(name):
    instrument, pitches = play.INSTRUMENTS[name], list(bank.index()[name]["notes"])
    for pitch in (*pitches, *range(instrument.low, instrument.high + 1, 5)):
        assert min(abs(pitch - other) for other in pitches) <= 2
        assert abs(cents_off(bank.note.__wrapped__(name, pitch), pitch)) <= 15, (name, pitch)
    assert min(pitches) <= instrument.low and instrument.high <= max(pitches)


def test_notes_change_as_recordings_do():
    """A sampled note is no loop of one period: its spectrum at 50 ms and at 1 s differ, and two pitches' do too."""
    for name in ("piano", "steel guitar", "fingered bass", "electric piano", "vibraphone"):
        wave = bank.note(name, 52 if "bass" in name else 60)[0] / bank.FULL_SCALE
        early, late = (np.abs(np.fft.rfft(wave[start : start + 8192] * np.hanning(8192))) for start in (2205, 44100))
        hz = np.fft.rfftfreq(8192, 1 / bank.RATE)
        shares = [spectrum[hz > 800].sum() / spectrum.sum() for spectrum in (early, late)]
        assert shares[1] < 0.8 * shares[0], name  # the bright part dies first


def test_every_instrument_of_every_style_is_there():
    parts = [part for recipe in RECIPES.values() for part in (*recipe.core, *recipe.extras)]
    named = {name for part in parts for name in part.instruments}
    assert named <= set(play.INSTRUMENTS)
    assert set(play.INSTRUMENTS) == set(bank.index()) | {"club kit"}
    for part in parts:
        assert part.plays not in ("drums", "percussion") or set(part.instruments) <= {*KITS, "club kit"}
    drums = {key for name, key in play.DRUMS.items()}
    assert {key for kit in KITS for key in bank.index()[kit]["notes"]} == drums


def test_the_club_kit_is_as_loud_as_the_recorded_one_and_stays_the_same():
    for key in (36, 38, 39, 42, 46):
        made, taken = play.note("club kit", key), bank.note("electronic kit", key)
        assert np.abs(made).max() == np.abs(taken).max() and made.shape != taken.shape
        assert np.array_equal(made, play._club.__wrapped__(key))
    assert np.array_equal(play.note("club kit", 49), bank.note("electronic kit", 49))


def test_a_note_is_made_once_and_cannot_be_spoilt():
    first = bank.note("piano", 61)
    assert bank.note("piano", 61) is first
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1


def test_the_kept_notes_are_bounded():
    """The longest notes that the cache can hold at once are at most 250 MB."""
    sizes = []
    for name in bank.index():
        notes = bank.index()[name]["notes"]
        channels = soundfile.info(bank.FOLDER / bank.index()[name]["file"]).channels
        pitches = notes if bank.is_kit(name) else range(min(notes), max(notes) + 1)
        nearest = [min(notes, key=lambda other, pitch=pitch: abs(other - pitch)) for pitch in pitches]
        sizes += [2 * channels * notes[pitch]["length"] * 1.13 for pitch in nearest]  # two semitones lower
    assert sum(sorted(sizes)[-bank.KEPT_NOTES :]) <= 250e6


def test_the_bank_is_small_and_has_its_licence():
    assert sum(file.stat().st_size for file in bank.FOLDER.iterdir()) <= 10e6
    licence = (bank.FOLDER / "LICENSE").read_text()
    assert "Frank Wen" in licence and "Permission is hereby granted, free of charge" in licence
    files = {file.name for file in bank.FOLDER.iterdir()} - {"LICENSE", "index.json"}
    assert files == {entry["file"] for entry in bank.index().values()}


def test_a_wheel_holds_the_bank(root, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(root / "tfrgan_lite", source / "tfrgan_lite", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT.md"):
        shutil.copy(root / name, source)
    build = "import setuptools.build_meta as b; b.build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (wheel,) = (source / "dist").glob("*.whl")
    held = {name.rpartition("samples/")[2] for name in zipfile.ZipFile(wheel).namelist() if "studio/samples/" in name}
    assert held == {file.name for file in bank.FOLDER.iterdir()}


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A copy of the bank that a test may damage, with empty caches."""
    shutil.copytree(bank.FOLDER, tmp_path / "samples")
    monkeypatch.setattr(bank, "FOLDER", tmp_path / "samples")
    for kept in (bank.index, bank.note):
        kept.cache_clear()
    yield tmp_path / "samples"
    for kept in (bank.index, bank.note):
        kept.cache_clear()


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("piano.ogg", lambda file: file.unlink()),
        ("piano.ogg", lambda file: file.write_bytes(b"not sound")),
        ("piano.ogg", lambda file: file.write_bytes(file.read_bytes()[:20000])),
        ("piano.ogg", lambda file: soundfile.write(file, np.zeros(8000), 8000, format="OGG")),
        ("index.json", lambda file: file.unlink()),
        ("index.json", lambda file: file.write_text("{")),
        ("index.json", lambda file: file.write_text(json.dumps({"piano": []}))),
    ],
)
def test_a_missing_or_damaged_bank_is_named(broken, file, damage):
    damage(broken / file)
    with pytest.raises(UserError) as error:
        bank.note("piano", 88)
    assert file in str(error.value) and "install" in str(error.value) and "\n" not in str(error.value)


def test_wrong_notes():
    with pytest.raises(UserError, match="no 'theremin'.*piano"):
        bank.note("theremin", 60)
    with pytest.raises(UserError, match="piano has no 20; it goes from 36 to 88"):
        bank.note("piano", 20)
    with pytest.raises(UserError, match="jazz kit has no 40"):
        bank.note("jazz kit", 40)


def test_what_made_the_bank_is_not_needed_to_play_it(root):
    texts = [file.read_text() for file in (root / "tfrgan_lite" / "studio").glob("*.py")]
    texts += [(root / name).read_text() for name in ("requirements.txt", "pyproject.toml")]
    assert not any("tinysoundfont" in text for text in texts)
    assert "tinysoundfont" in (root / "tools" / "make_bank.py").read_text()
