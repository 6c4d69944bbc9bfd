"""The code in the solutions of chapter 6, as its readers see it."""

import json
import re
from pathlib import Path

import torch

CHAPTER = Path(__file__).parents[1] / "chapters" / "06_break_it.ipynb"


def solution(label: str) -> str:
    """The Python block of the solution to the exercise `label`."""
    cells = json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    (block,) = re.findall(rf"````{{solution}} {label}\n.*?```python\n(.*?)```", text, re.DOTALL)
    return block


def run(label: str) -> dict:
    space = {"torch": torch}
    exec(solution(label), space)
    return space


def test_blind_steps():
    """The chapter's text: 82 and 17 times the distance; √N over the median of |ξ|, and over that of the largest of n."""
    found = run("break-blind")
    normal = torch.distributions.Normal(0.0, 1.0)
    root = found["N"] ** 0.5
    half = torch.tensor(0.5, dtype=torch.float64)
    assert abs(found["typical"] / (root / normal.icdf(torch.tensor(0.75))) - 1) < 0.05
    assert abs(found["best"] / (root / normal.icdf(half ** (1 / found["n"]))) - 1) < 0.05


def test_a_lower_wall():
    """25 rounds: the minimiser t of ½t² − ω log(t − d) is within 1 % of d at the last of them, and not at the one before."""
    rounds, d = run("break-wall")["rounds"], 0.1
    assert rounds == 25

    def excess(k):
        omega = 0.1 * 0.75**k
        return (d + (d**2 + 4 * omega) ** 0.5) / (2 * d) - 1

    assert excess(rounds - 1) <= 0.01 < excess(rounds - 2)
