"""A reader whose browser runs no scripts sees every figure."""

import pytest
from visitor import SITE, pages

FIGURES = [path for path in pages() if "tulip-figure" in (SITE / path).read_text(encoding="utf-8")]


def test_there_are_figures():
    assert len(FIGURES) >= 4


@pytest.mark.parametrize("path", FIGURES)
def test_every_figure_is_a_picture(browser, path):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1000, "height": 900})
    page = context.new_page()
    page.goto(f"{SITE.as_uri()}/{path}")
    figures = page.locator(".tulip-figure").all()
    assert figures
    for figure in figures:
        picture = figure.locator("img")
        picture.scroll_into_view_if_needed()
        box = picture.bounding_box()
        # a picture that does not load is as high as its line of words
        assert box and box["width"] > 200 and box["height"] > 100, f"no picture: {figure.inner_html()[:300]}"
        assert picture.get_attribute("alt").strip()
    context.close()
