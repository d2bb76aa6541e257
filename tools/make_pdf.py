"""Print the built site to one PDF, every page of its table of contents, by a headless Chromium.

    python tools/make_pdf.py [FOLDER OF THE SITE] [PDF]

Links within a page lead to their place in it; those to the network are kept, and printed; others are words alone.
"""

import io
import os
import shutil
import sys
from pathlib import Path

from chapters import ROOT, entries
from playwright.sync_api import Browser, sync_playwright
from pypdf import PdfReader, PdfWriter

SITE, BOOK = ROOT / "_build" / "html", ROOT / "_build" / "pdf" / "tfr-gan-lite.pdf"
PATIENCE_MS = 120_000
SCALE = 0.8  # of the letters on a screen: on paper they are read from nearer, and lines of code fit
# Runs as root in a container, and asks nothing of the network by itself.
BROWSER_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A page of the site is a file of this machine, and its name has no place in a PDF.
UNLINK = """() => {
    for (const link of document.querySelectorAll("a[href]")) {
        const target = new URL(link.href);
        const here = target.href.split("#")[0] === location.href.split("#")[0];
        if (target.protocol === "file:" && !here) link.removeAttribute("href");
    }
}"""
MATHS = "async () => { if (window.MathJax && MathJax.startup) await MathJax.startup.promise; }"
FOOTER = '<div style="font-size: 8px; text-align: center; width: 100%">{} · page <span class="pageNumber"></span></div>'


def chromium() -> str | None:
    """The path of an installed Chromium, None if there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def printed(browser: Browser, page: Path) -> tuple[str, bytes]:
    """A page's title, and the page as a PDF of A4 sheets."""
    tab = browser.new_page(color_scheme="light")
    tab.goto(page.as_uri(), wait_until="load", timeout=PATIENCE_MS)
    tab.evaluate(MATHS)
    tab.evaluate(UNLINK)
    title = tab.locator("article h1").first.evaluate("heading => heading.firstChild.textContent.trim()")
    margin = dict.fromkeys(("top", "bottom", "left", "right"), "18mm")
    feet = {"display_header_footer": True, "header_template": "<span></span>", "footer_template": FOOTER.format(title)}
    made = tab.pdf(format="A4", margin=margin, scale=SCALE, tagged=True, **feet)
    tab.close()
    return title, made


def main(site: Path, book: Path) -> int:
    """Print the site's pages into the file book, with a bookmark for each; 1 if that cannot be done."""
    if not (site / "book" / "index.html").is_file():
        print(f"pdf: {site.name}: holds no built site; run make book first")
        return 1
    if (executable := chromium()) is None:
        print("pdf: no chromium found; install it first (on Debian: apt-get install chromium)")
        return 1
    writer = PdfWriter()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=BROWSER_ARGS)
        for entry in entries(ROOT):
            title, made = printed(browser, site / f"{entry}.html")
            writer.append(PdfReader(io.BytesIO(made)), outline_item=title, import_outline=False)
            print(f"pdf: {title}", flush=True)
        browser.close()
    writer.add_metadata({"/Title": "TFR-GAN lite: intelligent music mixing"})
    book.parent.mkdir(parents=True, exist_ok=True)
    writer.write(book)
    print(f"the book is printed: {os.path.relpath(book)}, {len(writer.pages)} pages")
    return 0


if __name__ == "__main__":
    given = [Path(name).resolve() for name in sys.argv[1:]]
    sys.exit(main(*given, *(SITE, BOOK)[len(given) :]))
