"""Training songs: the cache changes no batch, damage and kills are mended, batches are made ahead of their step."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from joblib import cpu_count
from keys import PACKAGE, imports, module_file
from small import TINY

from tfrgan_lite import __main__ as command_line
from tfrgan_lite import data
from tfrgan_lite.batches import Lesson, LessonSet, Share, made_ahead
from tfrgan_lite.cache import Cache
from tfrgan_lite.config import PRESETS
from tfrgan_lite.cores import on_all_cores
from tfrgan_lite.data import HELD_OUT, leans_right, mean_mel_power, mixed_song, on_held_out_songs, song_tensors
from tfrgan_lite.discriminator import mid_side
from tfrgan_lite.errors import UserError
from tfrgan_lite.prepare import front, hear, mel_power
from tfrgan_lite.studio import Song

SHORT = replace(TINY, songs=8, songs_with_audio=5, seconds=1.0)


def batches(preset, cache):
    lessons = LessonSet(preset, progress=False, cache=cache)
    return [vars(lessons.batch(step)) for step in range(6)]


def same(one, other):
    return all(
        torch.equal(a[k], b[k]) if torch.is_tensor(a[k]) else a[k] == b[k]
        for a, b in zip(one, other, strict=True)
        for k in a
    )


def files(cache):
    """Each entry's file; an entry that is written again is another."""
    return {file.name: file.stat().st_ino for file in cache.folder.iterdir()}


@pytest.fixture(scope="module")
def from_memory():
    return batches(SHORT, Cache(limit_gib=0))


# what a song becomes


def seed_and_engineers(song, mixes):
    return song.seed, len(mixes)


def test_songs_for_training_and_for_judging_differ():
    """Seeds of training songs grow from 0, those of held-out songs from a million."""
    judging = list(on_held_out_songs(seed_and_engineers, replace(TINY, held_out=2), progress=False))
    assert judging == [(HELD_OUT, TINY.judges), (HELD_OUT + 1, TINY.judges)]
    assert all(p.songs <= HELD_OUT for p in PRESETS.values())


def test_lessons_never_lean_right():
    """Every mix is stored so that its first panned track went left; that of a mirrored one goes right in the data."""
    sides = set()
    for seed in range(3):
        raw, mixes = mixed_song(seed, "pop", 2.0, 4)
        song = song_tensors(raw, mixes, 80)
        assert torch.isfinite(song["mix_log_mel"]).all()
        for mirrored, wet in zip(song["mirrored"], song["wet_power"], strict=True):
            sides.add(bool(mirrored))
            turned = swapped(song["dry_power"]) if mirrored else song["dry_power"]
            assert not leans_right(turned, wet, song["roles"])
            assert leans_right(swapped(turned), swapped(wet), song["roles"]) == bool(wet_panned(turned, wet).any())
    assert sides == {True, False}  # else nothing was mirrored and nothing tested


def swapped(power):
    """Left and right exchanged; middle and side stay."""
    return power[:, [1, 0, 2, 3]]


def wet_panned(dry, wet):
    """Which tracks moved by more than 1 dB to a side."""
    balance = [10 * torch.log10(x[:, :2].sum(-1) + 1e-5).diff(dim=1)[:, 0] for x in (dry, wet)]
    return (balance[1] - balance[0]).abs() > 1


@pytest.mark.parametrize("rate", [44100, 48000])
def test_mean_powers_are_the_means_of_the_powers(rate):
    sound = torch.randn(3, 2, rate, generator=torch.Generator().manual_seed(0))
    sound[1, 1] = sound[1, 0]  # nothing at the sides
    sound[2, 1] = -sound[2, 0]  # nothing in the middle
    spectrum = front(rate).stft(sound)
    expected = mel_power(torch.cat([spectrum, mid_side(spectrum)], dim=-3), rate).mean(-2)
    found = mean_mel_power(spectrum, rate)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * float(expected.max()))
    assert found[1, 3].max() == 0 and found[2, 2].max() <= 1e-6 * found[2, 3].max()


def test_the_first_panned_track_decides_the_side():
    dry = torch.ones(3, 4, 80)
    wet, roles = dry.clone(), torch.tensor([2, 0, 2])
    assert not leans_right(dry, wet, roles)
    wet[0, 1] = 2.0  # the first track of role 2 goes right
    assert leans_right(dry, wet, roles)
    wet[2, 0] = 4.0  # the other of role 2 goes left, and is the duller one
    dry[2, :, 40:], wet[2, :, 40:] = 0.1, wet[2, :, 40:] * 0.1
    assert not leans_right(dry, wet, roles)
    wet[1, 1] = 2.0  # the track of role 0 goes right, and comes before both
    assert leans_right(dry, wet, roles) and not leans_right(dry, swapped(wet), roles)


def mono_and_stereo_song():
    """Tracks are mono, stereo, mono; the second of its two mixes is the mirror image of the first."""
    audio = 0.1 * torch.randn(3, 2, 88200, generator=torch.Generator().manual_seed(0))
    audio[[0, 2], 1] = audio[[0, 2], 0]
    raw = Song(audio, ("bass", "keys", "voice"), "rock", 44100, ("a", "b", "c"))
    wet = audio * torch.tensor([0.5, 1.0])[:, None]
    mixes = [SimpleNamespace(mix=stems.sum(0), wet_stems=stems) for stems in (wet, wet.flip(-2))]
    return raw, mixes, song_tensors(raw, mixes, 80)


def test_a_mono_track_is_stored_once_and_heard_twice():
    raw, _, song = mono_and_stereo_song()
    assert song["dry"].shape == (4, 88200)
    assert torch.equal(song["dry"][song["sides"]], hear(raw.stems, raw.sample_rate, raw.roles).dry.half())


def test_a_mirrored_mix_is_learned_with_its_stems_mirrored():
    _, _, song = mono_and_stereo_song()
    assert song["mirrored"].tolist() == [True, False]
    assert torch.equal(song["mix_log_mel"][0], song["mix_log_mel"][1])
    lessons = LessonSet(replace(TINY, songs=1, songs_with_audio=1, batch=1, rendered=1), progress=False)
    batches = []
    for mix in (0, 1):
        lessons.lessons, lessons.tracks = [Lesson(song, mix)], np.array([3])
        batches.append(lessons.batch(0))
    one, other = batches
    assert torch.equal(one.dry, other.dry.flip(2)) and torch.equal(one.dry_power[0], swapped(other.dry_power[0]))
    assert [torch.equal(*track) for track in one.dry[0]] == [True, False, True]


def test_audio_of_some_songs_and_meters_of_all():
    """A batch hears all its songs; only the first of them come with sound, that of the songs that have it."""
    lessons = LessonSet(SHORT, progress=False)
    assert (lessons.with_audio, len(lessons.lessons)) == (5, 8)
    batch = lessons.batch(0)
    assert len(batch.envelope) == len(batch.roles) == 3
    assert len(batch.dry) == len(batch.log_mel) == len(batch.mix_log_mel) == 2
    assert batch.dry.shape[1] == batch.roles.shape[1]
    assert "dry" not in lessons.lessons[-1].song


def test_batches_depend_on_seed_and_step_alone():
    lessons = LessonSet(TINY, progress=False)
    one, again, other = lessons.batch(3), lessons.batch(3), lessons.batch(4)
    assert torch.equal(one.dry, again.dry) and one.offset == again.offset
    assert one.dry.shape != other.dry.shape or not torch.equal(one.dry, other.dry)


def test_shares_of_a_batch_make_the_whole():
    """Each of two processes gets half of the songs with sound and half of the others, padded and cut alike."""
    lessons = LessonSet(replace(SHORT, batch=6), progress=False)
    for step in range(4):
        whole, parts = lessons.batch(step), [lessons.batch(step, Share(i, 2)) for i in range(2)]
        for name, value in vars(whole).items():
            if name == "offset":
                assert all(part.offset == value for part in parts)
                continue
            halves = [getattr(part, name) for part in parts]
            order = [half[:1] for half in halves] + [half[1:] for half in halves]  # one with sound, two others
            assert torch.equal(torch.cat(order), value), name


def test_songs_of_a_batch_have_about_as_many_tracks_and_all_songs_come():
    """Less is padded than by chance, no lesson comes twice, and none is left out."""
    lessons = LessonSet(replace(SHORT, songs=12, songs_with_audio=9, mixes=2), progress=False)
    seen, spread = np.zeros(len(lessons.lessons)), []
    rng = np.random.default_rng(0)
    for _ in range(400):
        drawn = lessons._draw(len(lessons.lessons), 4, rng.choice(lessons.tracks), rng)
        assert len(set(drawn)) == 4
        seen[drawn] += 1
        spread.append(np.ptp(lessons.tracks[drawn]))
    assert np.mean(spread) < 0.5 * np.mean([np.ptp(rng.choice(lessons.tracks, 4, False)) for _ in range(400)])
    assert seen.min() > 0.2 * seen.mean()
    assert sorted(lessons._draw(3, 7, 4, rng)) != sorted(range(3)) and set(lessons._draw(3, 7, 4, rng)) == {0, 1, 2}


# the cache


def test_an_empty_cache_a_full_one_and_none_give_the_same_batches(tmp_path, from_memory):
    cache = Cache(tmp_path)
    assert same(batches(SHORT, cache), from_memory)
    written = files(cache)
    assert len(written) == SHORT.songs and all(name.endswith(".safetensors") for name in written)
    assert same(batches(SHORT, cache), from_memory)
    assert files(cache) == written  # nothing was rendered again


@pytest.mark.filterwarnings("ignore:.*is damaged")
def test_only_what_is_missing_or_damaged_is_rendered(tmp_path, from_memory):
    cache = Cache(tmp_path)
    batches(SHORT, cache)
    before = files(cache)
    gone, cut, flipped = sorted(before)[:3]
    (tmp_path / gone).unlink()
    os.truncate(tmp_path / cut, 5000)
    content = bytearray((tmp_path / flipped).read_bytes())
    content[-99] ^= 16
    (tmp_path / flipped).write_bytes(content)
    rewritten = []
    put = Cache.put
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cache, "put", lambda self, key, tensors: (rewritten.append(key), put(self, key, tensors)))
        assert same(batches(SHORT, cache), from_memory)
    assert {f"{key}.safetensors" for key in rewritten} == {gone, cut, flipped}
    assert set(files(cache)) == set(before)


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from test_data import SHORT
from dataclasses import replace
from tfrgan_lite.batches import LessonSet
if __name__ == "__main__":
    LessonSet(replace(SHORT, songs=200), progress=False)
"""


def test_a_killed_run_leaves_a_cache_that_the_next_run_completes(tmp_path, from_memory):
    (tmp_path / "run.py").write_text(KILLED)
    cache = Cache(tmp_path / "cache")
    env = os.environ | {"TFRGAN_CACHE": str(cache.folder), "OMP_NUM_THREADS": "1"}
    env["LOKY_MAX_CPU_COUNT"] = "1"  # in one process, which begins sooner
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, str(tmp_path / "run.py"), str(Path(__file__).parent)]
    run = subprocess.Popen(command, env=env, start_new_session=True)
    while not cache.folder.is_dir() or len(list(cache.folder.glob("[0-9a-f]*"))) < 6:
        assert run.poll() is None
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    left = {name: inode for name, inode in files(cache).items() if not name.startswith(".")}
    assert 6 <= len(left) < 200
    assert same(batches(SHORT, cache), from_memory)
    assert left.items() <= files(cache).items()  # what it had rendered was not rendered again


def test_a_limit_of_nearly_nothing_is_refused(tmp_path):
    with pytest.raises(UserError, match="TFRGAN_CACHE_GIB") as refused:
        LessonSet(SHORT, progress=False, cache=Cache(tmp_path, 1e-6))
    assert str(tmp_path) in str(refused.value) and list(tmp_path.iterdir()) == []


def test_another_set_makes_room_and_its_songs_may_come_back(tmp_path, from_memory):
    cache = Cache(tmp_path)
    batches(SHORT, cache)
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    cache.limit = int(1.6 * size)
    other = replace(SHORT, seed=1)
    one = batches(other, cache)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= cache.limit
    before = files(cache)
    assert same(batches(other, cache), one) and files(cache) == before  # the last set is whole
    assert same(batches(SHORT, cache), from_memory)


def test_a_song_that_another_run_throws_out_is_rendered_once_more(tmp_path, from_memory, monkeypatch):
    monkeypatch.setattr(Cache, "get", lambda *_: None)
    assert same(batches(SHORT, Cache(tmp_path)), from_memory)


def test_the_bar_says_how_much_and_where_and_begins_with_what_is_there(tmp_path, capsys):
    cache = Cache(tmp_path)
    LessonSet(replace(SHORT, songs=6), progress=True, cache=cache)
    said = capsys.readouterr().err
    assert "0/6" in said and "GiB in " + str(tmp_path) in said and "6/6" in said
    LessonSet(SHORT, progress=True, cache=cache)
    said = capsys.readouterr().err
    assert "6/8" in said and "8/8" in said and "0/8" not in said
    LessonSet(SHORT, progress=True, cache=cache)
    assert "rendering" not in capsys.readouterr().err
    LessonSet(replace(SHORT, songs=2), progress=True, cache=Cache(limit_gib=0))
    assert "GiB in memory" in capsys.readouterr().err


@pytest.mark.parametrize("change", [{"seconds": 1.5}, {"mixes": 2}])
def test_other_songs_have_other_keys(tmp_path, change):
    cache = Cache(tmp_path)
    one = replace(SHORT, songs=1, songs_with_audio=1)
    LessonSet(one, progress=False, cache=cache)
    LessonSet(replace(one, **change), progress=False, cache=cache)
    assert len(files(cache)) == 2
    LessonSet(replace(one, seed=1, steps=99, batch=1, rendered=1, learning_rate=1.0), progress=False, cache=cache)
    assert len(files(cache)) == 2


def test_code_that_has_changed_since_the_program_began_is_an_error(tmp_path, monkeypatch):
    """The cores read the package's files anew; what they would render is not what this program's code would."""
    monkeypatch.setattr(data, "MADE_BY", ["as it was before the edit"])
    with pytest.raises(UserError, match="have changed"):
        LessonSet(SHORT, progress=False, cache=Cache(tmp_path))


def test_keys_depend_on_all_code_that_makes_a_song(root):
    """Every module that data.py needs is among its MAKERS, but for those that no sound depends on."""
    found, waiting = set(), {f"{PACKAGE}.data"}
    while waiting:
        name = waiting.pop()
        file = module_file(root, name)
        if file is not None and file not in found:
            found.add(file)
            package = name if file.name == "__init__.py" else name.rpartition(".")[0]
            waiting |= imports(file.read_text(encoding="utf-8"), package)
    parts = {file.relative_to(root / PACKAGE).parts[0] for file in found}
    no_sound = {"cache.py", "config.py", "errors.py", "files.py", "memory.py", "cores.py"}
    assert parts - {"__init__.py"} - set(data.MAKERS) == no_sound
    assert all((root / PACKAGE / maker).exists() for maker in data.MAKERS)


def keep_much(number):
    """A job that leaves its worker 400 MB larger than it was after its first one, and takes as long as a song."""
    if number == 2 * cpu_count():
        sys.kept = torch.ones(100_000_000)  # this function may come by value, with globals of its own
    time.sleep(0.6)
    return os.getpid()


def test_workers_that_keep_much_go_on():
    """joblib ends a worker that has grown by 300 MB, and another one would read the bank again."""
    cores = cpu_count()
    workers = list(on_all_cores(keep_much, [(number,) for number in range(6 * cores)]))
    assert workers[2 * cores] in workers[-3 * cores :]


# the command line


def command(*arguments, capsys):
    """Exit code and what was said on standard error, up to where training would begin."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr(command_line, "preset_called", lambda name, **changes: replace(SHORT, **changes))
        patch.setattr("tfrgan_lite.train.Trainer", lambda *_: sys.exit(7))
        patch.setattr(sys, "argv", ["tfrgan_lite", "train", *map(str, arguments)])
        command_line.main()
    return stop.value.code, capsys.readouterr().err


def test_the_command_line_keeps_the_songs_where_it_is_told_to(tmp_path, capsys):
    cache = Cache(tmp_path / "songs")
    arguments = ("--out", tmp_path / "run", "--cache", cache.folder)
    code, said = command(*arguments, capsys=capsys)
    assert code == 7 and len(files(cache)) == SHORT.songs and str(cache.folder) in said
    assert [path.name for path in (tmp_path / "run").iterdir()] == []
    cache.path("f" * 40).write_text("of another set")
    os.truncate(next(cache.folder.glob("[0-9]*")), 99)
    code, said = command(*arguments, capsys=capsys)
    assert code == 7 and len(files(cache)) == SHORT.songs + 1
    (warning,) = (line for line in said.splitlines() if "warning" in line)
    assert warning.startswith("warning: ") and "is damaged" in warning


def test_the_command_line_sets_the_learning_rate(tmp_path, capsys, monkeypatch):
    seen = []
    monkeypatch.setattr("tfrgan_lite.trials.train", lambda preset, *_, **__: seen.append(preset) or sys.exit(7))
    arguments = ["tfrgan_lite", "train", "--preset", "ci", "--out", str(tmp_path / "run")]
    for more in ([], ["--learning-rate", "0.0001"]):
        monkeypatch.setattr(sys, "argv", [*arguments, *more])
        with pytest.raises(SystemExit):
            command_line.main()
    assert [preset.learning_rate for preset in seen] == [PRESETS["ci"].learning_rate, 1e-4]
    code, said = command("--out", tmp_path / "run", "--learning-rate", "0", capsys=capsys)
    assert code == 2 and "--learning-rate" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--cache-gib", "0.0001"), "--cache-gib"),
        (("--cache-gib", "nan"), "--cache-gib"),
        (("--cache", "file"), "file"),
        (("--cache", "file/songs"), "file/songs"),
    ],
)
def test_a_cache_that_cannot_be_is_said_in_one_line(tmp_path, capsys, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("precious")
    code, said = command("--out", "run", "--cache", tmp_path / "songs", *options, capsys=capsys)
    (error,) = (line for line in said.splitlines() if "error" in line)
    assert code == 2 and error.startswith("error: ") and words in error
    assert Path("file").read_text() == "precious"


# batches ahead of their step


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_batches_are_made_before_they_are_asked_for():
    made, second = [], threading.Event()

    def make(step):
        made.append(step)
        if step == 2:
            second.set()
        return step * step

    ahead = made_ahead(make, range(10))
    assert next(ahead) == 0
    assert second.wait(10)  # nobody has asked for it
    time.sleep(0.05)
    assert made == [0, 1, 2]  # and not for more than two
    assert list(ahead) == [step * step for step in range(1, 10)]
    assert made == list(range(10)) and not loader_threads()


@pytest.mark.parametrize("steps", [range(0), range(5, 5), range(1), range(3, 5), range(3, 6)])
def test_any_number_of_steps(steps):
    assert list(made_ahead(str, steps)) == [str(step) for step in steps]


def test_an_error_comes_with_the_step_that_it_belongs_to():
    def make(step):
        if step == 3:
            raise UserError("no song")
        return step

    got = []
    with pytest.raises(UserError, match="no song"):
        for step in made_ahead(make, range(9)):
            got.append(step)
    assert got == [0, 1, 2] and not loader_threads()


def test_while_batches_are_made_ahead_a_core_is_left_to_that():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with closing(made_ahead(str, range(5))) as batches:
            assert next(batches) == "0" and torch.get_num_threads() == 2
        assert torch.get_num_threads() == 3
        torch.set_num_threads(1)
        assert [torch.get_num_threads() for _ in made_ahead(str, range(3))] == [1, 1, 1]
    finally:
        torch.set_num_threads(before)


def test_closing_ends_the_thread():
    ahead = made_ahead(lambda step: step, range(10**9))
    assert next(ahead) == 0 and loader_threads()
    ahead.close()
    assert not loader_threads()
