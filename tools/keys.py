"""What a result depends on, as a hash: files, and the part of the package that a notebook imports."""

import ast
import hashlib
import json
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

PACKAGE = "tfrgan_lite"
# Files beside the code that a module reads when it is used.
DATA = {
    "tfrgan_lite.generator": "weights",
    "tfrgan_lite.studio.bank": "studio/samples",
    "tfrgan_lite.lesson.board": "lesson/assets",
    "tfrgan_lite.lesson.quiz": "lesson/quizzes",
}


def digest(root: Path, files: Iterable[Path], *words: str) -> str:
    """SHA-256 of the words and of the files' names (relative to root) and bytes, whatever their order."""
    total = hashlib.sha256(json.dumps(words).encode())
    for file in sorted(set(files)):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"{file.relative_to(root).as_posix()} {content}\n".encode())
    return total.hexdigest()


def tree(*folders: Path) -> list[Path]:
    """All files below the folders, without what Python and Jupyter leave there."""
    made = {"__pycache__", ".ipynb_checkpoints"}
    return [f for folder in folders for f in folder.rglob("*") if f.is_file() and not made & set(f.parts)]


def environment(root: Path) -> list[str]:
    """What the results depend on outside the repository: Python and torch; and the pins."""
    return [platform.python_version(), version("torch"), (root / "requirements.txt").read_text()]


def chapter_key(root: Path, notebook: Path, preset: str) -> str:
    """Hash of the notebook, the preset, the environment and all of the package that the notebook depends on."""
    return digest(root, [notebook, *dependencies(root, notebook)], preset, *environment(root))


def dependencies(root: Path, notebook: Path) -> set[Path]:
    """Files of the package that the notebook imports, directly or through other modules, and the data they read."""
    found: dict[str, Path] = {}
    waiting = imports(notebook_code(notebook), "")
    while waiting:
        name = waiting.pop()
        file = module_file(root, name)
        if file is None or name in found:
            continue
        found[name] = file
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        waiting |= imports(file.read_text(encoding="utf-8"), package) | {name.rpartition(".")[0]}
    folders = [root / PACKAGE / folder for module, folder in DATA.items() if module in found]
    return set(found.values()) | set(tree(*folders))


def notebook_code(notebook: Path) -> str:
    """The code cells as one program; a shell line that names the package becomes an import of its command line."""
    lines = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            for line in "".join(cell["source"]).splitlines():
                if not line.lstrip().startswith(("!", "%")):
                    lines.append(line)
                elif PACKAGE in line:
                    lines.append(f"{line[: len(line) - len(line.lstrip())]}import {PACKAGE}.__main__")
                else:
                    lines.append(line.replace(line.lstrip(), "pass"))
    return "\n".join(lines)


def module_file(root: Path, name: str) -> Path | None:
    """The file of a module of the package, None for any other name."""
    if name.split(".")[0] != PACKAGE:
        return None
    path = root.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def imports(source: str, package: str) -> set[str]:
    """Every dotted name that the source may import; a name that is no module, such as a function's, does no harm."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (above, node.module) if part)
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and node.value == PACKAGE:
            names.add(f"{PACKAGE}.__main__")  # as in subprocess.run([sys.executable, "-m", "tfrgan_lite", ...])
    return names
