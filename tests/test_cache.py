"""The cache: what was put in comes out or nothing does, it stays within its size, and it does no harm to its folder."""

import errno
import os
import threading
from pathlib import Path

import platformdirs
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfrgan_lite.cache import GIB, STALE_S, Cache, fingerprint, key_of
from tfrgan_lite.errors import UserError

KEYS = [key_of("entry", i) for i in range(4)]


def entry(seed=0, samples=1000):
    generator = torch.Generator().manual_seed(seed)
    return {
        "audio": torch.randn(2, samples, generator=generator).half(),
        "present": torch.tensor([True, False]),
        "style": torch.tensor(seed),
    }


def same(one, other):
    return set(one) == set(other) and all(one[k].dtype == other[k].dtype and torch.equal(one[k], other[k]) for k in one)


@pytest.fixture
def cache(tmp_path):
    cache = Cache(tmp_path / "cache")
    cache.make_room(0, ())
    return cache


def used(cache, key, ago):
    """Let an entry have been used ``ago`` seconds ago."""
    then = cache.path(key).stat().st_mtime - ago
    os.utime(cache.path(key), (then, then))


def names(cache):
    return {file.name for file in cache.folder.iterdir()}


def test_what_was_put_in_comes_out(cache):
    assert cache.get(KEYS[0]) is None
    cache.put(KEYS[0], entry())
    assert same(cache.get(KEYS[0]), entry())
    assert cache.get(KEYS[1]) is None
    assert names(cache) == {f"{KEYS[0]}.safetensors"}


def test_tensors_are_mapped_and_not_read(cache):
    """An entry is open with no memory of its own: its file can be found among the process's mappings."""
    maps = Path("/proc/self/maps")
    if not maps.is_file():
        pytest.skip("this system does not list the mappings of a process")
    cache.put(KEYS[0], entry())
    tensors = cache.get(KEYS[0])
    assert KEYS[0] in maps.read_text()
    del tensors
    assert KEYS[0] not in maps.read_text()


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**9), bit=st.integers(0, 7), cut=st.booleans())
@pytest.mark.filterwarnings("ignore:.*is damaged")
def test_a_damaged_entry_is_never_taken_for_a_sound_one(cache, place, bit, cut):
    """Any bit flipped, in header or content, or the file cut anywhere: right all the same, or thrown away."""
    cache.put(KEYS[0], entry(samples=100))
    content = bytearray(cache.path(KEYS[0]).read_bytes())
    place %= len(content)
    content[place] ^= 1 << bit
    cache.path(KEYS[0]).write_bytes(content[:place] if cut else content)
    found = cache.get(KEYS[0])
    assert (found is None) != cache.path(KEYS[0]).exists()
    assert found is None or same(found, entry(samples=100))


def test_every_byte_of_the_header_counts(cache):
    """A name, type or shape that has changed a little is still JSON that safetensors may read."""
    cache.put(KEYS[0], entry(samples=100))
    content = cache.path(KEYS[0]).read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    for place in range(end):
        damaged = bytearray(content)
        damaged[place] ^= 1
        cache.path(KEYS[0]).write_bytes(damaged)
        with pytest.warns(UserWarning, match=f"{KEYS[0]}.safetensors: is damaged") as said:
            found = cache.get(KEYS[0])
        assert found is None and len(said) == 1 and "\n" not in str(said[0].message)


def test_an_entry_under_another_key_is_damaged(cache):
    cache.put(KEYS[0], entry())
    cache.path(KEYS[0]).rename(cache.path(KEYS[1]))
    with pytest.warns(UserWarning, match="is damaged"):
        assert cache.get(KEYS[1]) is None
    cache.put(KEYS[1], entry(1))
    assert same(cache.get(KEYS[1]), entry(1))


def test_least_recently_used_entries_go_first(cache):
    for key in KEYS:
        cache.put(key, entry())
    size = cache.path(KEYS[0]).stat().st_size
    for ago, key in enumerate(KEYS):
        used(cache, key, 100 - ago)  # the first is the oldest ...
    cache.get(KEYS[0])  # ... until it is used
    cache.limit = 4 * size
    cache.make_room(0, ())
    assert len(names(cache)) == 4
    cache.make_room(2 * size, keep=[KEYS[1], "f" * 40])
    assert names(cache) == {f"{KEYS[0]}.safetensors", f"{KEYS[1]}.safetensors"}


def test_a_set_larger_than_the_limit_is_refused_and_costs_nothing(cache):
    cache.put(KEYS[0], entry())
    cache.put(KEYS[1], entry())
    cache.limit = cache.path(KEYS[0]).stat().st_size + 10
    with pytest.raises(UserError, match="TFRGAN_CACHE_GIB") as refused:
        cache.make_room(100, keep=[KEYS[0]])
    assert str(cache.folder) in str(refused.value) and "\n" not in str(refused.value)
    assert len(names(cache)) == 2


def test_foreign_files_stay_and_stale_temporaries_go(cache):
    foreign = ["notes.txt", "weights.safetensors", f".{KEYS[0]}-notes.txt", "f" * 40]
    for name in foreign:
        (cache.folder / name).write_text("precious")
    (cache.folder / "songs").mkdir()
    stale, fresh = (cache.folder / f".{key}-ab_12cd3.safetensors" for key in KEYS[:2])
    for file in (stale, fresh):
        file.write_text("half")
    long_ago = stale.stat().st_mtime - STALE_S - 1
    for name in (stale.name, *foreign):
        os.utime(cache.folder / name, (long_ago, long_ago))
    cache.put(KEYS[0], entry())
    cache.limit = 1
    cache.make_room(1, ())
    assert names(cache) == {*foreign, "songs", fresh.name}


def test_temporary_files_are_known_by_their_name(cache, monkeypatch):
    """What a writer that is killed leaves behind is what make_room looks for."""
    left = []

    def killed(self, *_):
        left.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", killed)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        cache.put(KEYS[0], entry())
    monkeypatch.undo()
    assert names(cache) == {left[0].name}
    os.utime(left[0], (0, 0))
    cache.make_room(0, ())
    assert names(cache) == set()


def test_writers_of_one_entry_do_not_harm_each_other(cache):
    writers = [threading.Thread(target=lambda: [cache.put(KEYS[0], entry()) for _ in range(5)]) for _ in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        found = cache.get(KEYS[0])
        assert found is None or same(found, entry())
    assert same(cache.get(KEYS[0]), entry()) and len(names(cache)) == 1


def test_nothing_is_kept_with_a_limit_of_zero(tmp_path):
    cache = Cache(tmp_path / "cache", 0)
    cache.make_room(10**15, ())
    cache.put(KEYS[0], entry())
    assert cache.get(KEYS[0]) is None and not cache.folder.exists() and str(cache) == "memory"


# places that are no good


@pytest.mark.parametrize("place", ["a file", "below a file", "/proc/nobody"])
def test_a_folder_that_cannot_be(tmp_path, place):
    (tmp_path / "file").write_text("precious")
    folder = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "cache"}.get(place, place)
    if place.startswith("/proc") and not Path("/proc").is_dir():
        pytest.skip("no folder here that even root cannot write to")
    cache = Cache(folder)
    assert cache.get(KEYS[0]) is None
    for action in (lambda: cache.make_room(0, ()), lambda: cache.put(KEYS[0], entry())):
        with pytest.raises(UserError, match="TFRGAN_CACHE") as refused:
            action()
        assert str(folder) in str(refused.value) and "\n" not in str(refused.value)
    assert (tmp_path / "file").read_text() == "precious"


def test_a_folder_that_can_only_be_read(cache, monkeypatch):
    """As on a read-only file system: what is there is of use, and what is not gets a clear error."""
    cache.put(KEYS[0], entry())

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("os.utime", "tempfile.mkstemp", "tempfile.TemporaryFile", "pathlib.Path.unlink"):
        monkeypatch.setattr(name, refuse)
    assert same(cache.get(KEYS[0]), entry())
    for action in (lambda: cache.make_room(0, ()), lambda: cache.put(KEYS[1], entry())):
        with pytest.raises(UserError, match="Read-only file system.*TFRGAN_CACHE"):
            action()


def test_a_disk_that_fills_up_leaves_the_cache_as_it_was(cache, monkeypatch):
    cache.put(KEYS[0], entry())
    before = cache.path(KEYS[0]).read_bytes()

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    for key in KEYS[:2]:
        with pytest.raises(UserError, match="No space left on device.*TFRGAN_CACHE"):
            cache.put(key, entry(1))
    assert names(cache) == {f"{KEYS[0]}.safetensors"} and cache.path(KEYS[0]).read_bytes() == before


def test_a_disk_without_room_is_seen_beforehand(cache):
    cache.limit = 2**62
    with pytest.raises(UserError, match="free; make room.*TFRGAN_CACHE"):
        cache.make_room(2**61, ())


def test_an_entry_that_cannot_be_opened_is_an_error(cache):
    cache.path(KEYS[0]).mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        cache.get(KEYS[0])


# where and how much


def test_folder_and_limit_are_the_arguments_else_the_environments_else_the_usual(tmp_path, monkeypatch):
    monkeypatch.setenv("TFRGAN_CACHE", str(tmp_path / "there"))
    monkeypatch.setenv("TFRGAN_CACHE_GIB", "2.5")
    cache = Cache()
    assert cache.folder == tmp_path / "there" and cache.limit == 2.5 * GIB and str(cache) == str(tmp_path / "there")
    cache = Cache(tmp_path / "here", 1)
    assert cache.folder == tmp_path / "here" and cache.limit == GIB
    monkeypatch.delenv("TFRGAN_CACHE")
    monkeypatch.delenv("TFRGAN_CACHE_GIB")
    cache = Cache()
    assert cache.folder == platformdirs.user_cache_path("tfrgan-lite", appauthor=False) and cache.limit == 10 * GIB
    monkeypatch.chdir(tmp_path)
    assert Cache("relative").folder == tmp_path / "relative"


@pytest.mark.parametrize("limit", ["much", "-1", "nan", "inf"])
def test_a_limit_that_is_no_size(monkeypatch, limit):
    monkeypatch.setenv("TFRGAN_CACHE_GIB", limit)
    with pytest.raises(UserError, match="TFRGAN_CACHE_GIB"):
        Cache()
    if limit != "much":
        with pytest.raises(UserError, match="--cache-gib"):
            Cache(limit_gib=float(limit))


# keys


def test_keys_differ_when_anything_does():
    keys = [key_of(), key_of(1), key_of("1"), key_of(1, 2), key_of([1, 2]), key_of(1.5)]
    assert len(set(keys)) == len(keys) and all(len(key) == 40 for key in keys)
    assert key_of("a", [1, 2.0]) == key_of("a", [1, 2.0])


def test_fingerprint_sees_every_byte_and_name(tmp_path):
    (tmp_path / "studio" / "samples").mkdir(parents=True)
    (tmp_path / "studio" / "__pycache__").mkdir()
    (tmp_path / "mel.py").write_text("a = 1")
    (tmp_path / "other.py").write_text("a = 1")
    (tmp_path / "studio" / "samples" / "kick.flac").write_bytes(b"kick")

    def now():
        return fingerprint(tmp_path, ["studio", "mel.py"])

    seen = [now()]
    (tmp_path / "other.py").write_text("a = 2")
    (tmp_path / "studio" / "__pycache__" / "song.pyc").write_bytes(b"made by Python")
    assert now() == seen[0]
    (tmp_path / "mel.py").write_text("a = 2")
    seen.append(now())
    (tmp_path / "studio" / "samples" / "kick.flac").write_bytes(b"kicK")
    seen.append(now())
    (tmp_path / "studio" / "samples" / "kick.flac").rename(tmp_path / "studio" / "samples" / "snare.flac")
    seen.append(now())
    assert len(set(seen)) == 4
