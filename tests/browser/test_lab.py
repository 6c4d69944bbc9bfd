"""The explorables in JupyterLab: the same view, bound to the object in Python."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

CELLS = [
    "from tulip_lite.widgets.bounds import BoundsExplorer\nexplorer = BoundsExplorer(gap=0.25)\nexplorer",
    "print('gap is', explorer.gap)",
    "explorer.gap = 1.0",
    "from tulip_lite.widgets.cost import CostExplorer\nCostExplorer()",
    "from tulip_lite.widgets.step import StepExplorer\nStepExplorer()",
    "from tulip_lite.widgets.playground import Playground\nPlayground()",
]


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab of this environment with one notebook in it."""
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
        for i, text in enumerate(CELLS)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "explorable.ipynb").write_text(json.dumps(notebook))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    # nothing of the user's own settings, and no question about news
    settings = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTERLAB_SETTINGS_DIR": "lab"}
    command = [Path(sys.executable).with_name("jupyter"), "lab", "--no-browser", "--allow-root",
               f"--port={port}", "--port-retries=0", "--IdentityProvider.token=", f"--notebook-dir={tmp_path / 'work'}",
               "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # fmt: skip
    environment = os.environ | {name: str(tmp_path / folder) for name, folder in settings.items()}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=5)
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def test_the_explorables_live_in_jupyterlab(browser, lab):
    context = browser.new_context(viewport={"width": 1200, "height": 1000})
    page = context.new_page()
    page.goto(f"{lab}/lab/tree/explorable.ipynb?reset")
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    cells.first.wait_for(timeout=60_000)

    def run(i: int) -> None:
        prompt = cells.nth(i).locator(".jp-InputPrompt")
        for _ in range(10):
            cells.nth(i).locator(".cm-content").click()
            page.keyboard.press("Control+Enter")
            page.wait_for_timeout(1000)
            # a key pressed before the kernel stands is lost
            if prompt.inner_text() != "[ ]:":
                return

    run(0)
    explorable = page.locator(".tulip-explorable").first
    explorable.locator("svg[aria-label] path[data-name=cone]").wait_for(timeout=60_000, state="attached")
    slider = explorable.locator("input[type=range]").first
    assert slider.get_attribute("aria-valuetext") == "0.25"
    # from the page to Python
    slider.focus()
    slider.press("Home")
    run(1)
    page.get_by_text("gap is 0.0").wait_for(timeout=30_000)
    # and from Python to the page
    run(2)
    page.wait_for_function(
        "() => document.querySelector('.tulip-explorable input').ariaValueText === '1'", timeout=30_000
    )
    for i in (3, 4, 5):
        run(i)
        cells.nth(i).locator(".tulip-explorable svg[aria-label] path[d]").first.wait_for(
            timeout=60_000, state="attached"
        )
    context.close()
