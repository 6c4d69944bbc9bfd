import torch
from contract import Contract, both_norms, curved, linear, seen_by
from torch import nn

from tulip_lite.attacks.pgd import smallest_radius


class TestSmallestRadius(Contract):
    attack = staticmethod(smallest_radius)
    tolerance_in_box = 0.02  # a bracket of 1 %, around what 20 steps along the box come to
    bad_options = (
        ("steps", 0, "steps and restarts must be at least 1, got 0 and 1"),
        ("restarts", 0, "steps and restarts must be at least 1, got 20 and 0"),
        ("tolerance", 0.0, "tolerance must be a finite number > 0"),
        ("tolerance", torch.nan, "tolerance must be a finite number > 0"),
    )


@both_norms
def test_a_fooled_image_takes_no_more_steps(norm):
    """On a linear model the first radius, 1.01 of the distance, is the right one, and an eighth step of 2.5 · 1.01 / 20 crosses
    the boundary: with the first-order estimate ten gradients for each image, if the bracket may stay as it is."""
    model, x, y = linear(0)
    _, sizes = seen_by(model, smallest_radius, x, y, norm, tolerance=2.0)
    assert sizes == [5] * 10


@both_norms
def test_a_looser_tolerance_takes_fewer_gradients(norm):
    model, x, y = curved(6)
    _, fine = seen_by(model, smallest_radius, x, y, norm, tolerance=0.001)
    _, coarse = seen_by(model, smallest_radius, x, y, norm, tolerance=0.1)
    assert sum(coarse) < sum(fine)


class Plateau(nn.Module):
    """Wrong farther than 0.2 from the middle of the box, and flat within 0.1: no gradient shows the way."""

    def forward(self, x):
        far = (x - 0.5).flatten(1).norm(dim=1)
        score = 0.1 - (far - 0.1).clamp_min(0)
        return torch.stack([score, torch.zeros_like(score)], 1)


def test_random_restarts_leave_a_plateau_the_same_for_the_same_seed():
    x, y = torch.full((3, 3, 2, 2), 0.5, dtype=torch.float64), torch.zeros(3, dtype=torch.long)
    assert smallest_radius(Plateau(), x, y, "l2").distance.isinf().all()
    first, same, other = (smallest_radius(Plateau(), x, y, "l2", restarts=2, seed=seed) for seed in (5, 5, 6))
    torch.testing.assert_close(first.distance, torch.full((3,), 0.2, dtype=torch.float64), rtol=0.01, atol=0)
    assert torch.equal(first.x_adv, same.x_adv) and not torch.equal(first.x_adv, other.x_adv)
