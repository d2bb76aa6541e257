"""The way to Colab: one address, everywhere the same; a setup cell that adds what is missing and touches nothing."""

import json
import re
import socket
import subprocess
import sys
import types
from importlib import metadata
from pathlib import Path

import colab
import nbformat
import pytest
import yaml

ADDRESS = "https://github.com/someone/a-fork"


@pytest.fixture
def fork(root, tmp_path) -> Path:
    """A copy of what the address is written into."""
    (tmp_path / "notebooks").mkdir()
    for name in ("_config.yml", "notebooks/00_ten_minute_tour.ipynb", "notebooks/12_train_end_to_end.ipynb"):
        (tmp_path / name).write_bytes((root / name).read_bytes())
    return tmp_path


def texts(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in folder.rglob("*") if file.is_file()}


# The address


def test_every_chapter_has_the_configured_address_and_the_same_first_code_cell(root, notebooks):
    url, branch = colab.repository(root)
    for name, notebook in notebooks.items():
        file = root / "notebooks" / f"{name}.ipynb"
        written = colab.stored(colab.prepared(notebook, name, url, branch))
        assert file.read_text(encoding="utf-8") == written, f"{file.name}: run python tools/colab.py"
    first = [next(cell for cell in notebook["cells"] if cell["cell_type"] == "code") for notebook in notebooks.values()]
    assert all(cell == first[0] for cell in first) and first[0]["id"] == colab.SETUP
    assert not url or colab.ADDRESS.fullmatch(url)
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    assert bool(config["launch_buttons"]["colab_url"]) == bool(url)


def test_one_command_sets_the_address_everywhere_and_one_takes_it_back(fork):
    before = texts(fork)
    assert colab.main(fork, [""]) == 0
    without = texts(fork)
    assert colab.main(fork, [f"{ADDRESS}.git"]) == 0 and colab.repository(fork) == (ADDRESS, "main")
    after = texts(fork)
    for name in ("00_ten_minute_tour", "12_train_end_to_end"):
        cells = json.loads(after[f"{name}.ipynb"])["cells"]
        assert f"colab.research.google.com/github/someone/a-fork/blob/main/notebooks/{name}.ipynb" in str(cells[1])
        assert f'SOURCE = "git+{ADDRESS}@main"\n' in cells[2]["source"]
        nbformat.validate(nbformat.reads(after[f"{name}.ipynb"], as_version=4))
    assert yaml.safe_load(after["_config.yml"])["launch_buttons"]["colab_url"] == colab.COLAB
    assert colab.main(fork, []) == 0 and texts(fork) == after, "without an address the one that is set stays"
    assert colab.main(fork, [""]) == 0 and texts(fork) == without
    assert "badge" not in without["00_ten_minute_tour.ipynb"]
    if not yaml.safe_load(before["_config.yml"])["repository"]["url"]:
        assert without == before


def test_a_figure_is_shown_by_address_where_its_directive_is_not_understood(fork, root):
    assert colab.main(fork, [ADDRESS]) == 0
    cells = json.loads((fork / "notebooks" / "00_ten_minute_tour.ipynb").read_text())["cells"]
    place = next(k for k, cell in enumerate(cells) if cell["id"] == "picture-way")
    alt, address = re.fullmatch(r"!\[(.+)\]\((.+)\)", "".join(cells[place]["source"])).groups()
    file = address.removeprefix("https://raw.githubusercontent.com/someone/a-fork/main/").removesuffix("?sanitize=true")
    figure = "".join(cells[place - 1]["source"])
    assert (root / file).is_file() and f":::{{figure}} ../{file}\n" in figure and f":alt: {alt}\n" in figure
    assert "remove-cell" in cells[place]["metadata"]["tags"], "a page of the site loads nothing from outside"


def test_every_picture_that_a_chapter_takes_from_a_file_can_be_shown_by_address(notebooks):
    for name, notebook in notebooks.items():
        text = "\n\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
        named = re.findall(r"\{(?:figure|image|figure-md)\}|<img\b|(?<!\[)!\[", text)
        assert len(named) == len(colab.FIGURE.findall(text)), name


@pytest.mark.parametrize("wrong", ["github.com/a/b", "https://gitlab.com/a/b", "https://github.com/a", 'https://x"y'])
def test_what_is_no_address_is_refused_and_nothing_is_written(fork, capsys, wrong):
    before = texts(fork)
    assert colab.main(fork, [wrong]) == 1
    assert texts(fork) == before and "https://github.com/OWNER/NAME" in capsys.readouterr().out


def test_a_page_has_a_launch_button_when_the_address_is_set(fork):
    """And the page itself shows neither the badge nor the setup cell."""
    for file in (fork / "notebooks").glob("*.ipynb"):
        file.unlink()
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    notebook = nbformat.v4.new_notebook(metadata=about)
    notebook.cells = [nbformat.v4.new_markdown_cell("# Chapter"), nbformat.v4.new_code_cell("1 + 1")]
    nbformat.write(notebook, fork / "notebooks" / "01_x.ipynb")
    config = (fork / "_config.yml").read_text().split("parse:")[0]
    (fork / "_config.yml").write_text(config + 'launch_buttons:\n  colab_url: ""\n')
    assert colab.main(fork, [ADDRESS]) == 0
    (fork / "_toc.yml").write_text("format: jb-book\nroot: notebooks/01_x\n")
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", "-q", "-W", str(fork)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (fork / "_build" / "html" / "notebooks" / "01_x.html").read_text()
    assert f'href="{colab.COLAB}/github/someone/a-fork/blob/main/notebooks/01_x.ipynb"' in page
    assert "colab-badge" not in page and "google.colab" not in page


# The cell


class Pip:
    """Stands in for subprocess.run: keeps the arguments of pip, and installs by adding to what is there."""

    def __init__(self, there: dict[str, str], needs: list[str]):
        self.there, self.needs, self.calls, self.held = there, needs, [], ""

    def run(self, command, check=False, capture_output=False):
        assert command[:3] == [sys.executable, "-m", "pip"] and check
        arguments = [str(part) for part in command[4:]]
        self.calls.append(arguments)
        if arguments[0] == "list":
            lines = "".join(f"{name}=={version}\n" for name, version in self.there.items())
            return types.SimpleNamespace(stdout=lines.encode())
        if "--constraint" in arguments:
            self.held = Path(arguments[arguments.index("--constraint") + 1]).read_text()
        self.there["tfrgan-lite"] = "1"
        return types.SimpleNamespace(stdout=b"")

    def distributions(self, name):
        return [name] if name in self.there else []

    def requires(self, name):
        assert name in self.there
        return self.needs


def run_cell(monkeypatch, pip: Pip, source: str = "", on_colab: bool = True) -> None:
    monkeypatch.setattr(subprocess, "run", pip.run)
    monkeypatch.setattr(metadata, "distributions", pip.distributions)
    monkeypatch.setattr(metadata, "requires", pip.requires)
    if on_colab:
        monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    exec("".join(colab.setup_cell(source)["source"]), {})


def test_elsewhere_the_cell_does_nothing(monkeypatch):
    def called(*_):
        raise AssertionError("the network was called")

    monkeypatch.setattr(socket.socket, "connect", called)
    pip = Pip({}, [])
    run_cell(monkeypatch, pip, "git+https://example.org/x", on_colab=False)
    assert pip.calls == []


def test_on_colab_the_package_comes_alone_and_then_only_what_is_missing(monkeypatch):
    there = {"torch": "2.11.0+cu128", "numpy": "2.1.3"}
    pip = Pip(there, ["torch>=99", "numpy>=1.26", "clingo>=5.7", 'musdb>=0.4; extra == "sources"'])
    run_cell(monkeypatch, pip, "git+https://example.org/x@main")
    first, listing, second = pip.calls
    assert first == ["install", "--quiet", "--no-deps", "git+https://example.org/x@main"]
    assert listing == ["list", "--format=freeze"]
    assert second[:3] == ["install", "--quiet", "--constraint"] and second[4:] == ["clingo>=5.7"]
    assert {"torch==2.11.0+cu128", "numpy==2.1.3"} <= set(pip.held.split())


def test_on_colab_a_second_run_installs_nothing(monkeypatch):
    pip = Pip({"tfrgan-lite": "1", "torch": "2"}, ["torch>=2.4"])
    run_cell(monkeypatch, pip, "git+https://example.org/x")
    assert pip.calls == []


def test_on_colab_a_copy_without_an_address_says_what_to_do(monkeypatch):
    with pytest.raises(SystemExit, match=r"^This copy .* tools/colab.py ADDRESS in it\.$"):
        run_cell(monkeypatch, Pip({}, []))
    pip = Pip({"tfrgan-lite": "1"}, [])
    run_cell(monkeypatch, pip)  # installed by hand
    assert pip.calls == []
