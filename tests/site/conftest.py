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


@pytest.fixture
def opened(html, browser, tmp_path):
    """A function that opens a page with a module's ``html``, in a context of its own; at the end, nothing may have been
    asked for or gone wrong."""
    page, troubles, contexts = tmp_path / "page.html", [], []
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    page.write_text(f"{head}<title>A page</title>{html}", encoding="utf-8")

    def open_page(before: str = "", **options):
        contexts.append(browser.new_context(**options))
        tab = contexts[-1].new_page()
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("console", lambda said: troubles.append(said.text) if said.type in ("error", "warning") else None)
        tab.on("request", lambda asked: troubles.append(asked.url) if asked.url[:5] not in ("file:", "data:") else None)
        if before:
            tab.add_init_script(before)
        tab.goto(page.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []
