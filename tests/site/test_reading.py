"""The pages can be read: by WCAG 2.2 AA, on a telephone, on paper, in the dark, by keyboard, by search, within 3 MB."""

import io
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from chapters import entries
from make_pdf import MATHS, PATIENCE_MS, printed
from pypdf import PdfReader

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
CONTRAST = ["color-contrast"]
MAX_BYTES = 3_000_000
# Axe would be minutes with what stands on a page a thousand times: code, whose colours have a test of their own, and
# the outlines of formulas, which are hidden from a screen reader and stand beside MathML. What is folded is opened.
SIMPLER = """() => {
    for (const code of document.querySelectorAll("pre, dt.sig")) code.textContent = code.textContent;
    for (const formula of document.querySelectorAll("mjx-container svg")) formula.replaceChildren();
    for (const folded of document.querySelectorAll("details")) folded.open = true;
    document.head.insertAdjacentHTML("beforeend", "<style>* { transition: none !important; }</style>");
    for (const folded of document.querySelectorAll(".toggle-hidden")) folded.classList.remove("toggle-hidden");
}"""
SCHEME = "scheme => { document.documentElement.dataset.theme = scheme; }"
# Of a page: how wide it is, where title and first sentence end, and what passes its right edge without a box that
# scrolls around it.
FIRST_SCREEN = """() => {
    const box = node => node.getBoundingClientRect();
    const scrolls = node => node && node.tagName !== "MAIN" && node.tagName !== "BODY"
        && (/auto|scroll/.test(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
    const article = document.querySelector("article"), said = [...article.querySelectorAll("p, dt")];
    return {
        width: document.scrollingElement.scrollWidth,
        title: box(article.querySelector("h1")).bottom,
        sentence: box(said.find(p => p.innerText.trim() && box(p).height)).top,
        beyond: [...article.querySelectorAll("*")]
            .filter(node => box(node).width > 1 && box(node).right > innerWidth + 1 && !scrolls(node))
            .map(node => node.outerHTML.slice(0, 99)),
    };
}"""


@pytest.fixture(scope="module")
def listed(site, root) -> list[Path]:
    """The pages of the table of contents."""
    return [site / f"{entry}.html" for entry in entries(root)]


@pytest.fixture
def opened(browser):
    """A function that opens a page, its mathematics set, in a window of its own."""
    contexts = []

    def open_page(file: Path, query: str = "", **options):
        contexts.append(browser.new_context(**options))
        tab = contexts[-1].new_page()
        tab.goto(file.as_uri() + query, wait_until="load", timeout=PATIENCE_MS)
        tab.evaluate(MATHS)
        return tab

    yield open_page
    for context in contexts:
        context.close()


def violations(tab, rules: list[str], within: str | None = None) -> list[str]:
    """What axe-core says against a page: the rule, and where it is broken."""
    options = {"runOnly": rules, "resultTypes": ["violations"], "preload": False}
    found = Axe().run(tab, within, options).response["violations"]
    return [f"{rule['id']}: {node['html'][:120]}" for rule in found for node in rule["nodes"]]


def test_axe_finds_nothing_in_the_light_and_in_the_dark(site, listed, opened):
    wrong = []
    for file in [*listed, site / "search.html", site / "genindex.html"]:
        tab = opened(file, color_scheme="light")
        tab.evaluate(SIMPLER)
        found = violations(tab, LEVELS)
        tab.evaluate(SCHEME, "dark")
        found += [f"dark: {each}" for each in violations(tab, CONTRAST)]
        wrong += [f"{file.name}: {each}" for each in found]
        tab.context.close()
    assert wrong == [], "\n".join(wrong)


def test_axe_would_find_a_fault(site, opened):
    tab = opened(site / "book" / "credits.html")
    tab.evaluate("""() => {
        const fault = '<img src="x.png"><p style="color: #999; background: #fff">faint</p>';
        document.querySelector('article').insertAdjacentHTML('beforeend', fault);
    }""")
    assert [each.split(":")[0] for each in violations(tab, LEVELS)] == ["color-contrast", "image-alt"]


def test_the_colours_of_code_can_be_read_in_both_schemes(site, listed, opened):
    code = "".join(part for f in listed for part in re.findall(r"<pre>.*?</pre>", f.read_text(encoding="utf-8"), re.S))
    kinds = sorted(set(re.findall(r'<span class="([a-z]{1,2}\d?)">', code)))
    assert {"k", "n", "s2", "c1"} <= set(kinds)
    tab = opened(site / "book" / "teachers.html", color_scheme="light")
    sample = "".join(f'<span class="{kind}">{kind}</span> ' for kind in kinds)
    tab.locator(".highlight pre").first.evaluate("(pre, sample) => { pre.innerHTML = sample; }", sample)
    for scheme in ("light", "dark"):
        tab.evaluate(SCHEME, scheme)
        assert violations(tab, CONTRAST, ".highlight pre") == [], scheme


def test_the_first_screen_of_a_telephone_is_usable(listed, opened):
    wrong = {}
    for file in listed:
        tab = opened(file, viewport={"width": 390, "height": 844})
        seen = tab.evaluate(FIRST_SCREEN)
        if seen["width"] > 390 or seen["title"] > 844 or seen["sentence"] > 800 or seen["beyond"]:
            wrong[file.name] = seen
        tab.context.close()
    assert wrong == {}


def test_what_scrolls_can_be_reached_by_keyboard(site, opened):
    tab = opened(site / "book" / "results.html", viewport={"width": 390, "height": 844})
    table = tab.locator(".pst-scrollable-table-container[tabindex='0']").first
    table.focus()
    table.press("ArrowRight")
    tab.wait_for_function("() => document.activeElement.scrollLeft > 0")


def test_every_page_is_below_3_mb(site, capsys):
    lines, heavy = ["page, kB with its pictures and sounds, loaded from outside"], {}
    for file in sorted(site.rglob("*.html")):
        if "_static" in file.parts:
            continue
        text = file.read_text(encoding="utf-8")
        loads = set(re.findall(r'<(?:script|link|img|audio|source|iframe)\b[^>]*?\s(?:src|href)="([^"]*)"', text))
        own = {(file.parent / unquote(urlsplit(a).path)).resolve() for a in loads if "_images/" in a[:40]}
        size = file.stat().st_size + sum(picture.stat().st_size for picture in own)
        outside = sum(address.startswith(("http:", "https:", "//")) for address in loads)
        lines.append(f"{file.relative_to(site).as_posix()}, {size / 1000:.0f}, {outside}")
        if size > MAX_BYTES or outside:
            heavy[file.name] = lines[-1]
    with capsys.disabled():
        print("", *lines, sep="\n")
    assert heavy == {}


def test_a_chapter_prints_whole(site, browser):
    page = site / "notebooks" / "04_positional_encoding.html"
    title, made = printed(browser, page)
    sheets = PdfReader(io.BytesIO(made)).pages
    assert title == "04 Positional encoding" and len(sheets) >= 8
    text = re.sub(r"\s", "", "".join(sheet.extract_text() for sheet in sheets))
    for words in ("In this chapter", "To be heard on the page", "Summary", "Solution"):
        assert re.sub(r"\s", "", words) in text, words
    assert "Contents" in text and "Skip to main content" not in text and "file:" not in text
    # The longest line of code is not cut off at the margin.
    code = re.findall(r"<pre>(.*?)</pre>", page.read_text(encoding="utf-8"), re.DOTALL)
    longest = max((re.sub(r"<[^>]*>", "", line) for part in code for line in part.splitlines()), key=len)
    ascii_only = re.sub(r"&\w+;|&#\d+;|\s", "", longest)[-20:]
    assert ascii_only in text
    targets = [str(note.get_object().get("/A", {}).get("/URI", "")) for s in sheets for note in s.get("/Annots", [])]
    assert [target for target in targets if target.startswith("file:")] == []


def test_search_finds_a_word_with_no_network(site, opened):
    tab = opened(site / "search.html", "?q=reverb")
    found = tab.locator("#search-results li a")
    found.first.wait_for()
    assert any("notebooks/" in link.get_attribute("href") for link in found.all())


def test_dark_mode_is_reached_and_switched_by_keyboard(site, opened):
    tab = opened(site / "book" / "credits.html", color_scheme="light")
    switch = tab.locator(".theme-switch-button").first
    for _ in range(80):
        tab.keyboard.press("Tab")
        if switch.evaluate("button => button === document.activeElement"):
            break
    seen = set()
    for _ in range(3):  # light, dark, and what the system has
        tab.keyboard.press("Enter")
        seen.add(tab.evaluate("() => document.documentElement.dataset.theme"))
    assert seen == {"light", "dark"}


def test_pages_lead_to_the_next_and_back(listed):
    for before, after in zip(listed, listed[1:], strict=False):
        for file, kind, target in ((before, "right-next", after), (after, "left-prev", before)):
            link = re.search(rf'class="{kind}"\s+href="([^"]*)"', file.read_text(encoding="utf-8"))
            assert link and (file.parent / link[1]).resolve() == target, f"{file.name}: {kind}"


def test_each_chapter_says_at_its_opening_how_long_it_takes(listed):
    for file in listed:
        if file.parent.name == "notebooks":
            opening = file.read_text(encoding="utf-8").split("In this chapter", 1)[1].split("</div>", 1)[0]
            said = re.sub(r"<[^>]*>", "", opening)
            assert re.search(r"Reading time: \d+ min. Running time: [\dmins ]+ with the preset \w+ \(", said), file.name
