import math

import pytest
import torch
from conftest import LinearModel
from hypothesis import assume, given
from hypothesis import strategies as st

from tulip_lite import norms
from tulip_lite.bounds import curvature_bound, lipschitz_bound, slope_limited_bound

gaps = st.floats(-1, 10)
slopes = st.floats(0, 100)
curvatures = st.floats(1e-6, 1e4)


def one(value):
    return torch.tensor([value], dtype=torch.float64)


@given(gaps, st.floats(1e-3, 1e3))
def test_l_bound_is_the_gap_over_l(gap, lipschitz):
    assert lipschitz_bound(one(gap), lipschitz).item() == pytest.approx(max(gap, 0) / lipschitz)


@given(gaps, slopes, curvatures)
def test_c_bound_is_where_the_parabola_meets_the_level(gap, slope, curvature):
    r = curvature_bound(one(gap), one(slope), curvature).item()
    assert slope * r + curvature / 2 * r**2 == pytest.approx(max(gap, 0), rel=1e-9, abs=1e-12)


@given(gaps, slopes, curvatures, st.floats(1, 10))
def test_bounds_grow_with_the_gap_and_shrink_with_the_constants(gap, slope, curvature, factor):
    bound = curvature_bound(one(gap), one(slope), curvature)
    slack = 1 + 1e-12
    assert curvature_bound(one(abs(gap) * factor), one(slope), curvature) * slack >= bound
    assert curvature_bound(one(gap), one(slope * factor), curvature) <= bound * slack
    assert curvature_bound(one(gap), one(slope), curvature * factor) <= bound * slack


@given(st.floats(1e-3, 10), slopes, curvatures)
def test_c_bound_is_at_most_its_two_limits(gap, slope, curvature):
    bound = curvature_bound(one(gap), one(slope), curvature).item()
    assert bound <= math.sqrt(2 * gap / curvature) * (1 + 1e-12)
    assume(slope > 0)
    assert bound <= gap / slope * (1 + 1e-12)


@given(st.floats(1e-3, 10), st.floats(0.1, 100))
def test_small_curvature_gives_the_first_order_distance_without_cancellation(gap, slope):
    single = torch.float32
    bound = curvature_bound(torch.tensor([gap], dtype=single), torch.tensor([slope], dtype=single), 1e-12)
    assert bound.item() == pytest.approx(gap / slope, rel=1e-5)


def test_zero_gradient_gives_the_root_of_twice_the_gap_over_c():
    assert curvature_bound(one(0.5), one(0.0), 4.0).item() == pytest.approx(0.5)
    assert curvature_bound(one(0.0), one(0.0), 4.0).item() == 0


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_l_bound_is_exact_for_a_linear_loss(norm):
    weight = torch.randn(12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.rand(5, 12, dtype=torch.float64)
    score = LinearModel(weight)(x)[:, 0]
    bound = lipschitz_bound(score.abs(), norms.get(norm).dual(weight[None]))
    moved = x - score.sign()[:, None] * bound[:, None] * norms.get(norm).steepest(weight[None])
    torch.testing.assert_close(LinearModel(weight)(moved)[:, 0], torch.zeros(5, dtype=torch.float64))


def test_c_bound_is_exact_for_a_quadratic_loss():
    """ℓ(x + v) = ℓ(x) + <g, v> + C/2 ‖v‖²: along g the level is reached exactly at the bound."""
    g = torch.randn(7, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gap, curvature = torch.rand(7, dtype=torch.float64), 3.0
    r = curvature_bound(gap, g.norm(dim=1), curvature)
    v = r[:, None] * g / g.norm(dim=1, keepdim=True)
    torch.testing.assert_close((g * v).sum(1) + curvature / 2 * (v**2).sum(1), gap)


@given(gaps, slopes, st.floats(1, 10), curvatures)
def test_l_and_c_together_are_at_least_as_good_as_either(gap, slope, factor, curvature):
    lipschitz = max(slope, 1e-3) * factor
    both = slope_limited_bound(one(gap), one(slope), lipschitz, curvature).item()
    slack = 1 + 1e-9
    assert both * slack + 1e-12 >= lipschitz_bound(one(gap), lipschitz).item()
    assert both * slack + 1e-12 >= curvature_bound(one(gap), one(slope), curvature).item()


@given(st.floats(1e-3, 10), st.floats(0, 100), st.floats(1.01, 10), curvatures)
def test_l_and_c_together_are_attained(gap, slope, factor, curvature):
    """The loss whose slope is min(‖g‖ + C r, L) reaches the level at the bound: its slopes up to there add up to the gap."""
    lipschitz = max(slope, 1e-3) * factor
    r = slope_limited_bound(one(gap), one(slope), lipschitz, curvature).item()
    turn = min((lipschitz - slope) / curvature, r)
    risen = slope * turn + curvature / 2 * turn**2 + lipschitz * (r - turn)
    assert risen == pytest.approx(gap, rel=1e-9)


@pytest.mark.parametrize("call", [
    lambda: lipschitz_bound(one(1.0), 0.0),
    lambda: lipschitz_bound(one(1.0), -1.0),
    lambda: lipschitz_bound(one(1.0), math.inf),
    lambda: lipschitz_bound(one(math.nan), 1.0),
    lambda: curvature_bound(one(1.0), one(1.0), 0.0),
    lambda: curvature_bound(one(1.0), one(-1.0), 1.0),
    lambda: curvature_bound(one(1.0), one(math.nan), 1.0),
    lambda: curvature_bound(one(1.0), one(1.0), math.nan),
    lambda: slope_limited_bound(one(1.0), one(2.0), 1.0, 1.0),
    lambda: slope_limited_bound(one(1.0), one(2.0), 0.0, 1.0),
])  # fmt: skip
def test_bad_constants_are_an_error_not_a_number(call):
    with pytest.raises(ValueError, match=r"(gap|lipschitz|gradient_norm|curvature)"):
        call()
