"""Where a chapter keeps a training run: a temporary folder, one that stays, or the reader's Google Drive."""

import sys
import tempfile
from importlib import import_module
from pathlib import Path

from ..errors import UserError
from ..files import make_folder

DRIVE = Path("/content/drive")  # where Colab shows it
ON_DRIVE = "tfrgan-lite"  # the folder there, if none is named


def run_folder(name: str = "", on_drive: bool = False) -> Path:
    """The folder for a training run; one that was there before may hold a run to go on with.

    Args:
        name: a folder, made if it is not there. Empty: a new one that is temporary, or, on the Drive, ``tfrgan-lite``.
        on_drive: whether ``name`` is a folder of the reader's Google Drive. On Colab only, which then asks for consent.

    Raises:
        UserError: if ``on_drive`` is set elsewhere, the Drive is refused, or the folder cannot be made.
    """
    if on_drive:
        folder = _mounted() / (name.strip("/") or ON_DRIVE)
    elif name:
        folder = Path(name).expanduser()
    else:
        return Path(tempfile.mkdtemp(prefix="tfrgan-"))
    make_folder(folder)
    return folder


def _mounted() -> Path:
    if "google.colab" not in sys.modules:
        raise UserError("on_drive: only Colab has a Google Drive; set it to False and name a folder to keep the run in")
    try:
        import_module("google.colab.drive").mount(str(DRIVE))
    except Exception as error:  # Colab's own kinds, which differ by what the reader clicked
        raise UserError(f"on_drive: the Drive is not there ({error}); allow it, or set on_drive to False") from error
    return DRIVE / "MyDrive"
