import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tulip_lite import norms

NORMS = ("l2", "linf")
seeds = st.integers(0, 2**31)
scales = st.floats(1e-20, 1e10)


def draw(seed, scale=1.0, shape=(5, 3, 4, 4)):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("norm", NORMS)
@given(seed=seeds, scale=scales)
def test_steepest_direction_attains_the_dual_norm(norm, seed, scale):
    geometry, g = norms.get(norm), draw(seed, scale)
    v = geometry.steepest(g)
    assert torch.all(geometry.size(v) <= 1 + 1e-5)
    torch.testing.assert_close((g * v).flatten(1).sum(1), geometry.dual(g), rtol=1e-4, atol=0)


@pytest.mark.parametrize("norm", NORMS)
@given(seed=seeds, radius=st.floats(0, 10))
def test_projection_lands_in_the_ball_is_idempotent_and_keeps_what_is_inside(norm, seed, radius):
    geometry, v = norms.get(norm), draw(seed)
    p = geometry.project(v, radius)
    assert torch.all(geometry.size(p) <= radius * (1 + 1e-5))
    torch.testing.assert_close(geometry.project(p, radius), p)
    inside = geometry.size(v) <= radius
    assert torch.equal(p[inside], v[inside])


@pytest.mark.parametrize("norm", NORMS)
@given(seed=seeds, radius=st.floats(0.01, 3))
def test_no_point_of_the_ball_is_nearer_than_the_projection(norm, seed, radius):
    geometry, v = norms.get(norm), draw(seed)
    others = geometry.random(v, radius, torch.Generator().manual_seed(seed + 1))
    nearest = (v - geometry.project(v, radius)).flatten(1).norm(dim=1)
    assert torch.all(nearest <= (v - others).flatten(1).norm(dim=1) + 1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_each_image_may_have_its_own_radius(norm):
    radius = torch.tensor([0.0, 0.1, 0.2, 0.3, 1e3])
    v = draw(0)
    projected = norms.get(norm).project(v, radius)
    torch.testing.assert_close(norms.get(norm).size(projected)[:4], radius[:4])
    assert torch.equal(projected[4], v[4])


@pytest.mark.parametrize("norm", NORMS)
def test_a_zero_gradient_has_no_direction(norm):
    g = draw(0)
    g[2] = 0
    v = norms.get(norm).steepest(g)
    assert torch.all(v[2] == 0) and torch.all(v[[0, 1, 3, 4]].flatten(1).any(1))


@pytest.mark.parametrize("norm", NORMS)
def test_reach_is_the_longest_unit_perturbation(norm):
    geometry = norms.get(norm)
    corner = geometry.steepest(torch.ones(1, 3, 4, 4))
    assert geometry.size(corner).item() == pytest.approx(1)
    assert corner.norm().item() == pytest.approx(geometry.reach(48))


def test_random_points_fill_the_l2_ball_uniformly():
    # in n dimensions the share within r of the radius is rⁿ; binomial standard deviation 0.0035 for 20 000 draws
    v = norms.get("l2").random(torch.zeros(20_000, 3), 2.0, torch.Generator().manual_seed(0))
    share = (norms.get("l2").size(v) < 2 * 0.8).float().mean().item()
    assert share == pytest.approx(0.8**3, abs=4 * 0.0035)


@settings(max_examples=20)
@given(st.one_of(st.text(), st.none(), st.integers()).filter(lambda name: name not in NORMS))
def test_unknown_norm_names_the_choices(name):
    with pytest.raises(ValueError, match=r"unknown norm .*'l2', 'linf'"):
        norms.get(name)
