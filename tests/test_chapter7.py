"""The code in the solutions of chapter 7, and what the stored tables must keep true."""

import pytest
import torch
from solutions import run

from tulip_lite import recipes, results
from tulip_lite.bounds import kinds

CHAPTER = "07_what_can_be_promised"


def test_how_many_copies(capsys):
    """301, 5 114 and 218 105 agreeing copies: so many certify the radius, and one fewer does not."""
    run(CHAPTER, "promise-copies")
    found = {float(radius): int(copies) for radius, copies in map(str.split, capsys.readouterr().out.splitlines())}
    assert found == {0.5: 301, 0.75: 5114, 1.0: 218105}
    alpha = torch.tensor(0.001, dtype=torch.float64)
    for radius, n in found.items():
        reached = [0.25 * torch.special.ndtri(alpha ** (1 / k)) for k in (n - 1, n)]
        assert reached[0] < radius <= reached[1]


@pytest.mark.parametrize("name", (*recipes.SHIPPED, "noise-0.25"))
def test_no_attack_ever_stored_comes_within_a_proved_radius(name):
    """All test images that were measured, every suite and norm: an ℓ∞ distance is at most √N times as long in ℓ2."""
    table = results.load_bounds(name)
    proved = table.columns["proved"]
    attacks = {column: values for column, values in table.columns.items() if column.startswith("attack/")}
    assert len(proved) >= 1000 and {"attack/l2-quick", "attack/linf-quick"} <= attacks.keys()
    for column, distance in attacks.items():
        assert (proved <= distance * (3072**0.5 if column.startswith("attack/linf") else 1)).all()
    nearest = table.columns["attack/l2-quick"]
    assert kinds.failures(proved, nearest).refuted == 0
    assert (proved[nearest > 0] > 0).all() and (proved[nearest == 0] == 0).all()


@pytest.mark.parametrize("name", ("undefended-smooth", "squared-l2-0.1-smooth"))
def test_what_a_thousand_images_took(name):
    """Gradients within 10 s, curvature to 1e-3 within 5 minutes; one pass of `steepness` has both."""
    card = results.load_bounds(name).card
    assert card["images"] == 1000 and card["threads"] <= 2 and not card["commit"].endswith("dirty")
    assert card["seconds"]["steepness"] <= 300
    assert card["seconds"]["training gradients"] / card["training_images"] * 1000 <= 10
