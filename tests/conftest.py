"""What all tests share: where the project is, and its chapters."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory) -> Iterator[Path]:
    """A cache of the session's own, so that tests neither use nor fill the user's."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("TFRGAN_CACHE", str(folder))
        patch.delenv("TFRGAN_CACHE_GIB", raising=False)
        yield folder


@pytest.fixture(scope="session", autouse=True)
def progress_folder(tmp_path_factory) -> Iterator[Path]:
    """A place of the session's own for answers to exercises, so that tests do not do the user's."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("progress")
        patch.setenv("TFRGAN_PROGRESS", str(folder))
        yield folder


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def notebooks() -> dict[str, dict]:
    """Name without suffix -> content, of every notebook."""
    return {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted((ROOT / "notebooks").glob("*.ipynb"))}
