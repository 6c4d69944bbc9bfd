"""Take the picture of the built book that the README shows: _static/screenshot.png, below 300 kB."""

import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "_build" / "html" / "chapters" / "01_five_minutes.html"
PICTURE = ROOT / "_static" / "screenshot.png"


def main() -> None:
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if browser_path is None:
        sys.exit("no Chromium to take the picture with: apt-get install chromium (or name one in CHROMIUM)")
    if not PAGE.exists():
        sys.exit(f"{PAGE.relative_to(ROOT)} is not built: run make book")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(PAGE.as_uri())
        # the interactive figure is what the book is about: show it with the text around it
        figure = page.locator(".tulip-figure[data-drawn]").first
        figure.wait_for()
        figure.evaluate("f => window.scrollTo(0, f.getBoundingClientRect().top + scrollY - 160)")
        page.wait_for_timeout(1000)
        page.screenshot(path=PICTURE)
        browser.close()
    # flat colours: a palette keeps a screenshot's look at a third of its bytes
    Image.open(PICTURE).convert("RGB").quantize(192, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
