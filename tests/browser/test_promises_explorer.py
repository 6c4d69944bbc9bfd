"""Promised and refuted bounds on a page without a kernel, by mouse, keyboard and finger, and in JupyterLab."""

import math

import numpy as np
import pytest
from live_notebook import notebook, run
from small_promises import CLASSES, DISTANCES, LOWER, PROOFS, ingredients, small_promises
from test_attack_viewer import PIXELS, ROOT, page_of
from test_narrow_and_dark import CONTRAST, WORDS
from visitor import visitor

# the centres of a curve's marks in pixels of its drawing
CENTRES = """node => {
  const found = (node.getAttribute("d") ?? "").matchAll(/M([-\\d.]+),([-\\d.]+)/g);
  return [...found].map(([, x, y]) => [Number(x), Number(y)]);
}"""
# what changes is drawn with the next frame
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"


class Explorer:
    """The explorer on a page, and what it should show."""

    def __init__(self, page):
        self.page, self.node = page, page.locator(".tulip-explorable")
        self.chart = self.node.locator("svg[aria-label]")
        self.slider = self.node.locator("input[type=range]")
        self.network = self.node.locator("select")
        self.readout = self.node.locator(".readout")
        self.pictures = self.node.locator(".pictures canvas")
        self.data = ingredients()

    def settle(self) -> None:
        self.page.evaluate(FRAMES)

    def box(self, kind: str):
        return self.node.locator("fieldset label").filter(has_text=kind).locator("input")

    def marks(self, name: str) -> list[list[float]]:
        return self.chart.locator(f"path[data-name='{name}']").evaluate(CENTRES)

    def shown(self) -> list[str]:
        boxes = self.node.locator("fieldset label")
        return [
            label.locator("b").inner_text()
            for label in boxes.all()
            if label.locator("input").is_checked() and label.locator("input").is_enabled()
        ]

    def check(self) -> int:
        """Marks, pictures, table and words are those of the chosen network, kinds and image. Returns the image."""
        name = self.network.input_value()
        distances, lower = np.array(DISTANCES[name]), LOWER[name]
        order = np.argsort(distances, kind="stable")
        place = int(self.slider.input_value())
        image = order[place - 1]
        distance, shown = distances[image], self.shown()
        assert shown == [kind for kind in shown if kind in lower]
        self._check_chart(distances, {kind: np.array(lower[kind]) for kind in shown}, order, place)
        clean, attacked = self.data["x"][image], self.data["found"][name].x_adv[image]
        for canvas, picture in zip(self.pictures.all(), (clean, attacked), strict=True):
            seen = np.array(canvas.evaluate(PIXELS)).reshape(-1, 4)
            if math.isinf(distance) and canvas.get_attribute("aria-label") == "No adversarial image is known":
                assert not seen.any()
            else:
                assert (seen[:, :3].T.reshape(picture.shape) == (255 * picture).round().numpy()).all()
        truth = CLASSES[self.data["y"][image]]
        answer = CLASSES[self.data["predicted"][name][image]]
        words = self.node.locator(".pictures").inner_text()
        assert f"Original: {truth}" in words
        if distance == 0:
            assert words.count(f"read as {answer}") == 2
        else:
            assert f"read as {truth}" in words
            assert ("No attack succeeded" if math.isinf(distance) else f"read as {answer}") in words
        self._check_table(distance, {kind: lower[kind][image] for kind in shown})
        said = self.readout.inner_text()
        assert said.startswith(f"Image {place} of 6, {truth}, ")
        for kind, values in lower.items():
            refuted, computed = (np.array(values) > distances).sum(), (~np.isnan(values)).sum()
            status = self.node.locator("fieldset label").filter(has_text=kind).locator(".status").inner_text()
            proof = kind in PROOFS
            assert status == (
                f"proof: holds on all {computed}" if proof else f"estimate: refuted on {refuted} of {computed}"
            )
            assert (f"{kind}: refuted on {refuted} of {computed}" in said) == bool(refuted and kind in shown)
        return int(image)

    def _check_chart(self, distances, bounds, order, place) -> None:
        attack = self.marks("attack")
        assert len(attack) == 6 and [x for x, _ in attack] == sorted(x for x, _ in attack)
        heights = {}
        for name, values in (("attack", distances), *bounds.items()):
            there = values[order][~np.isnan(values[order])]
            places = np.array(self.marks(name))
            assert len(places) == len(there)
            heights |= dict(zip(there, places[:, 1], strict=True))
        # larger is higher up, 0 below and ∞ above everything, and the same height for the same value
        ranked = [heights[value] for value in sorted(heights)]
        assert ranked == sorted(ranked, reverse=True)
        finite = [value for value in sorted(heights) if 0 < value < math.inf]
        logs, ys = np.log(finite), np.array([heights[value] for value in finite])
        assert np.abs(np.polyval(np.polyfit(logs, ys, 1), logs) - ys).max() < 0.2
        for kind in LOWER["first"] | LOWER["second"]:
            assert bool(self.marks(kind)) == (kind in bounds)
        rings = sorted(self.marks("refuted"))
        expected = [
            [attack[k][0], heights[values[i]]]
            for k, i in enumerate(order)
            for values in bounds.values()
            if values[i] > distances[i]
        ]
        assert np.allclose(rings, sorted(expected), atol=0.15) if expected else not rings
        lit = {k for k, i in enumerate(order) if any(values[i] > distances[i] for values in bounds.values())}
        starts = [x for x, _ in self.marks("lit")]
        width = (attack[-1][0] - attack[0][0]) / 5
        assert starts == pytest.approx([attack[k][0] - width / 2 for k in sorted(lit)], abs=0.2)
        rule = self.chart.locator("path[data-name=image]").get_attribute("d")
        assert float(rule[1:].split(",")[0]) == pytest.approx(attack[place - 1][0], abs=0.1)

    def _check_table(self, distance, bounds) -> None:
        rows = [row for row in self.node.locator("tbody tr").all() if row.is_visible()]
        texts = [[cell.strip() for cell in row.locator("th, td").all_inner_texts()] for row in rows]
        assert [text[0] for text in texts] == ["nearest attack", *bounds]
        assert texts[0][1] == ("none" if math.isinf(distance) else f"{distance:.3g}")
        for (kind, value, verdict), bound in zip(texts[1:], bounds.values(), strict=True):
            if math.isnan(bound):
                assert (value, verdict) == ("–", "not computed")
            else:
                assert float(value) == pytest.approx(bound)
                expected = "proved" if kind in PROOFS else "refuted" if bound > distance else "holds so far"
                assert verdict == expected
        bold = [row.evaluate("row => getComputedStyle(row.cells[2]).fontWeight") for row in rows]
        assert [int(weight) > 500 for weight in bold] == [text[2] == "refuted" for text in texts]


@pytest.fixture
def open_explorer(browser, server):
    """Opens the explorer at a width; errors of the page fail the test."""
    with visitor(browser, server, 1400) as wide, visitor(browser, server, 390) as narrow:

        def opened(width: int = 1400, **options: object) -> Explorer:
            visit, address = wide if width > 500 else narrow, f"{server}/promises-explorer.html"
            widget = small_promises(**options)
            widget.alt = "Bounds and attacks"
            body = page_of(widget)
            visit.page.unroute(address)
            visit.page.route(address, lambda route: route.fulfill(body=body, content_type="text/html"))
            return Explorer(visit.open(address))

        yield opened


def test_every_network_and_image_shows_what_is_stored(open_explorer):
    explorer = open_explorer()
    for name in DISTANCES:
        explorer.network.select_option(name)
        explorer.slider.press("Home")
        images = []
        for _ in range(6):
            explorer.settle()
            images.append(explorer.check())
            explorer.slider.press("ArrowRight")
        assert images == np.argsort(DISTANCES[name], kind="stable").tolist()


def test_kinds_are_switched_and_the_axis_follows(open_explorer):
    explorer = open_explorer()
    ticks = explorer.chart.locator("g text").all_text_contents()
    explorer.box("proof").uncheck()
    explorer.settle()
    explorer.check()
    assert "10⁻³" in ticks and "10⁻³" not in explorer.chart.locator("g text").all_text_contents()
    for kind in ("bold", "sampled"):
        explorer.box(kind).uncheck()
    explorer.settle()
    explorer.check()
    assert explorer.shown() == [] and "refute" not in explorer.readout.inner_text()
    explorer.box("bold").check()
    explorer.settle()
    explorer.check()
    assert "bold: refuted on 2 of 6" in explorer.readout.inner_text()


def test_a_kind_that_a_network_lacks_is_said_and_comes_back(open_explorer):
    explorer = open_explorer()
    assert explorer.box("slope").is_disabled() and explorer.box("sampled").is_enabled()
    label = explorer.node.locator("fieldset label").filter(has_text="slope")
    assert "not computed for this network" in label.inner_text()
    explorer.box("bold").uncheck()
    explorer.network.select_option("second")
    explorer.settle()
    assert explorer.shown() == ["proof", "slope"] and explorer.box("sampled").is_disabled()
    explorer.check()


def test_the_image_stays_when_the_network_changes(open_explorer):
    explorer = open_explorer(image=4)
    assert explorer.check() == 4
    explorer.network.select_option("second")
    explorer.settle()
    assert explorer.check() == 4
    assert int(explorer.slider.input_value()) == 1 + np.argsort(DISTANCES["second"]).tolist().index(4)


def test_the_mouse_chooses_the_nearest_image_without_a_press(open_explorer):
    explorer = open_explorer()
    order = np.argsort(DISTANCES["first"], kind="stable").tolist()
    explorer.chart.scroll_into_view_if_needed()
    box, places = explorer.chart.bounding_box(), [x for x, _ in explorer.marks("attack")]
    width = places[1] - places[0]
    for k, off in ((5, -0.4), (1, 0.4), (2, 0.0), (0, -0.9), (5, 0.7)):
        explorer.page.mouse.move(box["x"] + places[k] + off * width, box["y"] + 100)
        explorer.settle()
        assert explorer.check() == order[k]
    # outside of the chart nothing changes
    explorer.page.mouse.move(box["x"] + places[2], box["y"] - 80)
    explorer.settle()
    assert explorer.check() == order[5]


def test_everything_is_reached_by_keyboard(open_explorer):
    explorer = open_explorer()
    page = explorer.page
    explorer.network.focus()
    kinds = []
    for _ in range(4):
        page.keyboard.press("Tab")
        kinds.append(page.evaluate("() => document.activeElement.type"))
        if kinds[-1] == "checkbox":
            before = explorer.shown()
            page.keyboard.press("Space")
            explorer.settle()
            assert len(explorer.shown()) == len(before) - 1
            explorer.check()
        else:
            before = int(explorer.slider.input_value())
            page.keyboard.press("ArrowRight")
            explorer.settle()
            assert int(explorer.slider.input_value()) == before + 1
            explorer.check()
    assert kinds == ["checkbox"] * 3 + ["range"]
    explorer.slider.press("End")
    explorer.settle()
    assert explorer.slider.get_attribute("aria-valuetext") == "6 of 6: green, no adversarial image known"
    explorer.slider.press("Home")
    explorer.settle()
    assert explorer.slider.get_attribute("aria-valuetext") == "1 of 6: grey, misclassified as it is"


def test_words_are_read_out_once_the_hand_rests(open_explorer):
    explorer = open_explorer()
    explorer.slider.press("End")
    explorer.page.wait_for_timeout(1000)
    said = explorer.node.locator("[aria-live=polite]").text_content()
    assert said == explorer.readout.text_content() and "no adversarial image that is known" in said


def test_without_answers_it_says_less(open_explorer):
    explorer = open_explorer(predicted=None)
    words = explorer.node.locator(".pictures").inner_text()
    assert "read as red" in words and "misread" in words and "undefined" not in explorer.node.inner_text()


def test_estimates_are_hollow_and_proofs_filled(open_explorer):
    explorer = open_explorer()
    for theme in ("light", "dark"):
        explorer.page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        paper = explorer.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        for kind in ("bold", "sampled", "proof"):
            mark = explorer.chart.locator(f"path[data-name={kind}]")
            fill, edge = mark.evaluate("node => [getComputedStyle(node).fill, getComputedStyle(node).stroke]")
            assert (fill == paper) == (kind != "proof") and (fill == edge) == (kind == "proof") and edge != paper


def test_it_can_be_read_in_the_dark_and_on_a_telephone(open_explorer):
    for width in (1400, 390):
        explorer = open_explorer(width)
        page = explorer.page
        for theme in ("light", "dark"):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
            page.wait_for_timeout(200)
            selector = f"{WORDS}, .promises :is(b, legend, th, td)"
            faint = [(round(ratio, 2), text) for ratio, text in page.evaluate(CONTRAST, selector) if ratio < 4.5]
            assert not faint, f"hard to read in {theme}: {faint}"
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        chart, table = explorer.chart.bounding_box(), explorer.node.locator("table").bounding_box()
        assert chart["width"] > 300 and table["width"] > 250 and table["x"] + table["width"] <= width
        assert (table["x"] > chart["x"] + chart["width"]) == (width == 1400)
        for label in explorer.node.locator("fieldset label").all():
            assert label.bounding_box()["height"] >= 36
        if width == 390:
            order = np.argsort(DISTANCES["first"], kind="stable").tolist()
            places = [x for x, _ in explorer.marks("attack")]
            explorer.chart.scroll_into_view_if_needed()
            box = explorer.chart.bounding_box()
            page.touchscreen.tap(box["x"] + places[4], box["y"] + 80)
            explorer.settle()
            assert explorer.check() == order[4]
            explorer.box("bold").tap()
            explorer.settle()
            assert explorer.shown() == ["sampled", "proof"]
            explorer.check()


CELLS = [
    f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
    "from small_promises import small_promises\n"
    "explorer = small_promises()\nexplorer",
    "print('chosen', explorer.network, explorer.image, explorer.kinds)",
    "explorer.network, explorer.image = 'second', 2",
]


def test_choices_reach_python_and_come_from_it_in_jupyterlab(browser, tmp_path):
    with notebook(browser, CELLS, tmp_path) as page:
        run(page, 0)
        page.locator(".promises table").wait_for(timeout=60_000)
        explorer = Explorer(page)
        explorer.check()
        explorer.box("bold").uncheck()
        explorer.slider.press("End")
        page.wait_for_timeout(300)
        explorer.check()
        run(page, 1)
        page.get_by_text("chosen first 1 ['sampled', 'proof', 'slope']").wait_for(timeout=30_000)
        run(page, 2)
        page.wait_for_function("() => document.querySelector('.promises select').value === 'second'")
        explorer.settle()
        assert explorer.check() == 2 and explorer.shown() == ["proof", "slope"]
