"""Every page, over http:// and from the disk: drawn whole, without an error and without asking another site."""

import re

# what a reader sees, without code (which may hold dollars) and without what MathJax keeps for screen readers
VISIBLE_TEXT = """() => {
  const skip = "script, style, noscript, code, pre, mjx-container, .MathJax, textarea";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT, {
    acceptNode: (node) => node.parentElement.closest(skip) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
  });
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode.data);
  return texts.join("\\n");
}"""
RAW_TEX = re.compile(r"\$[^$\n]+\$|\\\(|\\\[|\\begin\{|\\(frac|lambda|ell|nabla|lVert|mathbb)\b")


def test_nothing_goes_wrong(visit):
    # and once more when the page is left: see visitor.py
    visit.check()


def test_everything_is_drawn(visit):
    page = visit.page
    # pictures further down may load when they come into view
    page.evaluate("() => document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    page.wait_for_function("() => [...document.images].every(i => i.complete)")
    assert page.evaluate("() => [...document.images].filter(i => !i.naturalWidth).map(i => i.src)") == []
    for plot in page.locator(".tulip-plot").all():
        drawn = plot.evaluate(
            "p => p.querySelectorAll('.main-svg :is(.trace, .hm, .contour, .im, .imagelayer image, .box)').length"
        )
        assert drawn > 0, f"a figure without curves: {plot.get_attribute('aria-label')}"
    for explorable in page.locator(".tulip-explorable").all():
        curves = explorable.evaluate(
            "e => [...e.querySelectorAll('svg[aria-label] path')].filter(p => p.getAttribute('d')).length"
        )
        assert curves > 0, f"an explorable without curves: {explorable.get_attribute('aria-label')}"
    assert page.locator(".js-plotly-plot:not(.tulip-plot)").count() == 0, (
        "a plotly figure that figures.show did not show"
    )
    assert page.evaluate("() => document.fonts.ready.then(f => [...f].filter(x => x.status === 'error').length)") == 0


def test_no_tex_is_left(visit):
    page = visit.page
    left = RAW_TEX.search(page.evaluate(VISIBLE_TEXT))
    assert left is None, f"TeX that was not set: {left.group()!r}"
    formulas = page.locator("span.math, div.math")
    assert formulas.locator("mjx-container").count() == formulas.count()
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0


def test_every_figure_is_told(visit):
    page = visit.page
    for figure in page.locator("figure").all():
        words = figure.evaluate(
            "f => f.querySelector('.tulip-plot, .tulip-explorable')?.getAttribute('aria-label')"
            " ?? f.querySelector('img')?.alt ?? ''"
        )
        assert words.strip(), f"no text alternative: {figure.inner_html()[:200]}"
        caption = figure.locator("figcaption")
        assert caption.is_visible() and caption.inner_text().strip(), f"no caption: {words}"
    for picture in page.locator("article img").all():
        assert (picture.get_attribute("alt") or "").strip(), f"no alt: {picture.get_attribute('src')}"
    assert page.locator(".cell_output > img").count() == 0, "a picture that figures.show did not show"


def test_controls_have_names(visit):
    page = visit.page
    for control in page.locator(":is(.tulip-controls, .tulip-explorable) :is(input, select, button)").all():
        assert control.evaluate("c => c.labels?.[0]?.innerText || c.ariaLabel || c.innerText").strip()
