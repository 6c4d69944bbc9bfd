import pytest
import torch
from conftest import LinearModel
from hypothesis import given, settings
from hypothesis import strategies as st
from small_losses import PIXELS, SHAPE, bowl, images
from torch import nn

from tulip_lite import losses
from tulip_lite.bounds.constants.curvature import ascended_curvature, sampled_curvature
from tulip_lite.curvature import hessian_extremes
from tulip_lite.models import PocketNet


def cubes(x, y):
    """Σ k x³/6 with k from 1 to 2: the Hessian is diagonal, k x."""
    k = torch.linspace(1, 2, PIXELS, dtype=x.dtype)
    return (k * x.flatten(1) ** 3).sum(1) / 6


def test_a_linear_loss_is_flat():
    weight = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    linear = losses.of(LinearModel(weight), lambda logits, y: logits[:, 0])
    for search in (sampled_curvature, ascended_curvature):
        assert torch.equal(search(linear, *images(), 0.1), torch.zeros(3, dtype=torch.float64))


@settings(max_examples=20)
@given(st.floats(1e-3, 0.3), st.integers(0, 2**31))
def test_curvature_that_grows_along_an_axis(radius, seed):
    x, y = images()
    true = (torch.linspace(1, 2, PIXELS, dtype=x.dtype) * (x.flatten(1) + radius)).amax(1)
    found = ascended_curvature(cubes, x, y, radius, steps=10, seed=seed)
    by_chance = sampled_curvature(cubes, x, y, radius, samples=2, seed=seed)
    # where the axis that is first at x is not the one that is best at the radius, ascent may stay with the first
    first = (torch.linspace(1, 2, PIXELS, dtype=x.dtype) * x.flatten(1)).amax(1)
    assert (found <= true * (1 + 1e-9)).all() and (found >= 0.97 * (first + radius)).all()
    assert (by_chance <= true * (1 + 1e-9)).all() and (by_chance >= 0.98 * first).all()


def test_curvature_where_one_axis_always_wins_is_found_exactly():
    x, y = torch.full((2, *SHAPE), 0.5, dtype=torch.float64), torch.arange(2)
    assert ascended_curvature(cubes, x, y, 0.3).tolist() == pytest.approx([1.6, 1.6], rel=0.01)
    best = x.clone()
    best.view(2, -1)[:, -1] += 0.3
    assert sampled_curvature(cubes, x, y, 0.3, starts=[best]).tolist() == pytest.approx([1.6, 1.6], rel=0.01)
    assert sampled_curvature(cubes, x, y, 0.1, starts=[best]).tolist() == pytest.approx([1.2, 1.2], rel=0.01)


def test_a_dome_has_no_positive_curvature():
    x, y = images()
    for search in (sampled_curvature, ascended_curvature):
        assert torch.equal(search(lambda z, y: -bowl(z, y), x, y, 0.1), torch.zeros(3, dtype=x.dtype))


def test_the_ascended_curvature_of_a_network_is_at_least_that_at_the_image():
    torch.manual_seed(0)
    net = PocketNet(activation="smooth-relu").eval().requires_grad_(False)
    x, y = torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
    soft = losses.of(net, losses.soft_margin)
    here = hessian_extremes(soft, x, y, tol=1e-2).largest.clamp_min(0)
    assert (ascended_curvature(soft, x, y, 0.5, steps=3) > 1.05 * here).all()


def test_losses_with_kinks_have_no_curvature():
    net = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 5), nn.ReLU(), nn.Linear(5, 3)).double().requires_grad_(False)
    for search in (sampled_curvature, ascended_curvature):
        with pytest.raises(ValueError, match="SmoothReLU"):
            search(losses.of(net, losses.logit_margin), *images(), 0.5)
