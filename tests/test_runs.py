"""A chapter's training run is kept where the reader says, on the Drive only if asked for, and goes on after a stop."""

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from small import TINY

from tfrgan_lite.batches import LessonSet
from tfrgan_lite.checkpoint import CHECKPOINT
from tfrgan_lite.errors import UserError
from tfrgan_lite.files import load_tensors, save_tensors
from tfrgan_lite.lesson import runs
from tfrgan_lite.lesson.runs import run_folder
from tfrgan_lite.train import Trainer


@pytest.fixture
def drive(monkeypatch, tmp_path) -> types.SimpleNamespace:
    """A stand-in for Colab, whose reader allows the Drive unless told not to: ``asked`` is where it was mounted."""
    state = types.SimpleNamespace(asked=[], refused=False)

    def mount(place: str) -> None:
        state.asked.append(place)
        if state.refused:
            raise ValueError("mount failed")
        (Path(place) / "MyDrive").mkdir(parents=True, exist_ok=True)

    colab, module = types.ModuleType("google.colab"), types.ModuleType("google.colab.drive")
    module.mount = mount
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.setitem(sys.modules, "google.colab.drive", module)
    monkeypatch.setattr(runs, "DRIVE", tmp_path / "drive")
    return state


def test_without_a_name_the_folder_is_new_each_time(drive):
    first, second = run_folder(), run_folder()
    assert first != second and first.is_dir() and not any(first.iterdir())
    assert drive.asked == []


def test_a_named_folder_is_made_and_found_again(drive, tmp_path):
    folder = run_folder(str(tmp_path / "my" / "run"))
    (folder / "x").write_text("kept")
    assert run_folder(str(tmp_path / "my" / "run")) == folder and (folder / "x").read_text() == "kept"
    assert drive.asked == [], "the Drive is not asked for unless on_drive is set"


@pytest.mark.parametrize(("name", "below"), [("", "tfrgan-lite"), ("my run", "my run"), ("/my/run", "my/run")])
def test_the_drive_is_mounted_when_asked_for(drive, tmp_path, name, below):
    folder = run_folder(name, on_drive=True)
    assert folder == tmp_path / "drive" / "MyDrive" / below and folder.is_dir()
    assert drive.asked == [str(tmp_path / "drive")]


def test_a_drive_that_is_refused_is_told_in_a_line(drive):
    drive.refused = True
    with pytest.raises(UserError, match=r"^on_drive: .*mount failed.*set on_drive to False$"):
        run_folder(on_drive=True)


def test_elsewhere_there_is_no_drive():
    with pytest.raises(UserError, match="^on_drive: only Colab"):
        run_folder("x", on_drive=True)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        run_folder(str(tmp_path / "file" / "run"))


# Chapter 12


class Chapter:
    """The cells of chapter 12 that train, on the smallest experiment, with stand-ins for what mixes and shows.

    At step ``stop_at`` the runtime is gone. ``mixed`` lists the steps at which the generator was listened to.
    """

    def __init__(self, notebook: dict, lessons: LessonSet, keep: Path, stop_at: int | None = None):
        self.mixed, self.stop_at = [], stop_at
        sources = {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}
        self.names = {"config": TINY, "lessons": lessons, "Trainer": Trainer, "CHECKPOINT": CHECKPOINT}
        self.names |= {"run_folder": run_folder, "load_tensors": load_tensors, "save_tensors": save_tensors}
        self.names |= {"np": np, "torch": torch, "rate": 44100, "part": slice(None), "slide": self.slide}
        self.names |= {"raw": types.SimpleNamespace(stems=None, style="pop", roles=()), "mix_song": self.mix_song}
        self.names |= {"crew": [types.SimpleNamespace(mix=torch.ones(2, 9))], "log_mel_distance": lambda *_: 1.0}
        exec(sources["c12-folder"].replace('keep = ""', f"keep = {str(keep)!r}"), self.names)
        exec(sources["c12-16"], self.names)
        self.names |= {"stage": lambda wet: wet.mean((1, 2)), "middle_and_side": lambda mix: mix}
        exec(sources["c12-17"], self.names)

    def mix_song(self, *given) -> tuple[torch.Tensor, torch.Tensor]:
        step = self.names["trainer"].step
        if step == self.stop_at:
            raise ConnectionError("the runtime is gone")
        self.mixed.append(step)
        return torch.full((2, 9), float(step)), torch.zeros(1, 2, 9)

    def slide(self, samples: dict[str, torch.Tensor], *_, **__) -> None:
        self.shown = {label: float(mix[0, 0]) for label, mix in samples.items()}


def test_chapter_12_goes_on_after_a_disconnect_and_repeats_nothing_that_is_done(notebooks, tmp_path):
    notebook, lessons, folder = notebooks["12_train_end_to_end"], LessonSet(TINY, progress=False), tmp_path / "my run"
    seen = {f"after {step} steps": float(step) for step in (0, 1, 2, 8)}
    with pytest.raises(ConnectionError):
        Chapter(notebook, lessons, folder, stop_at=TINY.steps)
    again = Chapter(notebook, lessons, folder)
    trainer = again.names["trainer"]
    assert trainer.took[0] == 2 and len(trainer.history) == trainer.step == TINY.steps, "from the checkpoint at step 6"
    assert again.shown == seen and again.mixed == [0, 8], "what was heard before the stop is still there, in its order"
    done = Chapter(notebook, lessons, folder)
    assert done.names["trainer"].took[0] == 0 and done.names["trainer"].history == trainer.history
    assert done.shown == seen
