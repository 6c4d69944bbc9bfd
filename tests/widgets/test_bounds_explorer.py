"""The mathematics of Figure 1, alive: the module in the browser against the package."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tulip_lite import losses
from tulip_lite.activations import smooth_relu
from tulip_lite.bounds import curvature_bound, lipschitz_bound
from tulip_lite.widgets.bounds import BoundsExplorer, measured

gaps, slopes, constants = st.floats(-1, 2), st.floats(0, 100), st.floats(1e-3, 1e4)


def one(value):
    return torch.tensor([value], dtype=torch.float64)


@pytest.fixture(scope="module")
def maths(node):
    return lambda function, *args: node("bounds", function, *args)


@given(gap=gaps, slope=slopes, constant=constants)
def test_both_bounds_are_those_of_the_package(maths, gap, slope, constant):
    assert maths("lipschitzBound", gap, constant) == pytest.approx(
        lipschitz_bound(one(gap), constant).item(), rel=1e-12
    )
    expected = curvature_bound(one(gap), one(slope), constant).item()
    assert maths("curvatureBound", gap, slope, constant) == pytest.approx(expected, rel=1e-12, abs=1e-300)


@given(gap=st.floats(1e-3, 2), slope=slopes, constant=constants)
def test_cone_and_parabola_meet_the_level_at_the_bounds(maths, gap, slope, constant):
    assert maths("cone", maths("lipschitzBound", gap, constant), gap, constant) == pytest.approx(0, abs=1e-9)
    at = maths("curvatureBound", gap, slope, constant)
    assert maths("parabola", at, gap, slope, constant) == pytest.approx(0, abs=1e-9)


@given(st.floats(-2, 2))
def test_the_smooth_relu_is_the_package_s(maths, u):
    assert maths("smoothReLU", u) == pytest.approx(smooth_relu(one(u)).item(), abs=1e-15)


@given(gap=st.floats(0.05, 1), slope=st.floats(0, 3))
def test_the_drawn_losses_have_the_constants_that_are_claimed(maths, gap, slope):
    """The smallest true L and C, found on a fine grid, are those of `drawnConstants`; with them both bounds hold."""
    rs = [0.8 * i / 4000 for i in range(4001)]
    smooth = [maths("drawnSmooth", r, gap, slope) for r in rs[::10]]
    kinked = [maths("drawnKinked", r, gap, slope) for r in rs[::10]]
    claimed = maths("drawnConstants", slope)
    assert maths("needs", rs[::10], smooth)["lipschitz"] == pytest.approx(claimed["smooth"]["lipschitz"], rel=1e-3)
    assert maths("needs", rs[::10], smooth)["curvature"] == pytest.approx(claimed["smooth"]["curvature"], rel=1e-3)
    assert maths("needs", rs[::10], kinked)["lipschitz"] == pytest.approx(claimed["kinked"]["lipschitz"], rel=1e-3)
    assert claimed["kinked"]["curvature"] == math.inf
    for curve, name in ((smooth, "smooth"), (kinked, "kinked")):
        true = maths("crossing", rs[::10], curve)
        assert maths("lipschitzBound", gap, claimed[name]["lipschitz"]) <= true * (1 + 1e-9)
    true = maths("crossing", rs[::10], smooth)
    assert maths("curvatureBound", gap, slope, claimed["smooth"]["curvature"]) <= true * (1 + 1e-6)


def test_the_moment_a_bound_fails(maths):
    """Figure 1: with the smooth loss's C, the loss with the kink crosses before the parabola does."""
    rs = [i / 1000 for i in range(801)]
    kinked = maths("crossing", rs, [maths("drawnKinked", r, 0.5, 0.3) for r in rs])
    # −0.5 + 0.3 r + 4 (r − 0.2) = 0
    assert kinked == pytest.approx(1.3 / 4.3, abs=1e-3)
    assert maths("curvatureBound", 0.5, 0.3, 7.5) > kinked


def test_where_a_curve_of_points_crosses(maths):
    assert maths("crossing", [0, 1, 2], [-1, -0.5, 0.5]) == 1.5
    assert maths("crossing", [0, 1], [0.2, 0.3]) == 0
    assert maths("crossing", [0, 1], [-2, -1]) == math.inf
    # a parabola −1 + r + 3 r²/2: curvature 3, steepest at its end
    rs = [0.1 * i for i in range(11)]
    found = maths("needs", rs, [-1 + r + 1.5 * r**2 for r in rs])
    assert found["curvature"] == pytest.approx(3) and found["lipschitz"] == pytest.approx(1 + 3 * 0.95)


def test_a_measured_slice_is_the_loss_on_the_line(smooth_net):
    loss = losses.of(smooth_net, losses.soft_margin, kind="logsumexp")
    x = torch.rand(2, 3, 2, 2, dtype=torch.float64)
    y, x_adv = torch.tensor([0, 1]), x + 0.1
    (slice_,) = measured("net", loss, {"second": 1}, x, y, x_adv, lipschitz=2.0, curvature=3.0)
    assert slice_["smooth"] and (slice_["lipschitz"], slice_["curvature"]) == (2.0, 3.0)
    assert slice_["gap"] == pytest.approx(-loss(x, y)[1].item())
    distance = 0.1 * math.sqrt(12)
    assert slice_["rs"][-1] == pytest.approx(1.6 * distance) and len(slice_["rs"]) == len(slice_["values"]) == 81
    at = slice_["rs"].index(slice_["rs"][50])
    there = x[1:] + slice_["rs"][at] / distance * 0.1
    assert slice_["values"][at] == pytest.approx(loss(there, y[1:]).item(), rel=1e-5)
    assert measured("net", loss, {"a": 0}, x, y, x_adv, lipschitz=2.0)[0]["smooth"] is False


def test_the_still_picture_holds_both_losses_and_both_bounds():
    figure = BoundsExplorer().still()
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["a smooth network", "a ReLU network", "L-cone, L = 4.3", "C-parabola, C = 7.5"]
