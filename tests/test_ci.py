"""What runs on a server and before a commit: the same commands as by hand, with no more rights than they need."""

import json
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml
from pre_commit.clientlib import load_config

READ = {"contents": "read"}


@pytest.fixture
def workflow(root) -> dict:
    """The workflow; YAML 1.1 reads the key "on" as true."""
    found = yaml.safe_load((root / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8"))
    return {"on": found.pop(True), **found}


def commands(job: dict) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_every_change_is_checked_by_the_script_of_the_project(root, workflow):
    assert {"push", "pull_request", "schedule"} <= set(workflow["on"])
    check = workflow["jobs"]["check"]
    assert commands(check) == [".ci/run"] and "if" not in check
    targets = set(re.findall(r"^(\w[\w-]*):", (root / "Makefile").read_text(), re.MULTILINE))
    script = (root / ".ci" / "run").read_text()
    assert set(re.findall(r"^make ([\w-]+)", script, re.MULTILINE)) == {"test", "book", "check-site", "clean-room"}
    for job in workflow["jobs"].values():
        for command in commands(job):
            name, *arguments = shlex.split(command)
            assert (root / name).is_file() or (name == "make" and arguments[0] in targets)


def test_the_chapters_are_executed_once_a_week_and_main_alone_is_published(workflow):
    (entry,) = workflow["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", entry["cron"])
    site, deploy = workflow["jobs"]["site"], workflow["jobs"]["deploy"]
    assert "make book PRESET=cpu" in commands(site) and site["needs"] == "check" and deploy["needs"] == "site"
    assert "github.ref == 'refs/heads/main'" in site["if"] and "github.event_name != 'pull_request'" in site["if"]


def test_a_job_has_no_more_rights_than_it_needs(root, workflow):
    assert workflow["permissions"] == READ
    rights = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert rights == {"deploy": {"pages": "write", "id-token": "write"}}
    assert "secrets" not in (root / ".github" / "workflows" / "book.yml").read_text()
    for step in (step for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step):
        assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])
        if step["uses"].startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.fixture
def hooks(root) -> dict[str, list[str]]:
    """Hook -> its command, by this Python."""
    found = load_config(str(root / ".pre-commit-config.yaml"))["repos"]
    entries = {hook["id"]: shlex.split(hook["entry"]) for repo in found for hook in repo["hooks"]}
    assert all(entry[0] == ".venv/bin/python" for entry in entries.values())
    return {name: [sys.executable, *entry[1:]] for name, entry in entries.items()}


def test_the_hooks_leave_the_stored_notebooks_as_they_are(root, hooks):
    assert set(hooks) == {"nbstripout", "ruff-check", "ruff-format"}
    files = [str(file) for file in sorted((root / "notebooks").glob("*.ipynb"))]
    for command in ([*hooks["nbstripout"], "--verify"], hooks["ruff-check"], [*hooks["ruff-format"], "--check"]):
        done = subprocess.run([*command, *files], cwd=root, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_hook_strips_what_a_run_leaves_and_keeps_the_ids(root, hooks, tmp_path):
    copy = shutil.copy(root / "notebooks" / "00_ten_minute_tour.ipynb", tmp_path)
    stored = json.loads((tmp_path / "00_ten_minute_tour.ipynb").read_text())
    executed = json.loads(json.dumps(stored))
    cell = next(cell for cell in executed["cells"] if cell["cell_type"] == "code")
    cell |= {"execution_count": 3, "outputs": [{"output_type": "stream", "name": "stdout", "text": ["2\n"]}]}
    cell["metadata"]["execution"] = {"iopub.status.busy": "now"}
    (tmp_path / "00_ten_minute_tour.ipynb").write_text(json.dumps(executed))
    subprocess.run([*hooks["nbstripout"], copy], check=True)
    assert json.loads((tmp_path / "00_ten_minute_tour.ipynb").read_text()) == stored
