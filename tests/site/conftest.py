"""The tests of the built site: python -m pytest tests/site --site FOLDER."""

import os
from pathlib import Path

import pytest
from make_pdf import BROWSER_ARGS, chromium


def pytest_addoption(parser):
    parser.addoption("--site", type=Path, help="folder of the built site, with index.html")


@pytest.fixture(scope="session")
def site(request) -> Path:
    """The built site's folder; asking for it without one is an error, not a reason to skip."""
    folder = request.config.getoption("--site")
    if folder is None or not (folder / "index.html").is_file():
        pytest.fail(f"--site {folder}: holds no built site; run make book first, then make check-site", pytrace=False)
    return folder.resolve()


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    executable = chromium()
    if executable is None:
        message = "no chromium found (on Debian: apt-get install chromium): the pages were not opened in a browser"
        pytest.fail(message, pytrace=False) if os.environ.get("CI") == "true" else pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=BROWSER_ARGS)
        yield browser
        browser.close()
