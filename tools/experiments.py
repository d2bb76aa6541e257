"""Run chapters and store what they measure in book/results/chapters, whole or not at all.

    python tools/experiments.py [PRESET] [CHAPTER ...]

PRESET is cpu if none is given. CHAPTER is a number, as 06; without any, all chapters run that measure something. They
run one after another, up to date or not, and are stored after the last: so each comes from one clean commit, if the
first does. Then `python tools/results.py` writes the page.
"""

import shutil
import sys
from pathlib import Path

import chapters

from tfrgan_lite.files import make_folder, written_whole
from tfrgan_lite.lesson.chapters import stored

MODULE = "tfrgan_lite.lesson.experiment"


def measuring(root: Path) -> list[Path]:
    """The chapters that store what they measure."""
    return [notebook for notebook in chapters.chapters(root) if MODULE in notebook.read_text(encoding="utf-8")]


def main(root: Path, preset: str, numbers: list[str]) -> int:
    """Run chapters and store what they measured; 1, and nothing is stored, if one failed or measures nothing."""
    wanted = {notebook.stem[:2]: notebook for notebook in measuring(root)}
    if unknown := sorted(set(numbers) - set(wanted)):
        print(f"chapter {', '.join(unknown)}: measures nothing; choose among {', '.join(wanted)}")
        return 1
    wanted = {number: notebook for number, notebook in wanted.items() if not numbers or number in numbers}
    for notebook in wanted.values():
        (chapters.folder(root, preset) / f"{notebook.stem}.json").unlink(missing_ok=True)  # so that it is executed
    if chapters.main(root, preset, wanted):
        return 1
    found = {number: chapters.measured(root, preset, notebook) for number, notebook in wanted.items()}
    if silent := sorted(set(found) - set(stored(chapters.folder(root, preset) / "results"))):
        print(f"chapter {', '.join(silent)}: has stored nothing; call table() of its Experiment")
        return 1
    target = root / "book" / "results" / "chapters"
    make_folder(target)
    for number, file in found.items():
        with written_whole(target / f"{number}.json") as temporary:
            shutil.copyfile(file, temporary)
        print(f"book/results/chapters/{number}.json: stored")
    return 0


if __name__ == "__main__":
    given = sys.argv[1:]
    preset = given.pop(0) if given and given[0] in ("ci", "cpu", "gpu") else "cpu"
    sys.exit(main(chapters.ROOT, preset, given))
