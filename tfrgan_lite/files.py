"""Files that are written whole or not at all."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from .errors import UserError


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """A temporary name beside ``path`` to write to; it takes the place of ``path`` only if the block ends well.

    Keeps the suffix, which tells many writers the format. Raises UserError for an OSError: a folder that cannot be
    written to, a disk that is full.
    """
    path = Path(path)
    temporary = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes files that only their owner may read
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path}: cannot be written ({reason}); make room or choose another place") from error
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)


@contextmanager
def scratch_beside(path: str | Path) -> Iterator[Path]:
    """A hidden folder beside ``path`` for what is on its way there, gone when the block ends. Raises UserError as
    :func:`written_whole`.
    """
    path = Path(path)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
            yield Path(folder)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path}: cannot be written ({reason}); make room or choose another place") from error


def save_tensors(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write named tensors and metadata as one safetensors file, whole or not at all.

    Raises UserError as :func:`written_whole`.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with written_whole(path) as temporary:
        # Not by save_file, which makes temporary files of its own and gives reasons of its own.
        temporary.write_bytes(safetensors.torch.save(tensors, metadata))


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what :func:`save_tensors` wrote: the file is mapped into memory, page by page as the tensors are used.

    Raises OSError or SafetensorError if there is no such file.
    """
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}


def fill(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load a module's state. Raises ValueError, and loads nothing, if a tensor is missing, unknown, or of another
    shape: which one, and how many more.
    """
    own = module.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in tensors]
    wrong += [f"{name} is unknown" for name in tensors if name not in own]
    wrong += [
        f"{name} has shape {tuple(tensors[name].shape)} in place of {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    if wrong:
        raise ValueError(wrong[0] + (f", and {len(wrong) - 1} more differ" if len(wrong) > 1 else ""))
    module.load_state_dict(tensors)


def load_module(path: str | Path, build: Callable[[dict[str, str]], nn.Module]) -> nn.Module:
    """The module whose weights :func:`save_tensors` wrote, in evaluation mode; ``card`` of its metadata is ``.card``.

    Args:
        build: makes the module, untrained, from the metadata.

    Raises:
        UserError: if the file is missing or damaged, or the metadata or a tensor does not fit: which one.
    """
    try:
        tensors, metadata = load_tensors(path)
        module = build(metadata)
        fill(module, tensors)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read as safetensors weights ({error}); train them again") from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{path}: weights do not fit this version ({reason}); train them again") from error
    module.card = json.loads(metadata.get("card", "{}"))
    return module.eval()


def ensure_free(path: Path, force: bool = False) -> None:
    """Raise UserError, before any work is done, if the file ``path`` could not be written or would be lost."""
    if not path.parent.is_dir():
        raise UserError(f"{path}: the folder {path.parent} does not exist; create it or choose another")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name a file")
    if path.exists() and not force:
        raise UserError(f"{path}: exists already; choose another name or pass --force to replace it")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"{path}: the folder {path.parent} cannot be written to; choose another")


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, if it is not there. Raises UserError where that cannot be done."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be made ({error.strerror}); choose another folder") from error
