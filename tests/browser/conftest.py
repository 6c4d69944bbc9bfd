"""The built book as a browser meets it: pages from a local server and from the disk, with the outside shut off."""

import functools
import http.server
import os
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

SITE = Path(__file__).resolve().parents[2] / "_build" / "html"
# pages that Sphinx makes beside those of the table of contents
MADE_BY_SPHINX = ["search.html", "genindex.html"]
# every plotly figure is drawn and every widget shown
DRAWN = """() => {
  const count = (selector) => document.querySelectorAll(selector).length;
  return count(".tulip-plot") === count(".tulip-figure[data-drawn]")
    && count(".widget-subarea .jupyter-widgets") >= count('script[type="application/vnd.jupyter.widget-view+json"]');
}"""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def pages() -> list[str]:
    """Every page of the site, in reading order: the first page, the chapters, then Sphinx's own."""
    found = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if "_static" not in path.parts)
    order = ["intro.html", *(p for p in found if p.startswith("chapters/"))]
    rest = [p for p in found if p not in [*order, "index.html", *MADE_BY_SPHINX] and not p.startswith("assets/")]
    return [*order, *rest, *(p for p in MADE_BY_SPHINX if p in found)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "page_path" in metafunc.fixturenames:
        metafunc.parametrize("page_path", pages())


def pytest_sessionstart() -> None:
    if not (SITE / "index.html").exists():
        pytest.exit("the book is not built: run make book", returncode=1)


@dataclass
class Visit:
    """A page and what it did that a reader would not see."""

    page: Page
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    # bytes of every answer, by address without fragment
    loaded: dict[str, int] = field(default_factory=dict)

    def open(self, address: str) -> Page:
        self.page.goto(address, wait_until="load")
        # formulas are set and figures drawn after the page has loaded
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        self.page.wait_for_function(DRAWN, timeout=15_000)
        return self.page


@pytest.fixture(scope="session")
def browser() -> Browser:
    binary = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if binary is None:
        message = "no Chromium for the browser tests: apt-get install chromium (or name one in CHROMIUM)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server() -> str:
    """The site's address on a server of this machine, as any web server would hand it out."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@pytest.fixture
def visit(browser: Browser, server: str, request: pytest.FixtureRequest) -> Visit:
    """A fresh browser, 1400 pixels wide, that reaches nothing but the site; errors and outside requests fail the test."""
    width = getattr(request, "param", 1400)
    # a narrow screen is a telephone's: without a mouse
    context = browser.new_context(viewport={"width": width, "height": 900}, has_touch=width < 500)
    visit = Visit(context.new_page())

    def guard(route: Route) -> None:
        address = route.request.url
        if address.startswith((server, SITE.as_uri(), "data:", "blob:")):
            return route.continue_()
        visit.outside.append(address)
        route.abort()

    context.route("**/*", guard)
    page = visit.page
    page.on("console", lambda message: message.type == "error" and visit.errors.append(message.text))
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("requestfailed", lambda failed: visit.errors.append(f"{failed.url}: {failed.failure}"))
    page.on("response", lambda answer: answer.ok or visit.errors.append(f"{answer.status} {answer.url}"))
    yield visit
    context.close()
    assert not visit.outside, f"asked other sites: {visit.outside}"
    assert not visit.errors, f"errors in the browser: {visit.errors}"


@pytest.fixture(params=["http", "file"])
def address(request: pytest.FixtureRequest, server: str, page_path: str) -> str:
    """The page over http:// and from the disk."""
    return f"{server if request.param == 'http' else SITE.as_uri()}/{page_path}"
