"""The explorables in JupyterLab: the same view, bound to the object in Python."""

from live_notebook import CELL, notebook, run

CELLS = [
    "from tulip_lite.widgets.bounds import BoundsExplorer\nexplorer = BoundsExplorer(gap=0.25)\nexplorer",
    "print('gap is', explorer.gap)",
    "explorer.gap = 1.0",
    "from tulip_lite.widgets.cost import CostExplorer\nCostExplorer()",
    "from tulip_lite.widgets.step import StepExplorer\nStepExplorer()",
    "from tulip_lite.widgets.playground import Playground\nPlayground()",
]


def test_the_explorables_live_in_jupyterlab(browser, tmp_path):
    with notebook(browser, CELLS, tmp_path) as page:
        run(page, 0)
        explorable = page.locator(".tulip-explorable").first
        explorable.locator("svg[aria-label] path[data-name=cone]").wait_for(timeout=60_000, state="attached")
        slider = explorable.locator("input[type=range]").first
        assert slider.get_attribute("aria-valuetext") == "0.25"
        # from the page to Python
        slider.focus()
        slider.press("Home")
        run(page, 1)
        page.get_by_text("gap is 0.0").wait_for(timeout=30_000)
        # and from Python to the page
        run(page, 2)
        page.wait_for_function(
            "() => document.querySelector('.tulip-explorable input').ariaValueText === '1'", timeout=30_000
        )
        for i in (3, 4, 5):
            run(page, i)
            page.locator(CELL).nth(i).locator(".tulip-explorable svg[aria-label] path[d]").first.wait_for(
                timeout=60_000, state="attached"
            )
