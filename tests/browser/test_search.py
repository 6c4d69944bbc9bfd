"""The search finds pages without a server's help, and from the disk without complaint."""

import pytest
from visitor import SITE, visitor


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_search_finds_the_bibliography(browser, server, scheme):
    start = server if scheme == "http" else SITE.as_uri()
    with visitor(browser, server) as visit:
        page = visit.open(f"{start}/search.html?q=bibliography")
        page.wait_for_selector("#search-results li a")
        found = page.locator("#search-results li a").all_inner_texts()
        assert any("Bibliography" in title for title in found), found


def test_search_says_when_it_finds_nothing(browser, server):
    with visitor(browser, server) as visit:
        page = visit.open(f"{server}/search.html?q=xyzzyplugh")
        page.wait_for_function("() => /did not match/.test(document.querySelector('#search-results').innerText)")


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_index_leads_to_the_first_page(browser, server, scheme):
    with visitor(browser, server) as visit:
        visit.page.goto(f"{server if scheme == 'http' else SITE.as_uri()}/index.html")
        visit.page.wait_for_url("**/intro.html")
