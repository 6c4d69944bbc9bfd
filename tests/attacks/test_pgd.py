import pytest
import torch
from conftest import LinearModel
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tulip_lite import norms
from tulip_lite.attacks.pgd import pgd
from tulip_lite.losses import cross_entropy
from tulip_lite.models import PocketNet

NORMS = ("l2", "linf")


@pytest.mark.parametrize("norm", NORMS)
def test_finds_the_exact_distance_of_a_linear_model(norm):
    """From the middle of the box: 1 % inside the analytic distance |w x + b|/‖w‖_dual nothing errs, 1 % outside all do."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 4, 4, generator=generator)
    model = LinearModel(weight)
    x = 0.5 + 0.05 * torch.randn(50, 3, 4, 4, generator=generator)
    score = model(x)[:, 0]
    y = (score < 0).long()
    distance = score.abs() / norms.get(norm).dual(weight[None])
    assert distance.max() < 0.4  # so that no pixel meets the box
    for factor, share in ((0.99, 0.0), (1.01, 1.0)):
        radius = factor * distance.detach()
        x_adv = pgd(model, x, y, norm, radius, steps=50, step_size=radius / 4)
        assert (model(x_adv).argmax(1) != y).float().mean() == share


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**31), radius=st.floats(0, 2), steps=st.integers(1, 5), restarts=st.integers(1, 2))
def test_stays_in_ball_and_box_and_never_lowers_the_loss(norm, seed, radius, steps, restarts):
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    x = torch.rand(6, 3, 2, 2, generator=generator).round(decimals=1)  # some pixels on the border
    y = torch.randint(3, (6,), generator=generator)
    x_adv = pgd(model, x, y, norm, radius, steps, restarts=restarts, generator=generator)
    assert x_adv.min() >= 0 and x_adv.max() <= 1
    assert torch.all(norms.get(norm).size(x_adv - x) <= radius * (1 + 1e-5) + 1e-6)
    before, after = (cross_entropy(model(z), y) for z in (x, x_adv))
    wrong_before, wrong_after = (model(z).argmax(1) != y for z in (x, x_adv))
    assert torch.all(wrong_after >= wrong_before)
    assert torch.all((after >= before - 1e-6) | (wrong_after > wrong_before))


def test_radius_zero_returns_the_clean_image():
    x = torch.rand(3, 3, 8, 8)
    assert torch.equal(pgd(PocketNet(), x, torch.tensor([0, 1, 2]), "l2", 0.0, 3), x)


def test_same_generator_same_attack_and_the_memory_format_does_not_matter():
    torch.manual_seed(0)
    model, x, y = PocketNet().double(), torch.rand(4, 3, 16, 16, dtype=torch.float64), torch.arange(4)
    attack = [
        pgd(model, z, y, "l2", 0.5, 5, generator=torch.Generator().manual_seed(3))
        for z in (x, x, x.contiguous(memory_format=torch.channels_last))
    ]
    assert torch.equal(attack[0], attack[1])
    torch.testing.assert_close(attack[0], attack[2], rtol=0, atol=1e-9)


def test_leaves_mode_gradients_and_batch_statistics_as_they_were():
    model = PocketNet().train()
    model.head.eval()
    mean = model.features[0].norm.running_mean.clone()
    pgd(model, torch.rand(2, 3, 16, 16), torch.tensor([0, 1]), "linf", 0.1, 2)
    assert model.training and model.features.training and not model.head.training
    assert torch.equal(model.features[0].norm.running_mean, mean)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


class Broken(nn.Module):
    def forward(self, x):
        return torch.full((len(x), 3), torch.nan)


X, Y = torch.rand(2, 3, 4, 4), torch.tensor([0, 1])


@pytest.mark.parametrize(("change", "error", "complaint"), [
    ({"x": (255 * X).byte()}, TypeError, "floats in .0, 1., got torch.uint8: divide by 255"),
    ({"x": 255 * X}, ValueError, r"images must lie in \[0, 1\]"),
    ({"x": X - 1}, ValueError, r"images must lie in \[0, 1\]"),
    ({"x": X * torch.nan}, ValueError, r"images must lie in \[0, 1\]"),
    ({"x": X[:0], "y": Y[:0]}, ValueError, "empty"),
    ({"y": torch.tensor([0, 10])}, ValueError, r"labels must lie in \[0, 10\), got 10 at index 1; is this CIFAR-100"),
    ({"y": torch.tensor([0, -1])}, ValueError, "got -1 at index 1"),
    ({"y": torch.tensor([0.0, 1.0])}, TypeError, "integer"),
    ({"y": torch.tensor([0])}, ValueError, r"shape \(2,\)"),
    ({"norm": "l1"}, ValueError, "unknown norm"),
    ({"radius": -1.0}, ValueError, "radius"),
    ({"radius": torch.tensor([0.1, 0.2, 0.3])}, ValueError, "radius"),
    ({"steps": 0}, ValueError, "steps"),
    ({"model": Broken()}, ValueError, "NaN"),
])  # fmt: skip
def test_pgd_refuses_bad_input_in_one_clear_line(change, error, complaint):
    arguments = {"model": PocketNet().eval(), "x": X, "y": Y, "norm": "l2", "radius": 0.1, "steps": 1} | change
    with pytest.raises(error, match=complaint) as caught:
        pgd(**arguments)
    assert "\n" not in str(caught.value)
