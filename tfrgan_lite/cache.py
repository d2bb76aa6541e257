"""Tensors that are dear to make, kept on disk: checked, bounded in size, and safe from a run that is killed."""

import hashlib
import json
import math
import os
import re
import shutil
import tempfile
import time
import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path

import platformdirs
import torch
from safetensors import SafetensorError
from torch import Tensor

from .errors import UserError
from .files import load_tensors, make_folder, save_tensors

LIMIT_GIB = 10.0  # of all entries together, unless TFRGAN_CACHE_GIB says otherwise
GIB = 2**30
STALE_S = 3600  # seconds after which a temporary file has lost its writer: an entry is written in less than one
ENTRY = re.compile(r"[0-9a-f]{40}\.safetensors")
REMEDY = "(--cache or TFRGAN_CACHE names it; TFRGAN_CACHE_GIB=0 keeps the songs in memory)"
TEMPORARY = re.compile(r"\.[0-9a-f]{40}-\w+\.safetensors")  # as files.written_whole names them


def key_of(*parts: object) -> str:
    """The key of an entry: a digest of all that its content depends on, given as what JSON can hold."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def fingerprint(folder: Path, names: Iterable[str]) -> str:
    """SHA-256 of files of a folder, and of all files below folders of it: their names and their bytes."""
    found = {file for name in names for file in (folder / name, *(folder / name).rglob("*")) if file.is_file()}
    total = hashlib.sha256()
    for file in sorted(file for file in found if "__pycache__" not in file.parts):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return total.hexdigest()


class Cache:
    """Named tensors under keys, one safetensors file an entry, least recently used entries thrown out first.

    An entry is written whole or not at all, so two runs may share a folder and either may be killed. Files of other
    names are left alone.

    Args:
        folder: where the entries lie; the environment's TFRGAN_CACHE if None, else the user's cache folder.
        limit_gib: size of all entries in GiB; the environment's TFRGAN_CACHE_GIB if None, else 10. With 0 nothing is
            kept, and a caller holds in memory what it makes.

    Raises:
        UserError: if the limit is no number of GiB.
    """

    def __init__(self, folder: str | Path | None = None, limit_gib: float | None = None):
        usual = platformdirs.user_cache_path("tfrgan-lite", appauthor=False)
        self.folder = Path(folder or os.environ.get("TFRGAN_CACHE") or usual).expanduser().absolute()
        given = os.environ.get("TFRGAN_CACHE_GIB") or LIMIT_GIB if limit_gib is None else limit_gib
        try:
            gib = float(given)
        except ValueError:
            gib = math.nan
        if not 0 <= gib < math.inf:
            raise UserError(f"TFRGAN_CACHE_GIB or --cache-gib: {given!r} is no size; give GiB, 0 for no cache")
        self.limit = int(gib * GIB)

    def __str__(self) -> str:
        return str(self.folder) if self.limit else "memory"

    def path(self, key: str) -> Path:
        """The file of an entry."""
        return self.folder / f"{key}.safetensors"

    def put(self, key: str, tensors: dict[str, Tensor]) -> None:
        """Write an entry, whole or not at all. Raises UserError where that cannot be done."""
        if not self.limit:
            return
        try:
            save_tensors(self.path(key), tensors, {"checksum": _checksum(key, tensors)})
        except UserError as error:
            raise UserError(f"{error} {REMEDY}") from error

    def get(self, key: str) -> dict[str, Tensor] | None:
        """The entry's tensors, mapped into memory page by page as they are read; None if there is no such entry.

        Its checksum is compared first. A damaged entry is removed, with a warning, and is None: make it again.

        Raises UserError if the file is there and cannot be read.
        """
        if not self.limit:
            return None
        path = self.path(key)
        try:
            sound = _is_sound(key, path)
            # Opened anew: the pages that the check has read go with its mapping.
            tensors = load_tensors(path)[0] if sound else None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error}); remove it, or choose another --cache") from error
        if tensors is None:
            warnings.warn(f"{path}: is damaged; it is thrown away and made again", stacklevel=2)
            _removed(path)
            return None
        try:
            os.utime(path)  # used now
        except OSError:
            pass  # a folder that is only read serves too
        return tensors

    def make_room(self, size: int, keep: Iterable[str]) -> None:
        """Make the folder ready for ``size`` more bytes: throw out what was used least recently, but no entry ``keep``.

        Also removes temporary files that killed runs have left.

        Raises UserError if the folder cannot be written to, or the limit or the disk leaves too little room.
        """
        if not self.limit:
            return
        try:
            make_folder(self.folder)
            with tempfile.TemporaryFile(dir=self.folder):
                free = shutil.disk_usage(self.folder).free
        except UserError as error:
            raise UserError(f"{error} {REMEDY}") from error
        except OSError as error:
            raise UserError(
                f"{self.folder}: cannot be written to ({error.strerror}); choose another place {REMEDY}"
            ) from error
        kept = {f"{key}.safetensors" for key in keep}
        entries = self._entries()
        own = sum(status.st_size for file, status in entries.items() if file.name in kept)
        if own + size > self.limit:
            raise UserError(
                f"{self.folder}: {size_of(own + size)} are needed and {size_of(self.limit)} allowed; allow more by"
                " --cache-gib or TFRGAN_CACHE_GIB, or give 0 there to keep the songs in memory"
            )
        others = [(file, status) for file, status in entries.items() if file.name not in kept]
        used = sum(status.st_size for status in entries.values())
        for file, status in sorted(others, key=lambda entry: entry[1].st_mtime_ns):
            if used + size > self.limit and _removed(file):
                used, free = used - status.st_size, free + status.st_size
        if size > free:
            wanted = f"{size_of(size)} are needed and {size_of(free)} free"
            raise UserError(f"{self.folder}: {wanted}; make room or choose another place {REMEDY}")

    def _entries(self) -> dict[Path, os.stat_result]:
        """The files of all entries, with their size and time of last use; old temporary files are removed."""
        found = {}
        for file in self.folder.iterdir():
            if not (ENTRY.fullmatch(file.name) or TEMPORARY.fullmatch(file.name)):
                continue
            try:
                status = file.stat()
            except FileNotFoundError:  # another run was faster
                continue
            if ENTRY.fullmatch(file.name):
                found[file] = status
            elif time.time() - status.st_mtime > STALE_S:
                _removed(file)
        return found


def size_of(size: int) -> str:
    """Bytes in words, as 2.5 GiB."""
    return f"{size / GIB:.3g} GiB"


def _removed(file: Path) -> bool:
    """Remove a file; False where another process holds it, as Windows does with files that are mapped into memory."""
    try:
        file.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _is_sound(key: str, path: Path) -> bool:
    """Whether the file holds what was put under the key. Raises OSError if it cannot be read."""
    try:
        tensors, metadata = load_tensors(path)
    except SafetensorError:
        return False
    return metadata.get("checksum") == _checksum(key, tensors)


def _checksum(key: str, tensors: dict[str, Tensor]) -> str:
    """CRC-32 of the key and of every tensor's name, type, shape and bytes."""
    total = zlib.crc32(key.encode())
    for name, tensor in sorted(tensors.items()):
        total = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), total)
        total = zlib.crc32(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data, total)
    return f"{total:08x}"
