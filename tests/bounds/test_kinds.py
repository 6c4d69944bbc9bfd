"""Which constant makes which bound, and how often attacks refute it."""

import math
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from tulip_lite import bounds
from tulip_lite.bounds.kinds import CURVATURE, LIPSCHITZ, PROVED, failures, lower_bounds

NAN = math.nan
CONSTANTS = {"L": {"test": 2.0, "training": 3.0}, "C": {"test": 5.0, "training": 7.0}}
PLACES = {
    "lipschitz/sampled": [1.0, NAN, 0.5, NAN],
    "lipschitz/clever": [1.5, NAN, 0.75, NAN],
    "lipschitz/ascended": [2.5, NAN, 4.0, NAN],
    "curvature/sampled": [11.0, NAN, 13.0, NAN],
    "curvature/ascended": [NAN, NAN, 17.0, 19.0],
}


def table(without=()):
    columns = {
        "margin": torch.tensor([-0.5, -0.25, 0.125, -1.0]),
        "soft_margin": torch.tensor([-0.25, -0.125, 0.25, -0.5]),
        "soft_margin_gradient/l2": torch.tensor([0.0, 1.0, 2.0, 4.0]),
        PROVED: torch.tensor([0.01, 0.02, 0.0, 0.03], dtype=torch.float64),
    } | {name: torch.tensor(values) for name, values in PLACES.items()}
    return {name: column for name, column in columns.items() if name not in without}


def test_each_kind_is_the_formula_with_the_constant_it_names():
    columns = table()
    found = lower_bounds(columns, CONSTANTS)
    assert list(found) == [*LIPSCHITZ, *CURVATURE, PROVED]
    assert torch.equal(found[PROVED], columns[PROVED])
    for kind, constant in {
        "L, test images": [2.0] * 4, "L, training images": [3.0] * 4, "L, sampled nearby": PLACES["lipschitz/sampled"],
        "L, CLEVER": PLACES["lipschitz/clever"], "L, ascended nearby": PLACES["lipschitz/ascended"],
    }.items():  # fmt: skip
        for i, each in enumerate(constant):
            bound = found[kind][i]
            assert bound.isnan() if math.isnan(each) else bound == bounds.lipschitz_bound(-columns["margin"][i], each)
    for kind, constant in {
        "C, test images": [5.0] * 4, "C, training images": [7.0] * 4, "C, sampled nearby": PLACES["curvature/sampled"],
        "C, ascended nearby": PLACES["curvature/ascended"],
    }.items():  # fmt: skip
        for i, each in enumerate(constant):
            bound, gap, slope = found[kind][i], -columns["soft_margin"][i], columns["soft_margin_gradient/l2"][i]
            assert bound.isnan() if math.isnan(each) else bound == bounds.curvature_bound(gap, slope, each)
    # by hand: 0.5/2; √(2 · 0.25/5) where the gradient is 0; nothing where the network is wrong
    assert found["L, test images"].tolist() == [0.25, 0.125, 0, 0.5]
    assert found["C, test images"][0].item() == pytest.approx(math.sqrt(0.1)) and found["C, test images"][2] == 0


def test_a_network_with_kinks_has_no_curvature():
    kinds = [*LIPSCHITZ, PROVED]
    assert list(lower_bounds(table(), {"L": CONSTANTS["L"]})) == kinds
    assert list(lower_bounds(table(without=("soft_margin", "soft_margin_gradient/l2")), CONSTANTS)) == kinds


def test_what_was_not_searched_for_anywhere_is_nan():
    found = lower_bounds(table(without=PLACES), CONSTANTS)
    assert list(found) == [*LIPSCHITZ, *CURVATURE, PROVED]
    for kind, bound in found.items():
        assert bool(bound.isnan().all()) is (kind.endswith("nearby") or kind == "L, CLEVER"), kind


@pytest.mark.parametrize(("change", "complaint"), [
    ({"L": {"test": 0.0, "training": 3.0}}, "lipschitz must be > 0 and finite; it is 0"),
    ({"L": {"test": math.inf, "training": 3.0}}, "lipschitz must be > 0 and finite; it is inf"),
    ({"C": {"test": 5.0, "training": -1.0}}, "curvature must be > 0 and finite; it is -1"),
])  # fmt: skip
def test_constants_that_cannot_be(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        lower_bounds(table(), CONSTANTS | change)


def test_refuted_images_are_counted_among_those_with_a_bound_that_are_right():
    bound = torch.tensor([0.5, 0.1, NAN, 0.0, 0.3, 0.2])
    distance = torch.tensor([0.4, 0.4, 0.1, 0.0, math.inf, 0.1])
    found = failures(bound, distance)
    # refuted: the first and the last; left out: the one without bound, and the one that is misclassified anyway
    assert (found.images, found.refuted) == (4, 2)
    assert found.mean == pytest.approx((0.5 + 0.1 + 0.3 + 0.2) / 4)
    assert failures(bound, torch.full((6,), math.inf)).refuted == 0


def test_equality_up_to_rounding_refutes_nothing():
    distance = torch.logspace(-4, 2, 50)
    attained = distance * (1 + torch.finfo(torch.float32).eps)
    assert (attained > distance).all() and failures(attained, distance).refuted == 0
    assert failures(distance * (1 + 1e-5), distance).refuted == 50
    assert failures(distance.double() * (1 + 1e-7), distance).refuted == 0


@settings(max_examples=60)
@given(st.integers(1, 200), st.data())
def test_the_interval_is_clopper_and_pearsons(images, drawn):
    refuted = drawn.draw(st.integers(0, images))
    bound = torch.cat([torch.ones(refuted), torch.zeros(images - refuted)])
    found = failures(bound, torch.full((images,), 0.5))
    assert (found.images, found.refuted) == (images, refuted)
    theirs = binomtest(refuted, images).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == (theirs.low, theirs.high)
    # each end is the probability at which what was counted, or more (less) of it, has probability 2.5 %
    assert found.low == 0 if refuted == 0 else binom.sf(refuted - 1, images, found.low) == pytest.approx(0.025)
    assert found.high == 1 if refuted == images else binom.cdf(refuted, images, found.high) == pytest.approx(0.025)


@pytest.mark.parametrize(("bound", "distance", "complaint"), [
    ([NAN, 0.1], [0.5, 0.0], "no image that the network gets right and whose bound was computed"),
    ([0.1, 0.1], [0.5, NAN], "distances must be ≥ 0 .* got NaN or a negative one"),
    ([0.1, 0.1], [0.5, -0.5], "distances must be ≥ 0"),
])  # fmt: skip
def test_distances_that_say_nothing(bound, distance, complaint):
    with pytest.raises(ValueError, match=complaint):
        failures(torch.tensor(bound), torch.tensor(distance))


def test_without_scipy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(ImportError, match=r"tulip_lite\[attacks\]"):
        failures(torch.ones(1), torch.ones(1))
