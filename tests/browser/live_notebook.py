"""JupyterLab in the browser: a notebook opened, its cells run."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page

CELL = ".jp-Notebook .jp-CodeCell"


@contextlib.contextmanager
def notebook(browser: Browser, sources: list[str], tmp_path: Path) -> Iterator[Page]:
    """A page with a JupyterLab of this environment, its one notebook made of `sources` and open, its cells not yet run."""
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
        for i, text in enumerate(sources)
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
        context = browser.new_context(viewport={"width": 1200, "height": 1400})
        page = context.new_page()
        page.goto(f"{address}/lab/tree/explorable.ipynb?reset")
        page.locator(CELL).first.wait_for(timeout=60_000)
        yield page
        context.close()
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def run(page: Page, i: int) -> None:
    """Runs cell i of the notebook."""
    cell = page.locator(CELL).nth(i)
    prompt = cell.locator(".jp-InputPrompt")
    for _ in range(10):
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(1000)
        # a key pressed before the kernel stands is lost
        if prompt.inner_text() != "[ ]:":
            return
