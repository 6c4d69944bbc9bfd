"""The code in the solutions of a chapter's exercises, as its readers see it."""

import json
import re
from pathlib import Path

CHAPTERS = Path(__file__).parents[1] / "chapters"


def solution(chapter: str, label: str) -> str:
    """The Python block of the solution to the exercise `label`."""
    cells = json.loads((CHAPTERS / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    (block,) = re.findall(rf"````{{solution}} {label}\n.*?```python\n(.*?)```", text, re.DOTALL)
    return block


def run(chapter: str, label: str) -> dict:
    """The names that the block leaves behind."""
    space: dict = {}
    exec("import torch\n" + solution(chapter, label), space)
    return space
