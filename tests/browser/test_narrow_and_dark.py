"""Every page on a telephone and on a desk, light and dark: nothing scrolls sideways, the words are legible."""

THEMES = ["light", "dark"]
WORDS = (
    ".tulip-plot svg text, figcaption, article p, .tulip-controls :is(span, output), "
    ".tulip-explorable :is(svg text, li, span, p:not(.said), button, select)"
)
CONTRAST = """(selector) => {
  const channels = (colour) => {
    const context = document.createElement("canvas").getContext("2d");
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const linear = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  // the nearest background that is not see-through; hover boxes inside a drawing have none of their own
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return channels(getComputedStyle(document.body).backgroundColor);
  };
  return [...document.querySelectorAll(selector)]
    .filter((node) => node.textContent.trim() && node.getClientRects().length)
    .map((node) => {
      const style = getComputedStyle(node);
      const ink = channels(node instanceof SVGElement ? style.fill : style.color);
      const [high, low] = [light(ink), light(behind(node))].sort((a, b) => b - a);
      return [(high + 0.05) / (low + 0.05), node.textContent.trim().slice(0, 40)];
    });
}"""


def switch_to(page, theme: str) -> None:
    """Press the page's own switch until the theme is there."""
    for _ in range(3):
        # `auto` would follow the machine: it must be the named one
        if page.evaluate("() => document.documentElement.dataset.mode") == theme:
            break
        page.locator(".theme-switch-button:visible").first.click()
    assert page.evaluate("() => document.documentElement.dataset.theme") == theme
    # figures are redrawn, and the theme fades
    page.wait_for_timeout(400)


def test_fits_and_can_be_read(visit):
    page = visit.page
    width = page.viewport_size["width"]
    for theme in THEMES:
        switch_to(page, theme)
        wide = page.evaluate(
            "() => [document.documentElement.scrollWidth, document.querySelector('main')?.scrollWidth ?? 0]"
        )
        assert max(wide) <= width, f"the page is {max(wide)} pixels wide on a screen of {width}"
        for figure in page.locator(".tulip-plot .svg-container, .tulip-figure > img, svg[aria-label]").all():
            box = figure.bounding_box()
            assert box["width"] > 200 and box["x"] + box["width"] <= width, f"a figure does not fit: {box}"
        words = page.evaluate(CONTRAST, WORDS)
        faint = [(round(ratio, 2), text) for ratio, text in words if ratio < 4.5]
        assert not faint, f"hard to read in {theme}: {faint}"
