"""The explorable λ, δ, C: its mathematics under Node against numpy, scipy and the package."""

import math

import numpy as np
import pytest
import traitlets
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from tulip_lite.objectives.robust import covered_delta, penalty_strength
from tulip_lite.widgets.cost import CostExplorer

slopes = st.floats(0, 3)
curvatures = st.floats(0.05, 4)
bends = st.floats(0, 2)
deltas = st.floats(0.01, 4)


@pytest.fixture(scope="module")
def cost(node):
    return lambda function, *args: node("cost/maths", function, *args)


@given(g=slopes, C=curvatures, bend=bends, r=st.floats(0, 30))
def test_the_drawn_loss_has_the_slope_and_curvature_it_is_said_to_have(cost, g, C, bend, r):
    """ℓ(0) = 0, ℓ'(0) = g, and ℓ and ℓ' are the integrals of ℓ' and ℓ''; 0 < ℓ'' ≤ C, attained at the bend; ℓ' < L."""
    assert cost("rise", 0, g, C, bend) == 0
    assert cost("slope", 0, g, C, bend) == pytest.approx(g)
    bent, _ = quad(lambda t: C / np.cosh(t - bend) ** 2, 0, r, points=[min(bend, r)])
    assert cost("slope", r, g, C, bend) == pytest.approx(g + bent, rel=1e-7, abs=1e-9)
    risen, _ = quad(lambda t: g + C * (np.tanh(t - bend) + np.tanh(bend)), 0, r, points=[min(bend, r)])
    assert cost("rise", r, g, C, bend) == pytest.approx(risen, rel=1e-7, abs=1e-9)
    assert cost("curvature", bend, C, bend) == C
    assert 0 < cost("curvature", r, C, bend) <= C
    assert cost("slope", r, g, C, bend) <= cost("steepest", g, C, bend) * (1 + 1e-15)


@given(g=slopes, C=curvatures, bend=bends, r=st.floats(0, 30))
def test_the_upper_model_is_above_the_drawn_loss(cost, g, C, bend, r):
    assert cost("rise", r, g, C, bend) <= cost("model", r, g, C) + 1e-9


@given(g=slopes, C=curvatures, bend=bends, delta=deltas)
def test_the_maximiser_is_the_best_of_a_fine_grid_polished(cost, g, C, bend, delta):
    def objective(r):
        u = np.abs([r - bend, bend])
        logcosh = u + np.log1p(np.exp(-2 * u)) - np.log(2)
        return g * r + C * (logcosh[0] - logcosh[1] + r * np.tanh(bend)) - r**2 / (2 * delta)

    far = delta * (g + 2 * C)
    grid = np.linspace(0, far, 400)
    values = np.array([objective(r) for r in grid])
    i = values.argmax()
    polished = minimize_scalar(
        lambda r: -objective(r), bounds=(grid[max(i - 1, 0)], grid[min(i + 1, 399)]), method="bounded"
    )
    best = max(values[i], -polished.fun)
    found = cost("lossMaximum", g, C, bend, delta)
    assert 0 <= found["r"] <= far
    assert objective(found["r"]) == pytest.approx(found["value"], rel=1e-9, abs=1e-12)
    assert found["value"] >= best - 1e-9 * max(1, best)


@pytest.mark.parametrize(("delta", "r"), [(0.4025, 0.0287), (0.55, 4.199)])
def test_of_two_maxima_the_greater(cost, delta, r):
    """Beyond δC = 1 there may be one before the bend and one beyond: here first the near one wins, then the far one."""
    assert cost("lossMaximum", 0.05, 4.0, 1.5, delta)["r"] == pytest.approx(r, rel=1e-2)


@given(g=slopes, C=curvatures, bend=bends, delta=deltas)
def test_the_bound_of_prop_3_1_is_above_the_maximum(cost, g, C, bend, delta):
    true = cost("lossMaximum", g, C, bend, delta)["value"]
    bound = cost("modelMaximum", g, C, delta)["value"]
    # the second is finite for every δ: a loss that is L-Lipschitz rises by at most δL²/2 above its cost
    for above in (bound, delta * cost("steepest", g, C, bend) ** 2 / 2):
        assert true <= above * (1 + 1e-9) + 1e-12


@given(g=slopes, C=curvatures, share=st.floats(0.01, 0.99))
def test_the_bound_is_the_maximum_of_the_quadratic(cost, g, C, share):
    delta = share / C
    top = cost("modelMaximum", g, C, delta)
    value = cost("model", top["r"], g, C) - cost("cost", top["r"], delta)
    assert value == pytest.approx(top["value"], rel=1e-9, abs=1e-12)
    for factor in (0.9, 1.1):  # and no point beside it is higher
        r = factor * top["r"]
        assert cost("model", r, g, C) - cost("cost", r, delta) <= value + 1e-12


@given(g=st.floats(0.5, 3), C=curvatures)
def test_for_small_delta_the_maximum_is_the_bound(cost, g, C):
    """Both are δ/2 g² + O(δ²): their ratio tends to 1 where the loss starts with its largest curvature."""
    delta = 1e-6
    true = cost("lossMaximum", g, C, 0.0, delta)["value"]
    assert true == pytest.approx(cost("modelMaximum", g, C, delta)["value"], rel=1e-4)


@given(C=curvatures, delta=deltas)
def test_the_strength_is_the_packages(cost, C, delta):
    assert cost("strength", delta, C) == penalty_strength(delta, C).item()


@given(C=curvatures, over=st.floats(1.0001, 10), g=slopes)
def test_from_delta_c_one_on_the_bound_is_infinite(cost, C, over, g):
    assert cost("strength", over / C, C) == math.inf
    assert cost("modelMaximum", g, C, over / C)["value"] == math.inf


def test_at_delta_c_one_the_gradient_decides(cost):
    assert cost("modelMaximum", 1.0, 2.0, 0.5) == {"r": math.inf, "value": math.inf}
    assert cost("modelMaximum", 0.0, 2.0, 0.5) == {"r": 0, "value": 0}


@given(g=st.floats(0.01, 3), C=curvatures, radius=st.floats(0.01, 4))
def test_a_hard_constraint_is_the_quadratic_cost_of_its_own_delta(cost, g, C, radius):
    """δ‖∇ℓ‖ + Cδ²/2 is the least of (λ/2)‖∇ℓ‖² + radius²/(2δ) over all quadratic costs."""
    hard = cost("hardMaximum", g, C, radius)
    assert hard["first"] == pytest.approx(radius * g)
    same = cost("equivalent", g, C, radius)
    assert same["delta"] == pytest.approx(covered_delta(same["strength"], C).item(), rel=1e-12)

    def relaxed(delta):
        return cost("modelMaximum", g, C, delta)["value"] + radius**2 / (2 * delta)

    assert relaxed(same["delta"]) == pytest.approx(hard["value"], rel=1e-9)
    for factor in (0.95, 1.05):
        assert relaxed(factor * same["delta"]) >= hard["value"]


@pytest.mark.parametrize("known", ["largest", "at the image"])
@pytest.mark.parametrize("kind", ["quadratic", "hard"])
def test_the_still_picture_draws_what_the_page_draws(cost, kind, known):
    state = CostExplorer(kind=kind, known=known, delta=0.25, curvature=2.0, bend=0.5, gradient=0.7)
    left, right = state.still().axes
    lines = {line.get_label(): line for line in left.lines}
    given = 2.0 if known == "largest" else cost("curvature", 0, 2.0, 0.5)
    expected = {"loss": ("rise", 0.7, 2.0, 0.5), "upper model": ("model", 0.7, given)}
    if kind == "quadratic":
        expected["cost"] = ("cost", 0.25)
    for name, (function, *args) in expected.items():
        r, drawn = lines[name].get_data()
        assert drawn[::57] == pytest.approx([cost(function, at, *args) for at in r[::57].tolist()])
    assert ("loss − cost" in lines) == (kind == "quadratic")
    verticals = [line.get_xdata()[0] for line in right.lines if len(set(line.get_xdata())) == 1]
    present = 0.25 if kind == "quadratic" else cost("equivalent", 0.7, given, 0.25)["delta"]
    assert verticals == pytest.approx([1 / given, present])


def test_the_side_of_the_still_has_the_range_of_the_page(cost):
    for state, present in (
        ({"kind": "quadratic", "delta": 3.0}, 3.0),
        ({"kind": "hard", "delta": 4.0}, cost("equivalent", 0.8, 1.0, 4.0)["delta"]),
    ):
        _, side = CostExplorer(**state).still().axes
        assert side.get_xlim() == pytest.approx((0, max(2, 1.1 * present)))
        assert side.get_ylim() == (0, 5)


@pytest.mark.parametrize(("delta", "drawn"), [(0.5, True), (4.0, False)])
def test_a_maximum_beyond_the_picture_is_not_drawn(cost, delta, drawn):
    """For δ = 4 it is at r = δ · slope, more than 3."""
    left, _ = CostExplorer(delta=delta).still().axes
    dots = [line.get_xdata()[0] for line in left.lines if line.get_marker() == "o"]
    true = cost("lossMaximum", 0.8, 1.0, 1.0, delta)["r"]
    assert (true < 3) == drawn
    assert dots == pytest.approx([true] if drawn else [], abs=0.01)


@pytest.mark.parametrize("wrong", [{"delta": 0.0}, {"curvature": 0.0}, {"gradient": -1.0}, {"bend": -1.0}])
def test_state_without_a_meaning_is_refused(wrong):
    with pytest.raises(traitlets.TraitError):
        CostExplorer(**wrong)
