"""Tables of bounds: every number is the one measured."""

import pytest
import torch

from tulip_lite.results import Bounds
from tulip_lite.results.certificates import Smoothing
from tulip_lite.tables import bounds as bound_tables

CARD = {"data": "two", "images": 4, "local": 2, "processor": "P", "threads": 1, "gpu": None, "torch": "9"}


def table(smooth, attacked=True):
    nan = torch.nan
    columns = {
        "margin": torch.tensor([-0.5, -0.2, -1.0, 0.3]),
        "margin_gradient/l2": torch.tensor([1.0, 2.0, 0.5, 0.1]),
        "lipschitz/sampled": torch.tensor([1.0, 2.0, nan, nan]),
        "lipschitz/clever": torch.tensor([1.0, 4.0, nan, nan]),
        "lipschitz/ascended": torch.tensor([5.0, 8.0, nan, nan]),
        "proved": torch.tensor([0.001, 0.002, 0.003, 0.0]),
    }
    if attacked:
        columns["attack/l2-quick"] = torch.tensor([0.4, 0.5, 0.6, 0.0])
    constants = {"L": {"test": 2.0, "training": 4.0}}
    if smooth:
        columns |= {
            "soft_margin": torch.tensor([-0.4, -0.1, -0.9, 0.3]),
            "soft_margin_gradient/l2": torch.ones(4),
            "curvature/smallest": torch.tensor([-9.0, -1.0, 0.0, 0.0]),
            "curvature/largest": torch.tensor([1.0, 3.0, 2.0, 2.0]),
            "curvature/sampled": torch.tensor([3.0, 3.0, nan, nan]),
            "curvature/ascended": torch.tensor([30.0, 30.0, nan, nan]),
        }
        constants["C"] = {"test": 3.0, "training": 4.0}
    return Bounds(columns, constants, CARD)


def test_each_kind_has_its_mean_and_its_refuted_images():
    text = bound_tables.kinds({"a": table(False), "b": table(True)})
    rows = {row.split(" | ")[0].strip("| "): row for row in text.splitlines() if row.startswith("| ")}
    # of three right images the margin over L = 2: 0.25, 0.1, 0.5; none above the attack's 0.4, 0.5, 0.6
    assert "| 0.28 | 0 of 3 (0.0–70.8 %) |" in rows["L, test images"]
    # 0.5 and 0.1 of two, the first above 0.4
    assert "| 0.3 | 1 of 2 (1.3–98.7 %) |" in rows["L, sampled nearby"]
    assert rows["C, test images"].startswith("| C, test images |  |  | ")
    assert "0.002 | 0 of 3" in rows["proved"] and "0.5 |  | 0.5 |" in rows["nearest found by attack"]
    assert text.splitlines()[-1].startswith(
        "two, 4 test images, 2 of them for the constants searched for nearby. P, threads: 1"
    )
    with pytest.raises(ValueError, match="a has no column 'attack/l2-quick': attack it with"):
        bound_tables.kinds({"a": table(False, attacked=False)})


def test_regularity_has_our_statistics_above_the_papers():
    rows = bound_tables.regularity({"a": table(False), "b": table(True)}).splitlines()
    assert rows[2] == "| `a` | 0.90 | – | 2.00 | – |"
    assert rows[3] == "| `b` | 0.90 | 4.00 | 2.00 | 9.00 |"
    assert "| *paper: Undefended, smooth* | 3.25 | 198.23 | 65.35 | 8134.26 |" in rows
    assert sum("paper" in row for row in rows) == 6


def test_certificates_are_counted():
    card = CARD | {"sigma": 0.25, "n0": 10, "n": 100, "alpha": 0.001}
    found = Smoothing(
        torch.arange(4), torch.tensor([0, 1, 1, 0]), torch.tensor([0, 1, 0, -1]), torch.tensor([0.3, 0.2, 0.4, 0.0]).double(),
        torch.tensor([100, 90, 99, 50]), torch.tensor([0.9, 0.8, 0.95, 0.4]).double(), card,
    )  # fmt: skip
    card["summary"] = found.summary()
    text = bound_tables.smoothed({"n": found})
    assert "| network | certified at 0 | certified at 0.1 |" in text
    assert "| `n` | 50.0% | 50.0% | 25.0% | 0.0% | 0.125 | 1 |" in text
