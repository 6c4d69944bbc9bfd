"""The attack viewer on a page without a kernel, in every control, and in JupyterLab, where it runs attacks."""

import base64
import json
import re
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from live_notebook import notebook, run
from small_viewer import FAILED, WRONG, small_viewer
from test_narrow_and_dark import CONTRAST, WORDS
from visitor import visitor

from tulip_lite import norms
from tulip_lite.widgets.viewer.blocks import direction

# a page of the book with a viewer, and one made here, which holds every case that can be
PAGES = ("chapters/06_viewer.html", "")
ROOT = Path(__file__).resolve().parents[2]
# the colours of the book's theme, light and dark
THEME = """
html { --pst-color-text-base: #222832; --pst-color-border: #c9c9c9; --pst-color-background: #fff;
  --pst-color-surface: #f5f5f5; --pst-color-primary: #176de8; font: 16px sans-serif }
html[data-theme=dark] { --pst-color-text-base: #ced6dd; --pst-color-border: #48566b; --pst-color-background: #14181e;
  --pst-color-surface: #29313d; --pst-color-primary: #66a6ff; color-scheme: dark }
body { background: var(--pst-color-background); color: var(--pst-color-text-base);
  max-width: 46rem; margin: auto; padding: 0 16px }
"""
STATE = """node => {
  const stored = document.querySelector('script[type="application/vnd.jupyter.widget-state+json"]').textContent;
  return JSON.parse(stored).state[node.dataset.model].state;
}"""
PIXELS = """canvas => [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]"""


def page_of(widget) -> str:
    """A page with one explorable, made and drawn as the book's are."""
    state = {"state": {"m": {"state": widget.get_state()}}}
    text = json.dumps(state, default=lambda value: None).replace("</", "<\\/")
    style, script = (ROOT / "_static" / "book.css").read_text(), (ROOT / "_static" / "explorables.js").read_text()
    return (
        '<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>Viewer</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{THEME}{style}</style><main><figure class='tulip-figure'>"
        "<div class='tulip-explorable' data-model='m'></div><noscript></noscript><figcaption>Words.</figcaption></figure></main>"
        f"<script type='application/vnd.jupyter.widget-state+json'>{text}</script><script>{script}</script></html>"
    )


class Viewer:
    """A viewer on a page, and what its stored state says it should show."""

    def __init__(self, page):
        self.page, self.node = page, page.locator(".tulip-explorable:has(.viewer)").first
        state = self.node.evaluate(STATE)
        self.state = SimpleNamespace(
            **{name: state[name] for name in ("entries", "grids", "classes", "labels", "shape")}
        )
        unpacked = {
            name: np.frombuffer(zlib.decompress(base64.b64decode(state[name])), np.uint8)
            for name in ("images", "answers", "levels")
        }
        count, shape = len(self.state.labels), self.state.shape
        self.images = unpacked["images"].reshape(count, *shape).cumsum(-1, dtype=np.uint8)
        self.levels = unpacked["levels"].reshape(-1, count, *shape)
        self.answers, start = [], 0
        for entry in self.state.entries:
            size = (count, 1 + len(self.state.classes), len(self.state.grids[entry["norm"]]) + 1)
            table = unpacked["answers"][start : start + np.prod(size)].reshape(size)
            self.answers.append(table.cumsum(-1, dtype=np.uint8).astype(int))
            start += np.prod(size)
        self.slider = self.node.locator("input[type=range]")
        self.radios = self.node.locator("input[type=radio]")
        self.pictures = self.node.locator(".pictures canvas")
        self.readout = self.node.locator(".readout")

    def choose(self, **chosen: str) -> None:
        for name, value in chosen.items():
            self.node.locator("label", has_text=name.capitalize()).locator("select").select_option(value)
            self.page.wait_for_timeout(60)

    def chosen(self) -> tuple[int, int]:
        """The entry and the image that the controls say."""
        read = "all => all.map((one) => one.value)"
        names = dict(zip(("network", "attack", "norm"), self.node.locator("select").evaluate_all(read), strict=True))
        (entry,) = [e for e, each in enumerate(self.state.entries) if names.items() <= each.items()]
        (image,) = self.radios.evaluate_all("all => all.flatMap((one, i) => (one.checked ? [i] : []))")
        return entry, image

    def stops(self) -> list[tuple[float, int]]:
        """(radius, row of the answers) of each stop of the slider."""
        entry, image = self.chosen()
        grid, distance = (
            self.state.grids[self.state.entries[entry]["norm"]],
            self.state.entries[entry]["distances"][image],
        )
        found = [(distance, len(grid))] if distance else []
        return sorted([*((radius, row) for row, radius in enumerate(grid)), *found])

    def check(self) -> bool:
        """Pictures, bars and words are those of the state at the slider's stop. Returns whether the network is fooled."""
        entry, image = self.chosen()
        norm, label = self.state.entries[entry]["norm"], self.state.labels[image]
        stops = self.stops()
        assert int(self.slider.get_attribute("max")) == len(stops) - 1
        radius, row = stops[int(self.slider.input_value())]
        clean, along = self.images[image], direction(self.levels[entry, image], norm)
        change = radius * along
        original, attacked, drawn = (np.array(c.evaluate(PIXELS)).reshape(-1, 4)[:, :3].T.reshape(clean.shape)
                                     for c in self.pictures.all())  # fmt: skip
        assert (original == clean).all()
        assert np.abs(attacked - 255 * (clean / 255 + change).clip(0, 1)).max() <= 0.5 + 1e-6
        text = self.node.locator(".pictures").inner_text()
        factor = int(re.search(r"× (\d+)", text)[1]) if change.any() else 1
        assert np.abs(drawn - (127.5 + 255 * factor * change).clip(0, 255)).max() <= 0.5 + 1e-6
        before, now = self.answers[entry][image, :, 0], self.answers[entry][image, :, row]
        for answer, canvas in ((before, 0), (now, 1)):
            verdict = self.node.locator(".pictures .verdict").nth(canvas).inner_text()
            name, share = self.state.classes[answer[0]], int(100 * answer[1 + answer[0]] / 255 + 0.5)
            assert verdict.startswith(f"{name} {share} %: ")
            right, outcome = answer[0] == label, verdict.split(": ")[1]
            assert outcome == ("right" if right else "fooled" if canvas and change.any() else "wrong")
            style = self.pictures.nth(canvas).evaluate("c => getComputedStyle(c).borderTopStyle")
            assert style == ("solid" if right else "dashed")
        fooled = now[0] != label
        named = self.pictures.nth(1).get_attribute("aria-label")
        assert self.state.classes[now[0]] in named and named.endswith(": fooled" if fooled else ": not fooled")
        widths = self.node.locator(".bars i").evaluate_all("all => all.map(i => parseFloat(i.style.width))")
        expected = np.stack([now[1:], before[1:]], 1).ravel() / 2.55
        assert widths == pytest.approx(expected.tolist(), abs=1e-3)
        assert self.node.locator(".bars span.true").first.inner_text() == f"{self.state.classes[label]} ✓"
        distances = self.state.entries[entry]["distances"]
        within = [d is not None and d <= radius for d in distances]
        named = self.radios.evaluate_all("all => all.map((one) => one.ariaLabel.includes(', fooled within'))")
        assert named == within
        assert f"{sum(within)} of the {len(within)} images" in self.readout.inner_text()
        shown = self.slider.get_attribute("aria-valuetext")
        assert float(shown.removesuffix("/255")) == pytest.approx(radius * (255 if norm == "linf" else 1), rel=5e-3)
        return fooled


@pytest.fixture(params=PAGES, ids=lambda page: page or "made here")
def open_viewer(browser, server, request):
    """Opens the viewer at a width; errors of the page fail the test."""
    with visitor(browser, server, 1400) as wide, visitor(browser, server, 390) as narrow:

        def opened(width: int = 1400) -> Viewer:
            visit = wide if width > 500 else narrow
            if request.param:
                return Viewer(visit.open(f"{server}/{request.param}"))
            address = f"{server}/attack-viewer.html"
            widget = small_viewer()
            widget.alt = "The attack viewer"
            visit.page.route(address, lambda route: route.fulfill(body=page_of(widget), content_type="text/html"))
            return Viewer(visit.open(address))

        yield opened


def test_every_choice_shows_what_is_stored_for_it(open_viewer):
    viewer = open_viewer()
    outcomes = {viewer.check()}
    for e, entry in enumerate(viewer.state.entries):
        viewer.choose(network=entry["network"])
        viewer.choose(norm=entry["norm"])
        viewer.choose(attack=entry["attack"])
        for image in range(e % 3, len(viewer.state.labels), 3):
            viewer.radios.nth(image).check(force=True)
            for key in ("Home", "End", "ArrowLeft"):
                viewer.slider.press(key)
                viewer.page.wait_for_timeout(60)
                outcomes.add(viewer.check())
        assert viewer.state.entries[viewer.chosen()[0]] == entry
    assert outcomes == {True, False}


def test_the_button_leads_to_the_distance_found(open_viewer):
    viewer = open_viewer()
    go = viewer.node.get_by_role("button", name="To the distance found")
    viewer.slider.press("Home")
    viewer.page.wait_for_timeout(60)
    assert not viewer.check()
    go.click()
    viewer.page.wait_for_timeout(60)
    entry, image = viewer.chosen()
    radius, _ = viewer.stops()[int(viewer.slider.input_value())]
    assert radius == viewer.state.entries[entry]["distances"][image] and viewer.check()
    # just before it the network is right
    viewer.slider.press("ArrowLeft")
    viewer.page.wait_for_timeout(60)
    assert not viewer.check()


@pytest.mark.parametrize("open_viewer", [""], indirect=True, ids=["made here"])
def test_it_says_where_there_is_nothing_to_show(open_viewer):
    viewer = open_viewer()
    go = viewer.node.get_by_role("button", name="To the distance found")
    for image, attack, words in (
        (WRONG, "exact", "is wrong about the original"),
        (FAILED, "timid", "found no image near"),
    ):
        viewer.choose(network="first", norm="l2", attack=attack)
        viewer.radios.nth(image).check(force=True)
        viewer.page.wait_for_timeout(60)
        assert words in viewer.readout.inner_text() and go.is_disabled()
        assert viewer.check() == (image == WRONG)


def test_attacks_are_offered_in_the_norms_they_work_in(open_viewer):
    viewer = open_viewer()
    listed = viewer.node.locator("label", has_text="Attack").locator("option")
    for norm in viewer.state.grids:
        viewer.choose(norm=norm)
        network = viewer.state.entries[viewer.chosen()[0]]["network"]
        expected = [e["attack"] for e in viewer.state.entries if (e["norm"], e["network"]) == (norm, network)]
        assert listed.all_inner_texts() == expected
        assert f"{norms.get(norm).symbol} distance" in viewer.node.locator("svg[aria-label]").inner_html()
        viewer.check()


def test_everything_is_reached_by_keyboard(open_viewer):
    viewer = open_viewer()
    page = viewer.page
    viewer.radios.first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(60)
    assert viewer.chosen()[1] == 1
    kinds = []
    for _ in range(6):
        page.keyboard.press("Tab")
        kinds.append(page.evaluate("() => document.activeElement.type"))
        if kinds[-1] == "select-one":
            before = viewer.chosen()[0], viewer.slider.get_attribute("aria-valuetext"), viewer.node.inner_text()
            page.keyboard.press("ArrowDown")
            page.wait_for_timeout(60)
            assert viewer.node.inner_text() != before[2]
            viewer.check()
        elif kinds[-1] == "range":
            before = int(viewer.slider.input_value())
            page.keyboard.press("ArrowLeft")
            page.wait_for_timeout(60)
            assert int(viewer.slider.input_value()) == before - 1
            viewer.check()
    assert kinds[:5] == ["select-one"] * 3 + ["range", "button"]


def test_the_rule_in_the_chart_is_dragged(open_viewer):
    viewer = open_viewer()
    page, chart = viewer.page, viewer.node.locator("svg[aria-label]")
    rule, before = chart.locator("path[data-name=radius]"), viewer.slider.input_value()
    box, place = chart.bounding_box(), rule.get_attribute("d")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 60)
    page.mouse.down()
    for share in (0.4, 0.8):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 60)
        page.wait_for_timeout(60)
        assert viewer.slider.input_value() != before and rule.get_attribute("d") != place
        before, place = viewer.slider.input_value(), rule.get_attribute("d")
        viewer.check()
    page.mouse.up()


def test_every_attack_is_marked_on_the_slider_and_named_with_its_distance(open_viewer):
    viewer = open_viewer()
    entry, image = viewer.chosen()
    box = viewer.slider.bounding_box()
    radii = [radius for radius, _ in viewer.stops()]
    here = [e for e in viewer.state.entries
            if (e["network"], e["norm"]) == tuple(viewer.state.entries[entry][k] for k in ("network", "norm"))]  # fmt: skip
    legend = viewer.node.locator(".legend").inner_text()
    for each in here:
        distance = each["distances"][image]
        assert re.search(rf"{each['attack']}: this image {distance:.3g}", legend)
        mark = viewer.node.locator(f".track i[title='{each['attack']}']").bounding_box()
        place = np.interp(distance, radii, range(len(radii))) / (len(radii) - 1)
        centre = mark["x"] + mark["width"] / 2
        assert centre == pytest.approx(box["x"] + 8 + place * (box["width"] - 16), abs=1.5)


def test_a_page_has_no_kernel_to_run_attacks(open_viewer):
    viewer = open_viewer()
    viewer.page.wait_for_timeout(300)
    assert viewer.node.get_by_text("Run this attack").count() == 0


def test_it_can_be_read_in_the_dark_and_on_a_telephone(open_viewer):
    for width in (1400, 390):
        viewer = open_viewer(width)
        for theme in ("light", "dark"):
            viewer.page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
            viewer.page.wait_for_timeout(400)
            faint = [(round(ratio, 2), text) for ratio, text in viewer.page.evaluate(CONTRAST, WORDS) if ratio < 4.5]
            assert not faint, f"hard to read in {theme}: {faint}"
        assert viewer.page.evaluate("() => document.documentElement.scrollWidth") <= width
        boxes = [each.bounding_box() for each in viewer.node.locator(".pictures > div").all()]
        rows = len({round(box["y"]) for box in boxes})
        assert len(boxes) == 4 and rows == (2 if width == 390 else 1)
        assert all(box["width"] > 140 and box["x"] + box["width"] <= width for box in boxes)
        if width == 390:
            viewer.radios.nth(1).tap(force=True)
            box = viewer.slider.bounding_box()
            viewer.page.touchscreen.tap(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
            viewer.page.wait_for_timeout(100)
            assert viewer.chosen()[1] == 1
            assert int(viewer.slider.input_value()) == pytest.approx(0.75 * (len(viewer.stops()) - 1), abs=1.5)
            viewer.check()


CELLS = [
    f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
    "from small_viewer import exact, small_viewer\n"
    "viewer = small_viewer(attacks={'exact': exact})\nviewer",
    "print('distance', '%.3g' % viewer.distance(), 'radius', '%.3g' % viewer.radius)",
    "viewer.image = 4",
]


def test_attacks_run_anew_in_jupyterlab(browser, tmp_path):
    with notebook(browser, CELLS, tmp_path) as page:
        run(page, 0)
        viewer = page.locator(".tulip-explorable")
        again = viewer.get_by_role("button", name="Run this attack")
        again.wait_for(timeout=60_000)
        status, readout = viewer.get_by_role("status"), viewer.locator(".readout")
        before = readout.inner_text()
        viewer.get_by_label("rank").fill("2")
        again.click()
        page.wait_for_function("() => document.querySelector('.viewer [role=status]').textContent.startsWith('Found')")
        distance = re.search(r"Found ℓ₂ (\S+) in", status.inner_text())[1]
        page.wait_for_function(
            "before => document.querySelector('.viewer').querySelector('.readout').textContent !== before", arg=before
        )
        assert f"size {distance}" in readout.inner_text() and again.is_enabled()
        run(page, 1)
        page.get_by_text(f"distance {distance} radius {distance}").wait_for(timeout=30_000)
        # an error is a line in the view
        viewer.get_by_label("rank").fill("0")
        again.click()
        viewer.get_by_text("ValueError: rank must be at least 1,").wait_for(timeout=30_000)
        assert again.is_enabled() and f"size {distance}" in readout.inner_text()
        # and what Python sets is shown
        run(page, 2)
        viewer.locator("input[type=radio]").nth(4).and_(viewer.locator(":checked")).wait_for(
            timeout=30_000, state="attached"
        )
        # an attack that was not given cannot be run
        viewer.locator("label", has_text="Attack").locator("select").select_option("timid")
        page.wait_for_timeout(200)
        assert again.is_disabled()
