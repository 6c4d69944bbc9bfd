"""A visitor of the built book: what they open, and what went wrong that they would not see."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, Request, Route

SITE = Path(__file__).resolve().parents[2] / "_build" / "html"
# pages that Sphinx makes beside those of the table of contents
MADE_BY_SPHINX = ["search.html", "genindex.html"]
# every plotly figure and every explorable is drawn, and every widget shown
DRAWN = """() => {
  const count = (selector) => document.querySelectorAll(selector).length;
  return count(".tulip-plot, .tulip-explorable") === count(".tulip-figure[data-drawn]")
    && count(".widget-subarea .jupyter-widgets") >= count('script[type="application/vnd.jupyter.widget-view+json"]');
}"""


def pages() -> list[str]:
    """Every page of the site, in reading order: the first page, the chapters, then the rest and Sphinx's own."""
    found = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html"))
    found = [path for path in found if not path.startswith(("_static/", "assets/"))]
    order = ["intro.html", *(path for path in found if path.startswith("chapters/"))]
    # index.html only leads to the first page
    rest = [path for path in found if path not in [*order, "index.html", *MADE_BY_SPHINX]]
    return [*order, *rest, *(path for path in MADE_BY_SPHINX if path in found)]


@dataclass
class Visit:
    """A page and what it did that a reader would not see."""

    page: Page
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    # bytes of every answer
    loaded: dict[str, int] = field(default_factory=dict)

    def open(self, address: str) -> Page:
        self.page.goto(address, wait_until="load")
        # formulas are set and figures drawn after the page has loaded
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        self.page.wait_for_function(DRAWN, timeout=15_000)
        return self.page

    def check(self) -> None:
        assert not self.outside, f"asked other sites: {self.outside}"
        assert not self.errors, f"errors in the browser: {self.errors}"


@contextlib.contextmanager
def visitor(browser: Browser, server: str, width: int = 1400) -> Iterator[Visit]:
    """A fresh browser that reaches nothing but the site. At its end it fails on errors and on outside requests."""
    # a narrow screen is a telephone's: without a mouse
    context = browser.new_context(viewport={"width": width, "height": 900}, has_touch=width < 500)
    visit = Visit(context.new_page())

    def guard(route: Route) -> None:
        if route.request.url.startswith((server, SITE.as_uri(), "data:", "blob:")):
            return route.continue_()
        visit.outside.append(route.request.url)
        route.abort()

    def weigh(request: Request) -> None:
        if request.url.startswith("http"):
            visit.loaded[request.url.split("#")[0]] = request.sizes()["responseBodySize"]

    context.route("**/*", guard)
    page = visit.page
    page.on("console", lambda message: message.type == "error" and visit.errors.append(message.text))
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("requestfailed", lambda failed: visit.errors.append(f"{failed.url}: {failed.failure}"))
    page.on("response", lambda answer: answer.ok or visit.errors.append(f"{answer.status} {answer.url}"))
    page.on("requestfinished", weigh)
    yield visit
    context.close()
    visit.check()
