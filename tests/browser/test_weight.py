"""What a reader downloads: at most 6 MB with the first page, 300 kB with a page of theory, 400 kB with any other."""

import pytest
from visitor import SITE, pages, visitor

FIRST, LATER, THEORY, NOTEBOOK = 6_000_000, 400_000, 300_000, 400_000
THEORY_PAGES = ("chapters/02", "chapters/03", "chapters/04")
# the first page fetches ahead half a second after it has loaded
FETCH_AHEAD = 1500


def test_a_reader_pays_once(browser, server):
    with visitor(browser, server) as visit:
        known: set[str] = set()
        for number, path in enumerate(pages()):
            page = visit.open(f"{server}/{path}")
            page.wait_for_timeout(300 if number else FETCH_AHEAD)
            new = {address: size for address, size in visit.loaded.items() if address not in known}
            known |= new.keys()
            total, limit = sum(new.values()), THEORY if path.startswith(THEORY_PAGES) else LATER if number else FIRST
            print(f"{total / 1000:8.0f} kB  {path}")
            heaviest = sorted(((size, address) for address, size in new.items()), reverse=True)[:5]
            assert total <= limit, f"{path}: {total} bytes, at most {limit}; the heaviest: {heaviest}"


def test_any_page_may_be_the_first(visit):
    visit.page.wait_for_timeout(300)
    assert sum(visit.loaded.values()) <= FIRST, sorted(visit.loaded.items(), key=lambda item: -item[1])[:5]


@pytest.mark.parametrize(
    "notebook",
    sorted([*SITE.parents[1].glob("chapters/*.ipynb"), SITE.parents[1] / "errata.ipynb"]),
    ids=lambda path: path.name,
)
def test_a_notebook_is_small(notebook):
    assert notebook.stat().st_size <= NOTEBOOK, f"{notebook.name} is {notebook.stat().st_size} bytes"
