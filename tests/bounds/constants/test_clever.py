import math
import sys

import pytest
import torch
from conftest import LinearModel
from scipy.stats import invweibull, weibull_max

from tulip_lite import losses
from tulip_lite.bounds.constants.clever import _fit, clever

EPS = 1e-16


def quantiles(distribution, count):
    return torch.from_numpy(distribution.ppf((torch.arange(count).double().numpy() + 0.5) / count))


def slope(x, y):
    """½ ‖x‖² with gradient x: around c it is at most ‖c‖ + radius long, and ends there as a Weibull distribution does."""
    return 0.5 * x.flatten(1).square().sum(1)


def test_the_end_of_a_known_distribution():
    # in three dimensions the share of the ball within ε of the farthest point is proportional to ε²: the shape is 2
    x, y = torch.full((2, 3, 1, 1), 0.5, dtype=torch.float64), torch.zeros(2, dtype=torch.long)
    end = 0.5 * math.sqrt(3) + torch.tensor([0.3, 0.2], dtype=torch.float64)
    found = clever(slope, x, y, "l2", torch.tensor([0.3, 0.2]), batches=200, samples=8)
    assert ((found.estimate - end).abs() < 0.5 * (end - found.largest)).all(), "the fit sees further than the samples"
    torch.testing.assert_close(found.estimate, end, rtol=0.005, atol=0)
    assert (found.p_value > 0.3).all()
    assert found.shape.tolist() == pytest.approx([2, 2], abs=0.3)


@pytest.mark.parametrize("shape", [1.5, 3.0, 6.0])
@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_the_fit_finds_the_end_and_knows_no_units(shape, unit):
    maxima = quantiles(weibull_max(shape, loc=10, scale=2), 300)
    estimate, p_value, found, scale = _fit(unit * maxima, EPS)
    assert estimate / unit == pytest.approx(10, rel=0.01)
    assert found == pytest.approx(shape, rel=0.1) and scale / unit == pytest.approx(2, rel=0.1)
    assert p_value > 0.99


def test_maxima_without_an_end_do_not_run_away():
    maxima = quantiles(invweibull(3), 32)  # the likeliest end of these lies at infinity
    estimate, _, shape, _ = _fit(maxima, EPS)
    largest, spread = maxima.max().item(), (maxima.max() - maxima.min()).item()
    assert largest + spread < estimate < largest + 20 * spread and shape > 10


def test_maxima_that_no_weibull_fits_keep_the_largest():
    few_values = torch.tensor([1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 4.0, 5.0] * 30)
    estimate, p_value, *_ = _fit(few_values, EPS)
    assert p_value < 0.001 and estimate == 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_loss_has_nothing_to_fit(dtype):
    weight = torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=dtype)
    linear = losses.of(LinearModel(weight), lambda logits, y: logits[:, 0])
    x, y = torch.rand(2, 3, 2, 2, dtype=dtype), torch.zeros(2, dtype=torch.long)
    found = clever(linear, x, y, "linf", 0.1, batches=4, samples=2)
    torch.testing.assert_close(found.estimate, weight.abs().sum().expand(2))
    assert torch.equal(found.estimate, found.largest) and found.estimate.dtype == dtype
    assert found.p_value.isnan().all() and found.shape.isnan().all() and found.scale.isnan().all()


def test_the_estimate_is_never_below_what_was_seen_and_neighbours_do_not_matter(smooth_net):
    loss = losses.of(smooth_net.requires_grad_(False), losses.cross_entropy)
    x, y = torch.rand(3, 3, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 2])
    together = clever(loss, x, y, "l2", 0.3, batches=8, samples=4)
    assert (together.estimate >= together.largest).all()
    alone = clever(loss, x[1:2], y[1:2], "l2", 0.3, batches=8, samples=4)
    for one, all_ in zip(alone, together, strict=True):
        torch.testing.assert_close(one, all_[1:2], rtol=1e-3, atol=0)


def test_clever_refuses_bad_input_in_one_clear_line(monkeypatch):
    x, y = torch.rand(2, 3, 1, 1), torch.zeros(2, dtype=torch.long)
    for batches in (0, 1.5):
        with pytest.raises(ValueError, match="batches must be a whole number"):
            clever(slope, x, y, "l2", 0.1, batches=batches)
    with pytest.raises(ValueError, match="samples must be a whole number"):
        clever(slope, x, y, "l2", 0.1, samples=0)
    with pytest.raises(ValueError, match="batches must be at least 4"):
        clever(slope, x, y, "l2", 0.1, batches=3)
    with pytest.raises(ValueError, match="radius"):
        clever(slope, x, y, "l2", math.nan)
    with pytest.raises(ValueError, match="unknown norm"):
        clever(slope, x, y, "l1", 0.1)
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(ImportError, match=r"tulip_lite\[attacks\]"):
        clever(slope, x, y, "l2", 0.1)
