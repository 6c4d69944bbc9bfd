"""Exact confidence intervals against tables and the equations that define them."""

import math
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tulip_lite.intervals import clopper_pearson, share


@pytest.mark.parametrize(("count", "n", "lower"), [
    (0, 10, 0.0), (1, 10, 0.0025), (5, 10, 0.1871), (8, 10, 0.4439), (10, 10, 0.6915), (81, 263, 0.2527),
])  # fmt: skip
def test_clopper_pearson_is_that_of_tables(count, n, lower):
    """The lower ends of two-sided 95 % intervals; 81 of 263 is the example of Newcombe (1998)."""
    assert clopper_pearson(torch.tensor([count]), n, 0.025).item() == pytest.approx(lower, abs=5e-5)


@given(st.data(), st.integers(1, 200), st.floats(1e-6, 0.5))
def test_clopper_pearson_solves_its_equation(data, n, alpha):
    count = data.draw(st.integers(1, n))
    p = clopper_pearson(torch.tensor([count]), n, alpha).item()
    tail = math.fsum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(count, n + 1))
    assert tail == pytest.approx(alpha, rel=1e-9)


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"counts must lie in \[0, 10\], got 11 to 11"):
        clopper_pearson(torch.tensor([11]), 10, 0.1)


@pytest.mark.parametrize("n", [1, 7, 100, 2000])
def test_shares_of_none_and_of_all_are_known_in_closed_form(n):
    """None of n hits: no p with (1 − p)ⁿ ≥ 2.5 % can be excluded; all of n: none with pⁿ ≥ 2.5 %."""
    low, high = share(0, n)
    assert low == 0 and high == pytest.approx(1 - 0.025 ** (1 / n), rel=1e-9)
    low, high = share(n, n)
    assert low == pytest.approx(0.025 ** (1 / n), rel=1e-9) and high == 1


def test_a_share_of_nothing_may_be_anything():
    assert share(0, 0) == (0, 1)


def test_a_share_has_the_two_one_sided_bounds_as_its_ends():
    """The low end is the bound on hits, the high end one minus that on misses; 81 of 263 is Newcombe's example (1998)."""
    low, high = share(81, 263)
    assert (low, high) == (pytest.approx(0.2527, abs=5e-5), pytest.approx(0.3676, abs=5e-5))
    for count, end in ((81, low), (263 - 81, 1 - high)):
        assert clopper_pearson(torch.tensor([count]), 263, 0.025).item() == pytest.approx(end, rel=1e-9)


def test_without_scipy_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    for call in (lambda: share(1, 2), lambda: clopper_pearson(torch.tensor([1]), 2, 0.05)):
        with pytest.raises(ImportError, match=r"pip install 'tulip_lite\[attacks\]'"):
            call()
