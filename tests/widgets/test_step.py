import json
import math

import pytest
import torch
import traitlets
from hypothesis import given
from hypothesis import strategies as st

from tulip_lite.models import PocketNet
from tulip_lite.objectives.difference_error import ORDERS, UNITS, best_step, errors_against_h
from tulip_lite.widgets import step
from tulip_lite.widgets.step import StepExplorer

floats = st.floats(allow_nan=False, allow_infinity=False)
eighths = st.integers(1, 64).map(lambda n: n / 8)
methods = st.sampled_from(list(ORDERS))
singles = st.floats(width=32, allow_nan=False)


@given(st.one_of(floats, singles, st.floats(-1e39, 1e39), st.floats(-1e-37, 1e-37)))
def test_rounding_is_numpys_and_torchs_bit_for_bit(node, x):
    # JSON writes large doubles as whole numbers, which Python would compare digit by digit
    assert float(node("step/maths", "round", x, "float64")) == x
    for precision in ("float32", "bfloat16"):
        # through float32, as a float32 result is stored in bfloat16
        expected = torch.tensor(x, dtype=torch.float32).to(getattr(torch, precision)).item()
        found = float(node("step/maths", "round", x, precision))
        assert found == expected, precision
        # JSON has no minus zero
        assert found == 0 or math.copysign(1, found) == math.copysign(1, expected)


@pytest.mark.parametrize("x", [1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-23, 65280.0, 3.39e38, 3.4028e38])
def test_ties_go_to_even_and_the_largest_numbers_to_infinity(node, x):
    assert node("step/maths", "bfloat16", x) == torch.tensor(x, dtype=torch.float32).bfloat16().item()


def test_what_is_no_number_stays_none(node):
    assert math.isnan(node("step/maths", "bfloat16", math.nan))
    assert (
        node("step/maths", "bfloat16", math.inf) == math.inf and node("step/maths", "bfloat16", -math.inf) == -math.inf
    )


@given(st.floats(-12, 0), eighths, eighths, methods)
def test_the_quotient_is_torchs_operation_by_operation(node, exponent, margin, steepness, method):
    """But for the last digit of exp and log1p, in which the libraries differ: a unit in the last place of each loss."""
    for precision, unit in UNITS.items():
        h = torch.tensor(10**exponent, dtype=torch.float64).to(getattr(torch, precision))
        expected = step.quotient(h, margin, steepness, method).item()
        found = node("step/maths", "quotient", h.item(), margin, steepness, precision, method)
        largest = max(node("step/maths", "exact", margin, steepness)["loss"], steepness * h.item())
        assert abs(found - expected) <= 8 * unit * largest / h.item(), precision


def test_almost_everywhere_the_quotient_is_torchs_to_the_last_bit(node):
    for precision in UNITS:
        hs = torch.logspace(-12, 0, 200, dtype=torch.float64).to(getattr(torch, precision))
        expected = step.quotient(hs, 2.0, 1.0, "finite-difference").tolist()
        found = [node("step/maths", "quotient", h, 2.0, 1.0, precision, "finite-difference") for h in hs.tolist()]
        assert sum(a == b for a, b in zip(found, expected, strict=True)) >= 180, precision


@given(eighths, eighths)
def test_the_derivatives_are_autograds(node, margin, steepness):
    h = torch.zeros((), dtype=torch.float64, requires_grad=True)
    derivatives = [torch.nn.functional.softplus(steepness * h - margin)]
    for _ in range(3):
        derivatives += torch.autograd.grad(derivatives[-1], h, create_graph=True)
    found = node("step/maths", "exact", margin, steepness)
    for name, expected in zip(("loss", "slope", "second", "third"), derivatives, strict=True):
        assert found[name] == pytest.approx(expected.item(), rel=1e-9, abs=1e-15), name


@given(st.floats(1e-6, 1e6), st.floats(1e-20, 1), st.sampled_from([1, 2]))
def test_no_other_step_beats_the_best_one(node, truncation, rounding, order):
    law = {"order": order, "truncation": truncation, "rounding": rounding}
    best = node("step/maths", "best", law)
    assert (best["h"], best["error"]) == pytest.approx(best_step(truncation, rounding, order))
    for factor in (0.5, 0.99, 1.01, 2):
        assert sum(node("step/maths", "parts", factor * best["h"], law).values()) > best["error"]


def test_the_best_step_is_the_chapters_formula(node):
    """2√(ε/C) forward and ∛(3ε/C₃) central, ε the rounding error of one loss."""
    margin, steepness = 2.0, 1.5
    exact = node("step/maths", "exact", margin, steepness)
    for precision, unit in UNITS.items():
        epsilon = unit * (exact["loss"] + margin * exact["slope"] / steepness)
        for method, expected in (
            ("finite-difference", 2 * math.sqrt(epsilon / exact["second"])),
            ("central-difference", (3 * epsilon / exact["third"]) ** (1 / 3)),
        ):
            law = node("step/maths", "coefficients", margin, steepness, precision, method)
            assert node("step/maths", "best", law)["h"] == pytest.approx(expected)


@pytest.mark.parametrize("method", ORDERS)
def test_the_formula_foretells_the_curves(node, method):
    """Truncation: to 1 % where it rules. Rounding: never exceeded by more than half, and reached to a factor 10 at its peak."""
    state = {"source": "computed", "method": method, "margin": 2.0, "steepness": 1.0, "measured": {}}
    steps = node("step/maths", "logspace", -12, 0, 193)
    for precision in UNITS:
        law = node("step/maths", "coefficients", 2.0, 1.0, precision, method)
        best = node("step/maths", "best", law)["h"]
        shares = []
        for h in steps:
            error = node("step/maths", "relativeError", h, state["margin"], state["steepness"], precision, method)
            parts = node("step/maths", "parts", h, law)
            if 30 * best < h < 0.02:
                assert error == pytest.approx(parts["truncation"], rel=0.02), (precision, h)
            elif h < best:
                assert error <= 1.5 * sum(parts.values()), (precision, h)
                shares += [error / parts["rounding"]] if parts["rounding"] < 1 else []
        assert max(shares) > 0.1, precision


@given(st.floats(-13, 1))
def test_interpolation_is_straight_in_the_logarithms(node, exponent):
    xs = [1e-12, 1e-8, 1e-3, 1.0]
    ys = [3e-2 * x**0.5 for x in xs]
    expected = 3e-2 * min(max(10**exponent, 1e-12), 1.0) ** 0.5
    assert node("step/maths", "interpolate", 10**exponent, xs, ys) == pytest.approx(expected)


@pytest.fixture(scope="module")
def errors():
    torch.manual_seed(0)
    x, y = torch.rand(3, 3, 8, 8), torch.tensor([0, 1, 2])
    return errors_against_h(PocketNet(activation="smooth-relu").eval(), x, y, [1e-4, 1e-2, 1.0])


def test_a_measured_network_is_shown_as_it_was_measured(node, errors):
    measured = json.loads(json.dumps(step.measured(errors)))
    state = {"source": "measured", "margin": 1.0, "steepness": 1.0, "measured": measured}
    for method in ORDERS:
        picture = node("step/maths", "picture", state | {"method": method})
        assert picture["steps"] == [1e-4, 1e-2, 1.0]
        for precision in UNITS:
            expected = errors.median(precision, method).tolist()
            assert picture["errors"][precision] == pytest.approx(expected, rel=1e-3)
            law = picture["model"][precision]
            found = (law["truncation"], law["rounding"])
            assert found == pytest.approx(errors.coefficients(precision, method), rel=1e-3)
            assert law["order"] == ORDERS[method]


def test_the_computed_curves_are_pythons(node):
    """The picture for readers without JavaScript shows what the others see: medians of each decade agree to a factor 4."""
    for method in ORDERS:
        explorer = StepExplorer(method=method)
        steps, expected = explorer.curves()
        picture = node(
            "step/maths", "picture", {"source": "computed", "method": method, "margin": 2.0, "steepness": 1.0}
        )
        assert picture["steps"] == pytest.approx(steps)
        for precision in UNITS:
            for i in range(0, 192, 16):
                ours, theirs = (sorted(errors[precision][i : i + 16])[8] for errors in (picture["errors"], expected))
                assert theirs / 4 < ours < 4 * theirs, (precision, steps[i])


@pytest.mark.parametrize("source", ["computed", "measured"])
def test_there_is_a_still_picture_of_the_state(errors, source):
    from matplotlib import pyplot

    explorer = StepExplorer(source=source, measured=step.measured(errors), h=0.02, precision="bfloat16")
    figure = explorer.still()
    (axes,) = figure.axes
    labels = [line.get_label() for line in axes.lines]
    assert labels == ["float64", "float32", "bfloat16", "h = 0.02"]
    assert list(axes.lines[2].get_ydata()) == explorer.curves()[1]["bfloat16"]
    pyplot.close(figure)


def test_state_without_a_meaning_is_refused(errors):
    for h in (0.0, 2.0):
        with pytest.raises(traitlets.TraitError):
            StepExplorer(h=h)
    with pytest.raises(ValueError, match='source "measured" needs the trait `measured`'):
        StepExplorer(source="measured")
    explorer = StepExplorer()
    with pytest.raises(ValueError, match="needs the trait"):
        explorer.source = "measured"
    explorer.measured = step.measured(errors)
    explorer.source = "measured"
    assert explorer.source == "measured"
