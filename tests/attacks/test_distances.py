import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tulip_lite.attacks.distances import Summary, error_at, summary


def test_what_was_not_fooled_is_left_out_of_the_mean_and_said():
    found = summary(torch.tensor([0.0, 0.5, 1.0, 2.5, torch.inf]))
    assert found == Summary(images=5, wrong=1, unfooled=1, mean=1.0, median=1.0)
    assert str(found) == "median 1, mean 1 over the 4 of 5 images that were fooled (1 of them unperturbed); 1 were not"
    assert "not" not in str(summary(torch.tensor([1.0, 2.0])))


def test_the_median_counts_what_was_not_fooled_as_infinite():
    assert summary(torch.tensor([1.0, torch.inf, 2.0])).median == 2
    assert summary(torch.tensor([1.0, torch.inf])).median == math.inf
    assert summary(torch.tensor([1.0, 2.0, torch.inf, torch.inf])).median == math.inf
    assert summary(torch.tensor([4.0, 1.0, torch.inf, 2.0])).median == 3
    nothing = summary(torch.tensor([torch.inf, torch.inf]))
    assert math.isnan(nothing.mean) and nothing.median == math.inf and nothing.unfooled == 2


@given(
    st.lists(st.one_of(st.floats(0, 10, width=32), st.just(math.inf)), min_size=1, max_size=30),
    st.lists(st.floats(0, 12, width=32), min_size=1, max_size=5),
)
def test_the_error_is_the_share_within_the_radius(values, radii):
    errors = error_at(torch.tensor(values), radii)
    assert errors == [sum(v <= r for v in values) / len(values) for r in radii]


@pytest.mark.parametrize(("bad", "complaint"), [
    ([], r"N > 0, got \(0,\)"), ([[1.0]], r"got \(1, 1\)"), ([math.nan], "NaN"), ([-1.0], "negative"),
])  # fmt: skip
def test_what_is_no_column_of_distances_is_refused(bad, complaint):
    for function in (summary, lambda column: error_at(column, [1.0])):
        with pytest.raises(ValueError, match=complaint):
            function(torch.tensor(bad))
