"""The built site works with no network: nothing is asked for outside, mathematics is set, figures and sounds are there.

Run by `make check-site`, never by a plain pytest.
"""

import base64
import io
import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
import soundfile

# Jupyter Book 1 declares this name twice on each page; nothing depends on it.
KNOWN_PAGE_ERRORS = ("THEBE_JS_URL' has already been declared",)
KNOWN_IN_CONSOLE = (
    # Of a font that a page preloads from a file; whatever else is not loaded fails by its request.
    "Access to font at 'file:",
    "Failed to load resource",
    "Got invalid theme mode",  # the theme, of a reader who has not chosen one yet
)
LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("audio", "src"), ("source", "src"), ("iframe", "src")}
# A link of one of these kinds is for machines that index the page; the browser fetches nothing for it.
NOT_FETCHED = {"canonical", "author", "license", "next", "prev", "index", "search", "genindex"}


class Page(HTMLParser):
    """What a page loads, what it links to, its images without alternative text, its players and its anchors."""

    def __init__(self, file):
        super().__init__()
        self.loads, self.links, self.no_alt, self.players, self.ids = [], [], [], [], set()
        self.figures = []  # those that are open, by what they say of themselves
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.add(attrs.get("id"))
        for name, value in attrs.items():
            fetched = not set((attrs.get("rel") or "").split()) & NOT_FETCHED
            if (tag, name) in LOADED and value and fetched:
                self.loads.append(value)
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag == "figure":
            self.figures.append(attrs.get("aria-label") or "")
        if tag == "audio":
            self.players.append(attrs | {"described": " ".join(self.figures)})
        if tag == "img":
            alt = attrs.get("alt") or ""
            if not alt.strip() or alt.endswith((".png", ".svg")) or alt.startswith(("../", "_images")):
                self.no_alt.append(attrs.get("src"))

    def handle_endtag(self, tag):
        if tag == "figure":
            self.figures.pop()


@pytest.fixture(scope="session")
def pages(site):
    found = {file: Page(file) for file in sorted(site.rglob("*.html")) if "_static" not in file.parts}
    assert site / "book" / "index.html" in found
    return found


def test_nothing_is_loaded_from_outside(site, pages):
    for file, page in pages.items():
        for address in page.loads:
            assert not urlsplit(address).scheme or address.startswith("data:"), f"{file.name} loads {address[:99]}"
            assert not address.startswith("//"), f"{file.name} loads {address[:99]}"
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert not re.search(r"""(@import|url\()\s*["']?\s*(url\()?["']?(https?:)?//""", text), style.name


def test_everything_that_is_loaded_or_linked_exists(pages):
    for file, page in pages.items():
        for address in page.loads + page.links:
            parts = urlsplit(address)
            if parts.scheme or address.startswith("//"):
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            assert target.exists(), f"{file.name}: {address} leads nowhere"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].ids, f"{file.name}: {address} has no such anchor"


def test_images_have_words(pages):
    assert {file.name: page.no_alt for file, page in pages.items() if page.no_alt} == {}


def test_players_have_names_and_words_and_play(pages):
    for file, page in pages.items():
        for player in page.players:
            assert player.get("aria-label"), f"{file.name}: a player without a name"
            assert len(player["described"].split()) >= 3, f"{file.name}: {player['aria-label']}: not described in words"
            kind, data = player["src"].split(",", 1)
            assert kind == "data:audio/mpeg;base64"
            audio, _ = soundfile.read(io.BytesIO(base64.b64decode(data)), always_2d=True)
            assert len(audio) > 0 and abs(audio).max() <= 1


def test_timings_name_every_chapter(site, pages, root):
    text = (site / "book" / "timings.html").read_text(encoding="utf-8")
    for notebook in (root / "notebooks").glob("*.ipynb"):
        assert f"../notebooks/{notebook.stem}.html" in pages[site / "book" / "timings.html"].links
    assert "all chapters" in text


def test_pages_open_in_a_browser_with_no_network(site, pages, browser):
    context = browser.new_context()
    refused, errors = [], []

    def gate(route):
        if route.request.url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    def failed(request):
        # A font that a page preloads is refused when the page is opened as a file; its style sheet then loads it.
        if request.resource_type != "font" and not request.url.endswith(".woff2"):
            errors.append(f"not loaded: {request.url[:99]}")

    def written(said):
        if said.type == "error" and not said.text.startswith(KNOWN_IN_CONSOLE):
            errors.append(f"console: {said.text}")

    context.route("**/*", gate)
    equations = players = 0
    for file in pages:
        tab = context.new_page()
        tab.on("pageerror", lambda error, name=file.name: errors.append(f"{name}: {error}"))
        tab.on("requestfailed", failed)
        tab.on("console", written)
        tab.goto(file.as_uri(), wait_until="load")
        # The redirect from index.html may need a moment, and so does MathJax, which is loaded deferred.
        tab.wait_for_load_state("networkidle")
        result = tab.evaluate(
            """async () => {
                if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
                const all = selector => [...document.querySelectorAll(selector)];
                return JSON.stringify({
                    written: all('.math').length,
                    set: all('.math mjx-container svg').filter(s => s.getBoundingClientRect().width > 0).length,
                    broken: all('mjx-merror, [data-mjx-error], .output.error').length,
                    images: all('img').filter(i => !(i.complete && i.naturalWidth)).map(i => i.src),
                    bare: all('.cell_output img').filter(i => !i.closest('figure')?.querySelector('figcaption')).length,
                    warned: all('.output.stderr').map(o => o.innerText.slice(0, 200)),
                    pipes: all('p').filter(p => p.innerText.startsWith('|')).length,
                    icons: document.fonts.size == 0 || [...document.fonts].some(f => f.status == 'loaded'),
                    // A desk folds its plain players away once it stands; a desk that does not stand leaves them open.
                    players: all('audio[controls]').filter(
                        a => a.getBoundingClientRect().width > 0 || a.closest('.desk')?.desk).length,
                })
            }"""
        )
        seen = json.loads(result)
        assert seen["broken"] == 0, f"{file.name}: an equation or an output is broken"
        assert seen["set"] >= seen["written"], f"{file.name}: {seen}"
        assert seen["images"] == [], f"{file.name}: images do not show"
        assert seen["bare"] == 0, f"{file.name}: a plot without a caption"
        assert seen["warned"] == [], f"{file.name}: a cell wrote to standard error"
        assert seen["pipes"] == 0, f"{file.name}: a table is not set as one"
        assert seen["icons"], f"{file.name}: no icon font was loaded"
        assert seen["players"] == len(pages[file].players) or file.name == "index.html", f"{file.name}: {seen}"
        equations, players = equations + seen["set"], players + seen["players"]
        tab.close()
    assert refused == []
    assert [error for error in errors if not any(known in error for known in KNOWN_PAGE_ERRORS)] == []
    assert equations > 0
    assert players > 0
