"""The command line: the main job on real files, and what it says to bad input: one line, exit code 2."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from small import SMALL

from tfrgan_lite import __main__ as command_line
from tfrgan_lite.audio import loudness, read_audio, true_peak_db
from tfrgan_lite.config import preset
from tfrgan_lite.evaluate import card as card_text
from tfrgan_lite.generator import WEIGHTS, Generator
from tfrgan_lite.mix import mix_song
from tfrgan_lite.studio import read_folder
from tfrgan_lite.variants import VARIANTS

RATE = 44100


def run(*arguments, capsys):
    """Exit code, standard output and standard error of a command, in this process."""
    argv, sys.argv = sys.argv, ["tfrgan_lite", *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as stop:
            command_line.main()
    finally:
        sys.argv = argv
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A generator that nobody has trained, whose heads do something."""
    torch.manual_seed(0)
    generator = Generator(SMALL)
    for parameter in (*generator.fine.out.parameters(), *generator.coarse.out.parameters()):
        torch.nn.init.normal_(parameter, std=0.1)
    path = tmp_path_factory.mktemp("weights") / "generator.safetensors"
    generator.save(path, {})
    return path


@pytest.fixture
def mix(weights, capsys):
    """The command mix, with those weights: exit code, standard output and standard error."""

    def mix(stems, out, *options, style="pop"):
        options = ("mix", stems, "--style", style, "--out", out, "--weights", weights, *options)
        return run(*options, capsys=capsys)

    return mix


def tone(path, seconds=1.0, rate=RATE, channels=1, hz=220.0):
    t = np.arange(int(seconds * rate)) / rate
    soundfile.write(path, np.repeat(0.2 * np.sin(2 * np.pi * hz * t)[:, None], channels, axis=1), rate)


@pytest.fixture
def folder(tmp_path):
    stems = tmp_path / "stems"
    stems.mkdir()
    tone(stems / "drums.wav", 1.0, 44100, 2, 90)
    tone(stems / "bass.flac", 1.5, 48000, 1, 60)
    tone(stems / "lead vocal.mp3", 0.7, 44100, 1, 440)
    (stems / "notes.txt").write_text("not a stem")
    return stems


def test_mix_a_folder_of_wav_flac_and_mp3(folder, tmp_path, mix):
    out, stems_out = tmp_path / "mix.wav", tmp_path / "wet"
    code, said, err = mix(folder, out, "--stems-out", stems_out, style="rock")
    assert code == 0, err
    assert "drums (drums)" in said and "bass (bass)" in said and "lead vocal (voice)" in said
    audio, rate = read_audio(out)
    assert rate == 48000 and audio.shape == (2, 72000)  # the highest rate, the longest stem's length
    assert torch.isfinite(audio).all() and audio.abs().max() > 0.01
    assert true_peak_db(audio) <= -1
    wet = {path.stem: read_audio(path)[0] for path in stems_out.iterdir()}
    assert set(wet) == {"drums", "bass", "lead vocal"}
    torch.testing.assert_close(sum(wet.values()), audio, atol=1e-4, rtol=0)
    assert {path.name for path in tmp_path.iterdir()} == {"stems", "mix.wav", "wet"}  # nothing is left over


def test_the_command_line_mixes_as_python_does(folder, tmp_path, mix, weights):
    assert mix(folder, tmp_path / "mix.wav", "--seed", 3)[0] == 0
    song = read_folder(folder, "pop")
    generator = Generator.from_pretrained(weights)
    expected, _ = mix_song(song.stems, song.sample_rate, "pop", 3, song.roles, generator)
    torch.testing.assert_close(read_audio(tmp_path / "mix.wav")[0], expected, atol=1e-5, rtol=0)


def test_same_seed_same_mix_other_seed_other_take(folder, tmp_path, mix):
    mixes = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert mix(folder, tmp_path / f"{name}.wav", "--seed", seed)[0] == 0
        mixes.append(read_audio(tmp_path / f"{name}.wav")[0])
    assert torch.equal(mixes[0], mixes[1]) and not torch.equal(mixes[0], mixes[2])


def test_several_takes_are_those_of_the_seeds_that_follow(folder, tmp_path, mix):
    options = ("--samples", 3, "--seed", 4, "--stems-out", tmp_path / "wet", "--console", tmp_path / "console.json")
    code, said, err = mix(folder, tmp_path / "mix.flac", *options)
    assert code == 0, err
    takes = [tmp_path / f"mix-{k}.flac" for k in (1, 2, 3)]
    assert [line.split(":")[0] for line in said.splitlines()] == [str(take) for take in takes]
    assert mix(folder, tmp_path / "one.flac", "--seed", 5)[0] == 0
    torch.testing.assert_close(read_audio(takes[1])[0], read_audio(tmp_path / "one.flac")[0], atol=1e-5, rtol=0)
    assert not torch.equal(read_audio(takes[0])[0], read_audio(takes[1])[0])
    for k, take in enumerate(takes):
        wet = [read_audio(path)[0] for path in (tmp_path / "wet" / str(k + 1)).iterdir()]
        torch.testing.assert_close(sum(wet), read_audio(take)[0], atol=1e-4, rtol=0)
    console = json.loads((tmp_path / "console.json").read_text())
    assert [take["seed"] for take in console] == [4, 5, 6]
    code, _, err = mix(folder, tmp_path / "mix.flac", "--samples", 2)
    assert code == 2 and "mix-1.flac" in err and "--force" in err


def test_the_console_is_written(folder, tmp_path, mix):
    console = tmp_path / "console.json"
    console.write_text("precious")
    code, _, err = mix(folder, tmp_path / "mix.wav", "--console", console)
    assert code == 2 and "--force" in err and console.read_text() == "precious"
    assert not (tmp_path / "mix.wav").exists()
    assert mix(folder, tmp_path / "mix.wav", "--console", console, "--force")[0] == 0
    said = json.loads(console.read_text())
    assert (said["style"], said["seed"]) == ("pop", 0) and isinstance(said["mirrored"], bool)
    assert [(track["name"], track["role"]) for track in said["tracks"]] == [
        *(("bass", "bass"), ("drums", "drums"), ("lead vocal", "voice"))
    ]
    for track in said["tracks"]:
        assert set(track) == {"name", "role", "gain_db", "pan", "send_db", "bands"}
        assert -1 <= track["pan"] <= 1 and len(track["bands"]) == SMALL.bands
    audio, rate = read_audio(tmp_path / "mix.wav")
    assert said["loudness_lufs"] == pytest.approx(float(loudness(audio, rate)), abs=0.1)


def peak_memory(stems: Path, out: Path, weights: Path, seconds: int) -> float:
    """Most MiB of memory that the command held for a song of four stereo tracks with wet stems, in its own process."""
    stems.mkdir()
    rng = np.random.default_rng(0)
    for name in ("drums", "bass", "keys", "voice"):
        soundfile.write(stems / f"{name}.wav", rng.uniform(-0.1, 0.1, (seconds * 8000, 2)), 8000)
    code = (
        "import resource, sys\nfrom tfrgan_lite.__main__ import cli\n"
        "cli.main(sys.argv[1:], standalone_mode=False)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)"
    )
    options = ["--style", "pop", "--out", out / "mix.wav", "--stems-out", out / "wet", "--weights", weights]
    command = [sys.executable, "-c", code, "mix", stems, *options]
    said = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True).stdout
    return float(said.splitlines()[-1])


def test_memory_does_not_grow_with_the_song(tmp_path):
    """Three times as long, with windows of ten seconds as in use: what is added is not kept."""
    weights, used = tmp_path / "generator.safetensors", {}
    Generator(replace(SMALL, frames=1000)).save(weights, {})
    for seconds in (100, 300):
        out = tmp_path / f"out {seconds}"
        out.mkdir()
        used[seconds] = peak_memory(tmp_path / f"stems {seconds}", out, weights, seconds)
    stems_mib = 4 * 2 * 200 * 8000 * 4 / 2**20  # of 200 s of stems: 49
    assert used[300] - used[100] < stems_mib / 5


def test_mix_the_stems_of_a_real_song(tmp_path, mix):
    """The excerpt that the stempeg wheel carries, decoded to four files at its own rate."""
    # Found, not imported: stempeg's import asks for ffmpeg, PyAV decodes without it.
    (excerpt,) = Path(find_spec("stempeg").origin).parent.rglob("*.mp4")
    stems = tmp_path / "real song"
    stems.mkdir()
    with av.open(str(excerpt)) as container:
        streams = len(container.streams.audio)
    lengths = []
    for index, name in zip(range(1, streams), ("drums", "bass", "other", "vocals"), strict=True):  # stream 0 is the mix
        with av.open(str(excerpt)) as container:
            stream = container.streams.audio[index]
            audio = np.concatenate([frame.to_ndarray() for frame in container.decode(stream)], axis=1)
            rate = stream.rate
        soundfile.write(stems / f"{name}.wav", audio.T, rate)
        lengths.append(audio.shape[1])
    out = tmp_path / "mix.wav"
    code, said, err = mix(stems, out, style="rock")
    assert code == 0, err
    mixed, mix_rate = read_audio(out)
    assert mix_rate == rate and mixed.shape == (2, max(lengths))
    assert torch.isfinite(mixed).all()
    assert true_peak_db(mixed) <= -1
    assert mixed.square().mean().sqrt() > 0.02  # it is heard
    assert "vocals (voice)" in said


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda f: [p.unlink() for p in f.iterdir()], "stems"),
        (lambda f: [p.unlink() for p in f.iterdir()] + [f.rmdir()], "stems"),
        (lambda f: (f / "drums.wav").write_text("no audio"), "drums.wav"),
        (lambda f: (f / "drums.wav").write_bytes(b""), "drums.wav"),
        (lambda f: soundfile.write(f / "drums.wav", np.full(9, np.nan), RATE, subtype="FLOAT"), "drums.wav"),
        (lambda f: soundfile.write(f / "bass.flac", np.zeros((RATE, 3)), RATE), "3 channels"),
        (lambda f: soundfile.write(f / "drums.wav", np.zeros((0, 2)), RATE), "drums.wav"),
        (lambda f: [tone(f / f"t{i}.wav") for i in range(14)], "17"),
    ],
    ids=["empty folder", "no folder", "text", "empty file", "NaN", "3 channels", "no samples", "17 tracks"],
)
def test_bad_stems(folder, tmp_path, mix, prepare, words):
    prepare(folder)
    expect_refusal(mix(folder, tmp_path / "mix.wav"), words, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--style", "polka", "--out", "mix.wav"], "polka"),
        (["--out", "mix.wav"], "--style"),
        (["--style", "pop"], "--out"),
        (["--style", "pop", "--out", "mix.xyz"], ".xyz"),
        (["--style", "pop", "--out", "nowhere/mix.wav"], "nowhere"),
        (["--style", "pop", "--out", "mix.wav", "--seed", "many"], "many"),
        (["--style", "pop", "--out", "mix.wav", "--weights", "none.safetensors"], "none.safetensors"),
        (["--style", "pop", "--out", "mix.wav", "--louder"], "--louder"),
        (["--style", "pop", "--out", "mix.wav", "--samples", "0"], "samples"),
        (["--style", "pop", "--out", "mix.wav", "--samples", "some"], "some"),
        (["--style", "pop", "--out", "mix.wav", "--console", "nowhere/c.json"], "nowhere"),
        (["--style", "pop", "--out", "mix.wav", "--stems-out", "stems"], "holds the stems"),
    ],
)
def test_bad_options(folder, tmp_path, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    expect_refusal(run("mix", folder, *arguments, capsys=capsys), words, tmp_path)


def expect_refusal(result, words, tmp_path):
    code, out, err = result
    assert code == 2
    assert err.count("\n") == 1 and err.startswith("error: ") and words in err, err
    assert not out
    assert [path.name for path in tmp_path.iterdir() if path.name != "stems"] == []  # nothing was written


@pytest.mark.parametrize("samples", [1, 1000])
def test_one_sample_and_silence_are_mixed(tmp_path, mix, samples):
    stems = tmp_path / "stems"
    stems.mkdir()
    soundfile.write(stems / "drums.wav", np.full(samples, 0.5), RATE)
    soundfile.write(stems / "voice.wav", np.zeros(samples), RATE)
    out = tmp_path / "mix.wav"
    code, _, err = mix(stems, out, "--stems-out", tmp_path / "wet")
    assert code == 0, err
    assert read_audio(out)[0].shape == (2, samples)
    assert read_audio(tmp_path / "wet" / "voice.wav")[0].abs().max() == 0


def test_nothing_is_overwritten_without_force(folder, tmp_path, mix):
    out = tmp_path / "mix.wav"
    out.write_text("precious")
    code, _, err = mix(folder, out)
    assert code == 2 and "--force" in err and out.read_text() == "precious"
    wet = tmp_path / "wet"
    wet.mkdir()
    (wet / "drums.wav").write_text("precious")
    other = tmp_path / "other.wav"
    code, _, err = mix(folder, other, "--stems-out", wet)
    assert code == 2 and "drums.wav" in err and (wet / "drums.wav").read_text() == "precious" and not other.exists()
    assert mix(folder, out, "--force")[0] == 0
    assert read_audio(out)[0].shape[0] == 2


def test_two_files_of_one_name_stay_two_tracks(folder, tmp_path, mix):
    tone(folder / "drums.flac", 0.5)
    code, said, err = mix(folder, tmp_path / "mix.wav", "--stems-out", tmp_path / "wet")
    assert code == 0, err
    assert "drums.wav (drums)" in said and "drums.flac (drums)" in said
    assert len(list((tmp_path / "wet").iterdir())) == 4


def test_the_mix_does_not_become_a_stem(folder, mix):
    code, _, err = mix(folder, folder / "mix.wav")
    assert code == 2 and "holds the stems" in err and not (folder / "mix.wav").exists()


def test_a_stems_folder_that_cannot_be_made(folder, tmp_path, mix):
    (tmp_path / "file").write_text("precious")
    code, _, err = mix(folder, tmp_path / "mix.wav", "--stems-out", tmp_path / "file")
    assert code == 2 and err.count("\n") == 1 and (tmp_path / "file").read_text() == "precious"
    assert not (tmp_path / "mix.wav").exists()


def test_results_are_not_overwritten_and_presets_are_checked(tmp_path, capsys):
    out = tmp_path / "results.json"
    code, _, err = run("evaluate", "--preset", "huge", "--out", out, capsys=capsys)
    assert code == 2 and "'huge'" in err and "ci, cpu, gpu" in err and not out.exists()
    out.write_text("{}")
    code, _, err = run("evaluate", "--preset", "ci", "--out", out, capsys=capsys)
    assert code == 2 and "--force" in err and out.read_text() == "{}"
    code, _, err = run("train", "--preset", "huge", "--out", tmp_path / "run", capsys=capsys)
    assert code == 2 and not (tmp_path / "run").exists()


def test_a_trained_generator_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "generator.safetensors").write_text("precious")
    code, _, err = run("train", "--preset", "ci", "--out", tmp_path, capsys=capsys)
    assert code == 2 and "generator.safetensors" in err and err.count("\n") == 1
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


def test_no_command_is_an_error_that_says_so(capsys):
    code, _, err = run(capsys=capsys)
    assert code == 2 and "command" in err.lower()
    assert run("--help", capsys=capsys)[0] == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_output(folder, tmp_path, mix):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    code, _, err = mix(folder, closed / "mix.wav")
    assert code == 2 and "closed" in err


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder here that even root cannot write to")
def test_an_output_that_nobody_can_write(folder, tmp_path, mix):
    code, out, err = mix(folder, "/proc/self/mix.wav")
    assert code == 2 and err.count("\n") == 1 and "/proc/self/mix.wav" in err and not out


def test_a_disk_that_is_full_leaves_the_old_file(folder, tmp_path, mix, monkeypatch):
    out = tmp_path / "mix.wav"
    out.write_text("precious")

    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr("soundfile.SoundFile.write", full)
    code, _, err = mix(folder, out, "--force")
    assert code == 2 and "No space left" in err and out.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mix.wav", "stems"]


def test_as_a_module_from_a_shell(folder, tmp_path, weights):
    command = [sys.executable, "-m", "tfrgan_lite", "mix", folder, "--style", "pop", "--out", tmp_path / "mix.wav"]
    command += ["--weights", weights]
    assert subprocess.run(command, cwd=Path(__file__).parent.parent).returncode == 0
    refused = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert refused.returncode == 2 and "Traceback" not in refused.stderr


def test_shipped_regressions_say_what_they_are():
    """Chapter 02 hears them."""
    for variant in ("regression", "regression with coin"):
        generator = Generator.from_pretrained(WEIGHTS.with_name(f"{variant.replace(' ', '-')}.safetensors"))
        told, a = generator.card["training"], generator.architecture
        assert told["variant"] == variant and {"seed", "steps", "commit", "device", "date"} <= set(told)
        assert a == VARIANTS[variant].config(preset("cpu")).architecture and not a.z
    assert sum(file.stat().st_size for file in WEIGHTS.parent.iterdir()) < 8_000_000


def test_shipped_weights():
    """Under 8 MB, loadable, and with the card that tells where they come from."""
    assert WEIGHTS.stat().st_size < 8_000_000
    generator = Generator.from_pretrained()
    assert not generator.training
    card = generator.card
    assert (WEIGHTS.parent / "CARD.md").read_text() == card_text(card)
    assert card["provenance"]["preset"]["name"] == "cpu"
    assert {"seed", "commit", "device", "date"} <= set(card["provenance"])
    assert card["songs"] >= 32
    systems = card["systems"]
    for rule in ("raw sum", "equal loudness"):
        for measure in ("matched_db", "as_is_db"):
            assert systems["TFR-GAN"][measure][0] < systems[rule][measure][0]
