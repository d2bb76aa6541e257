"""The package keeps its shape: imports go one way only, and no module grows beyond what can be read in one sitting."""

from pathlib import Path

import pytest
from keys import PACKAGE, imports

# A module imports only from those before it.
ORDER = (
    *("errors", "memory", "cores", "files", "cache", "config", "seeds", "provenance"),
    *("variants", "labels", "audio", "studio", "mel"),
    *("serialize", "vocoder", "positional", "attention", "recurrent", "beta_vae", "codes"),
    *("transformer", "prepare", "sides", "heads"),
    *(
        "generator",
        "posterior",
        "discriminator",
        "losses",
        "data",
        "batches",
        "checkpoint",
        "objective",
        "train",
        "listening",
        "rendering",
        "mix",
    ),
    # "rivals" trains the networks among the baselines on the generator's data and loss, which they know nothing of.
    *("mixdown", "baselines", "metrics", "rivals", "judge", "trials", "tally", "report", "claims", "curve", "page"),
    *("evaluate", "__main__", "lesson"),
)
# These stand beside the model and know nothing of it.
BESIDE = {"studio", "baselines", "metrics"}
KNOWN_BESIDE = {"errors", "cores", "labels", "audio", "mel"}


def part(root: Path, file: Path) -> str:
    """The module's place in ORDER: its own name, or that of the folder that it is in."""
    return file.relative_to(root / PACKAGE).with_suffix("").parts[0]


def wrong_imports(root: Path) -> list[str]:
    """Each import that the order forbids, as 'file: imports part'."""
    found = []
    for file in sorted((root / PACKAGE).rglob("*.py")):
        here = part(root, file)
        if here == "__init__":
            continue
        package = ".".join(file.relative_to(root).parent.parts)
        names = {
            name.split(".")[1] for name in imports(file.read_text(encoding="utf-8"), package) if f"{PACKAGE}." in name
        }
        parts = {name for name in names if name in ORDER} - {here}
        allowed = KNOWN_BESIDE if here in BESIDE else set(ORDER[: ORDER.index(here)])
        if here == "baselines":
            allowed = allowed | {"studio"}  # a rule turns the knobs of the same console
        found += [f"{file.relative_to(root)}: imports {name}" for name in sorted(parts - allowed)]
    return found


def test_imports_go_one_way(root):
    present = {part(root, file) for file in (root / PACKAGE).rglob("*.py")} - {"__init__"}
    assert present <= set(ORDER), "a new module: give it its place in ORDER"
    assert wrong_imports(root) == []


@pytest.mark.parametrize(
    ("module", "source", "said"),
    [
        ("mel.py", "from .generator import Generator", "mel.py: imports generator"),
        ("mel.py", "def f():\n    from . import mix", "mel.py: imports mix"),
        ("studio/song.py", "from ..train import train", "studio/song.py: imports train"),
        ("train.py", "import tfrgan_lite.lesson.listen", "train.py: imports lesson"),
        ("generator.py", "from .mel import LogMel\nimport torch", None),
        ("studio/song.py", "from ..audio import loudness\nfrom .score import chords", None),
    ],
)
def test_a_wrong_import_is_found(tmp_path, module, source, said):
    file = tmp_path / PACKAGE / module
    file.parent.mkdir(parents=True)
    file.write_text(source)
    assert wrong_imports(tmp_path) == ([f"{PACKAGE}/{said}"] if said else [])


def test_no_module_is_longer_than_300_lines(root):
    files = [*(root / PACKAGE).rglob("*.py"), *(root / "tools").glob("*.py")]
    lengths = {str(file.relative_to(root)): len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert {name: length for name, length in lengths.items() if length > 300} == {}
