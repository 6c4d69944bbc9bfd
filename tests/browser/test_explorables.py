"""What only a hand does: dragging in charts, scrolling over them, and training the playground's network."""

import re

import pytest
from visitor import visitor

STEP, BOUNDS, PLAYGROUND = "04_finite_difference", "02_how_far", "04_playground"


@pytest.fixture
def open_page(browser, server):
    """Opens a chapter at a width; errors of the page fail the test."""
    with visitor(browser, server, 1400) as wide, visitor(browser, server, 390) as narrow:
        yield lambda chapter, width=1400: (wide if width > 500 else narrow).open(f"{server}/chapters/{chapter}.html")


def box_of(chart) -> dict[str, float]:
    chart.scroll_into_view_if_needed()
    return chart.bounding_box()


def test_a_chart_is_dragged_with_the_main_button_only(open_page):
    page = open_page(STEP)
    explorable = page.locator(".tulip-explorable").first
    box, h = box_of(explorable.locator("svg[aria-label]")), explorable.locator("input[type=range]").first
    before = h.get_attribute("aria-valuetext")
    for button, moves in (("right", False), ("left", True)):
        page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
        page.mouse.down(button=button)
        page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
        page.mouse.up(button=button)
        page.wait_for_timeout(100)
        assert (h.get_attribute("aria-valuetext") != before) == moves
    # let go, the rule stays where it is
    there = h.get_attribute("aria-valuetext")
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.5 * box["height"])
    page.wait_for_timeout(100)
    assert h.get_attribute("aria-valuetext") == there


def test_a_finger_that_scrolls_changes_nothing_and_a_tap_does(open_page):
    page = open_page(STEP, 390)
    explorable = page.locator(".tulip-explorable").first
    h = explorable.locator("input[type=range]").first
    chart = explorable.locator("svg[aria-label]")
    before, box, scrolled = h.get_attribute("aria-valuetext"), box_of(chart), page.evaluate("() => scrollY")
    x, y = box["x"] + 0.3 * box["width"], box["y"] + 0.8 * box["height"]
    device = page.context.new_cdp_session(page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": px, "y": py} for px, py in places]
        device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (x, y))
    for i in range(1, 11):
        touch("touchMove", (x, y - 15 * i))
    touch("touchEnd")
    page.wait_for_timeout(300)
    assert page.evaluate("() => scrollY") > scrolled + 50
    assert h.get_attribute("aria-valuetext") == before
    box = box_of(chart)
    page.touchscreen.tap(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    page.wait_for_timeout(200)
    assert h.get_attribute("aria-valuetext") != before


def test_what_is_read_out_waits_for_the_hand(open_page):
    page = open_page(BOUNDS)
    page.wait_for_timeout(1500)
    spoken = page.evaluate("""async () => {
      const explorable = document.querySelector(".tulip-explorable");
      const [said, slider] = [explorable.querySelector("[aria-live]"), explorable.querySelector("input[type=range]")];
      let count = 0;
      const every = { childList: true, characterData: true, subtree: true };
      new MutationObserver((records) => { count += records.length; }).observe(said, every);
      for (let i = 0; i < 60; i++) {
        slider.value = (i % 50) / 50;
        slider.dispatchEvent(new Event("input"));
        await new Promise(requestAnimationFrame);
      }
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return [count, said.textContent === explorable.querySelector(".readout").textContent];
    }""")
    assert spoken == [1, True]


def test_two_explorables_on_a_page_do_not_cut_each_other(open_page):
    page = open_page(BOUNDS)
    names = page.evaluate("""async () => {
      const stored = document.querySelector('script[type="application/vnd.jupyter.widget-state+json"]').textContent;
      const { state } = JSON.parse(stored);
      const values = state[document.querySelector(".tulip-explorable").dataset.model].state;
      const view = (await import(URL.createObjectURL(new Blob([values._esm], { type: "text/javascript" })))).default;
      const el = document.body.appendChild(document.createElement("div"));
      const undo = view.render({ model: { get: (n) => values[n], set() {}, save_changes() {}, on() {}, off() {} }, el });
      const ids = [...document.querySelectorAll(".tulip-explorable clipPath")].map((c) => c.id);
      undo();
      return ids;
    }""")
    assert len(names) == len(set(names)) == 2


def test_the_drawn_example_comes_back(open_page):
    page = open_page(BOUNDS)
    explorable = page.locator(".tulip-explorable").first
    values = "e => [...e.querySelectorAll('input[type=range]')].map(s => s.ariaValueText)"
    before = explorable.evaluate(values)
    source = explorable.locator("select").first
    for network in source.evaluate("s => [...s.options].map(o => o.value)")[1:]:
        source.select_option(network)
        page.wait_for_timeout(100)
        assert explorable.evaluate(values) != before
    source.select_option("")
    page.wait_for_timeout(100)
    assert explorable.evaluate(values) == before


def test_the_playground_trains(open_page):
    page = open_page(PLAYGROUND)
    explorable = page.locator(".tulip-explorable").first

    def press(name: str) -> None:
        explorable.get_by_role("button", name=name, exact=True).click()

    def steps() -> int:
        return int(re.search(r"(\d+) steps", explorable.inner_text())[1])

    started = steps()
    press("Step")
    page.wait_for_timeout(200)
    assert steps() == started + 1
    press("Reset")
    page.wait_for_timeout(200)
    assert steps() == 0
    press("Run")
    page.wait_for_timeout(800)
    press("Pause")
    page.wait_for_timeout(200)
    paused = steps()
    page.wait_for_timeout(400)
    assert 0 < paused < started and steps() == paused
    # on from there to the full number, and no further
    press("Run")
    explorable.get_by_role("button", name="Run", exact=True).wait_for(timeout=60_000)
    assert steps() == started


def test_a_sweep_draws_the_trade_off_and_a_slider_leaves_it(open_page):
    page = open_page(PLAYGROUND)
    explorable = page.locator(".tulip-explorable").first
    robust = explorable.locator("path[data-name=robust-dots]")
    dots = lambda: len(re.findall("a", robust.get_attribute("d") or "")) // 2  # noqa: E731  a circle is two arcs
    assert dots() == 1
    explorable.get_by_role("button", name="Sweep λ", exact=True).click()
    page.wait_for_timeout(500)
    explorable.get_by_role("button", name="Run", exact=True).wait_for(timeout=90_000)
    assert dots() >= 7
    swept = dots()
    slider = explorable.get_by_label("λ", exact=False).first
    for _ in range(8):
        slider.press("ArrowLeft")
        page.wait_for_timeout(60)
    assert dots() >= swept
