"""The built book as a browser meets it: pages from a local server and from the disk."""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from visitor import SITE, Visit, pages, visitor

# scheme and width in pixels: a desk, a disk, a telephone
VIEWS = [("http", 1400), ("file", 1400), ("http", 390)]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "visit" in metafunc.fixturenames:
        visits = [(path, *view) for path in pages() for view in VIEWS]
        names = ["-".join(map(str, each)) for each in visits]
        # of the session: a page is opened once for all tests that look at it
        metafunc.parametrize("visit", visits, ids=names, indirect=True, scope="session")


def pytest_sessionstart() -> None:
    if not (SITE / "index.html").exists():
        pytest.exit("the book is not built: run make book", returncode=1)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    binary = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if binary is None:
        message = "no Chromium for the browser tests: apt-get install chromium (or name one in CHROMIUM)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The site's address on a server of this machine, as any web server would hand it out."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@pytest.fixture(scope="session")
def visit(browser: Browser, server: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """One page in one view, opened."""
    path, scheme, width = request.param
    with visitor(browser, server, width) as visit:
        visit.open(f"{server if scheme == 'http' else SITE.as_uri()}/{path}")
        yield visit
