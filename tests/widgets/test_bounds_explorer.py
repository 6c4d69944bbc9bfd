"""The mathematics of Figure 1, alive: the module in the browser against the package."""

import math

import pytest
import torch
import traitlets
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
    return lambda function, *args: node("bounds/maths", function, *args)


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


@pytest.fixture
def slice_of(smooth_net):
    """measured(…) of the names given, on two images, both classified correctly by a wide margin; and what went in."""
    with torch.no_grad():
        smooth_net.last.weight.mul_(20)
    loss = losses.of(smooth_net, losses.soft_margin, kind="logsumexp")
    x = torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y, x_adv = smooth_net(x).argmax(1), x + 0.1

    def of(images, y=y, x_adv=x_adv, **constants):
        return measured("net", loss, images, x, y, x_adv, **{"lipschitz": 2.0, "curvature": 3.0} | constants)

    return of, loss, x, y, x_adv


def test_a_measured_slice_is_the_loss_on_the_line(slice_of):
    of, loss, x, y, _ = slice_of
    (slice_,) = of({"second": 1})
    assert slice_["smooth"] and (slice_["lipschitz"], slice_["curvature"]) == (2.0, 3.0)
    assert slice_["gap"] == pytest.approx(-loss(x, y)[1].item())
    distance = 0.1 * math.sqrt(12)
    assert slice_["rs"][-1] == pytest.approx(1.6 * distance) and len(slice_["rs"]) == len(slice_["values"]) == 81
    there = x[1:] + slice_["rs"][50] / distance * 0.1
    assert slice_["values"][50] == pytest.approx(loss(there, y[1:]).item(), rel=1e-5)
    assert of({"a": 0}, curvature=None)[0]["smooth"] is False


def test_an_image_without_a_line_to_the_boundary_is_refused_by_name(slice_of):
    of, _, x, y, x_adv = slice_of
    with pytest.raises(ValueError, match="image 'wrong' counts as misclassified from the start"):
        of({"right": 0, "wrong": 1}, y=torch.stack([y[0], (y[1] + 1) % 4]))
    with pytest.raises(ValueError, match="image 'safe' has x_adv equal to x"):
        of({"safe": 1}, x_adv=torch.stack([x_adv[0], x[1]]))


@pytest.mark.parametrize("name", ["lipschitz", "curvature"])
def test_the_constants_are_positive(name):
    with pytest.raises(traitlets.TraitError):
        BoundsExplorer(**{name: 0.0})


def marks(axis):
    """The points that the picture marks: {mark: [r, …]}, each on the level 0."""
    found = {}
    for line in axis.lines:
        if line.get_marker() != "None":
            assert list(line.get_ydata()) == [0]
            found.setdefault(line.get_marker(), []).append(line.get_xdata()[0])
    return found


def test_the_still_picture_is_that_of_the_page(maths):
    gap, gradient, L, C = 0.4, 0.25, 4.5, 8.0
    (axis,) = BoundsExplorer(gap=gap, gradient=gradient, lipschitz=L, curvature=C).still().axes
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels == ["a smooth network", "a ReLU network", "L-cone, L = 4.5", "C-parabola, C = 8"]
    arguments = {"drawnSmooth": (gap, gradient), "drawnKinked": (gap, gradient), "cone": (gap, L),
                 "parabola": (gap, gradient, C)}  # fmt: skip
    for line, (name, constants) in zip(axis.lines, arguments.items(), strict=False):
        rs, values = (data.tolist() for data in line.get_data())
        assert values[::20] == pytest.approx([maths(name, r, *constants) for r in rs[::20]], abs=1e-12), name
    rs = axis.lines[0].get_xdata().tolist()
    crossings = [maths("crossing", rs, line.get_ydata().tolist()) for line in axis.lines[:2]]
    bounds = {"s": [maths("lipschitzBound", gap, L)], "D": [maths("curvatureBound", gap, gradient, C)]}
    expected = {"o": crossings} | bounds
    found = marks(axis)
    assert found.keys() == expected.keys()
    for mark, at in expected.items():
        assert found[mark] == pytest.approx(at), mark


def test_the_still_picture_of_a_measured_loss(maths, slice_of):
    of, *_ = slice_of
    steep, flat = of({"a": 0})[0], of({"b": 1}, curvature=None)[0]
    # a loss that reaches the level halfway, and one that never does
    steep["values"] = [-steep["gap"] * (1 - 2 * i / 80) for i in range(81)]
    flat["values"] = [-flat["gap"]] * 81
    explorer = BoundsExplorer(slices=[flat, steep], shown=1)
    assert [getattr(explorer, name) for name in ("gap", "gradient", "lipschitz", "curvature")] == [
        steep[name] for name in ("gap", "gradient", "lipschitz", "curvature")
    ]
    explorer.lipschitz = 5.0
    (axis,) = explorer.still().axes
    loss, cone, parabola = axis.lines[:3]
    assert loss.get_label() == "this smooth network"
    assert loss.get_xdata().tolist() == steep["rs"] and loss.get_ydata().tolist() == steep["values"]
    r = cone.get_xdata()[100]
    assert cone.get_ydata()[100] == pytest.approx(maths("cone", r, steep["gap"], 5.0))
    assert parabola.get_ydata()[100] == pytest.approx(maths("parabola", r, steep["gap"], steep["gradient"], 3.0))
    found = marks(axis)
    assert found["o"] == pytest.approx([steep["rs"][40]])
    assert found["s"] == pytest.approx([steep["gap"] / 5])
    assert found["D"] == pytest.approx([maths("curvatureBound", steep["gap"], steep["gradient"], 3.0)])
    explorer.shown = 0
    (axis,) = explorer.still().axes
    assert axis.lines[0].get_label() == "this ReLU network" and math.isnan(*marks(axis)["o"])
    assert explorer.gap == flat["gap"] and explorer.curvature == 3.0
