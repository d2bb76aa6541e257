"""The clean room finds what it is there to find; `make clean-room` runs it."""

import os
import tomllib
import zipfile

import clean_room
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@pytest.fixture
def project(tmp_path):
    """A package with one data file, and a wheel that holds both."""
    (tmp_path / "tfrgan_lite" / "weights").mkdir(parents=True)
    (tmp_path / "tfrgan_lite" / "__init__.py").write_text("")
    (tmp_path / "tfrgan_lite" / "weights" / "w.bin").write_bytes(b"weights")
    return tmp_path


@pytest.mark.parametrize(("left_out", "content"), [("weights/w.bin", None), ("weights/w.bin", b"old"), (None, None)])
def test_data_that_is_not_in_the_wheel_is_found(project, left_out, content):
    with zipfile.ZipFile(project / "x.whl", "w") as archive:
        for name in ("__init__.py", "weights/w.bin"):
            data = (project / "tfrgan_lite" / name).read_bytes() if name != left_out else content
            if data is not None:
                archive.writestr(f"tfrgan_lite/{name}", data)
    assert clean_room.lacking(project / "x.whl", project) == ([f"tfrgan_lite/{left_out}"] if left_out else [])


def test_a_package_whose_file_was_changed_or_removed_is_found(tmp_path):
    room = clean_room.Room.__new__(clean_room.Room)  # without building one
    room.packages = tmp_path
    for name in ("kept.py", "changed.py", "gone.py"):
        (tmp_path / name).write_text("old")
        os.utime(tmp_path / name, (1, 1))
    before = room.files()
    (tmp_path / "changed.py").write_text("new")
    (tmp_path / "gone.py").unlink()
    (tmp_path / "added.py").write_text("new")
    assert clean_room.touched(before, room.files()) == [str(tmp_path / "changed.py"), str(tmp_path / "gone.py")]


def test_what_is_lent_is_complete_and_nothing_that_is_there():
    lent = clean_room.needed(["nbformat", "anywidget"], {"jsonschema"})
    assert {"nbformat", "fastjsonschema", "traitlets", "anywidget", "ipywidgets", "psygnal"} <= set(lent)
    assert "jsonschema" not in lent and "referencing" not in lent, "what is there is not lent, nor what only it needs"


def test_the_package_admits_what_colab_holds_and_the_list_has_nothing_else(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    bounds = {canonicalize_name(need.name): need.specifier for need in map(Requirement, project["dependencies"])}
    lines = [line for line in clean_room.VERSIONS.read_text().splitlines() if not line.startswith("#")]
    held = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    assert {name for name in bounds if name in held and not bounds[name].contains(held[name])} == set()
    others = {"huggingface-hub", "ipykernel", "ipywidgets", "nbclient", "numba", "pooch", "setuptools"}
    assert set(held) - others <= set(bounds) and others <= set(held)
    assert not any(line.startswith(clean_room.AT_HAND) for line in clean_room.pins())
    assert "numpy==2.1.3" in clean_room.pins()
