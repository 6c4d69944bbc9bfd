import math
from functools import partial

import pytest
import torch
from contract import Contract, both_norms, distance_in_box, linear, seen_by
from torch import nn

from tulip_lite import norms, results
from tulip_lite.attacks.adversarial import fooled
from tulip_lite.attacks.logbarrier import logbarrier
from tulip_lite.attacks.others import published_logbarrier
from tulip_lite.attacks.others.published_logbarrier import published
from tulip_lite.data import originals
from tulip_lite.models import PocketNet


class TestLogBarrier(Contract):
    attack = staticmethod(partial(logbarrier, inner=5))
    bad_options = (
        ("outer", 0, "outer and inner must be at least 1"),
        ("inner", 0, "outer and inner must be at least 1"),
    )


@both_norms
@pytest.mark.parametrize(("outer", "inner"), [(1, 1), (2, 7), (5, 4)])
def test_takes_no_more_gradients_than_promised(norm, outer, inner):
    model = results.load("squared-l2-0.1-smooth").model
    x, y = originals.cifar10().subset(1).tensors()
    known = logbarrier(model, x, y, norm, outer=8, inner=8)
    for start in (None, known):
        found, sizes = seen_by(model, logbarrier, x, y, norm, outer=outer, inner=inner, start=start)
        assert 0 < len(sizes) <= outer * inner
    assert found.distance <= known.distance  # which so few steps alone do not reach


@both_norms
def test_beats_the_published_attack_with_a_tenth_of_its_steps(norm):
    model = results.load("squared-l2-0.1-smooth").model
    x, y = originals.cifar10().subset(2).tensors()
    theirs, sizes = seen_by(model, published, x, y, norm, outer=3, inner=40)
    ours, fewer = seen_by(model, logbarrier, x, y, norm, outer=3, inner=4)
    assert sum(fewer) <= sum(sizes) / 10
    assert (ours.distance < theirs.distance).all()


@both_norms
def test_noise_finds_a_start_where_gradients_vanish(norm):
    class Steps(nn.Module):
        """A linear model whose score is rounded to halves: its gradient is zero everywhere."""

        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x):
            return (2 * self.model(x)).round() / 2 + 0 * x.sum()

    model, x, y = linear(0)
    found = logbarrier(Steps(model), x, y, norm, outer=2, inner=3)
    assert found.distance.isfinite().all()
    assert (found.distance >= distance_in_box(model, x, y, norm)).all()


@both_norms
def test_the_nearest_class_need_not_be_the_second_best(norm):
    """Linear scores: class 1 is second best and falls behind slowly, class 2 is worse and its boundary three times as near."""
    generator = torch.Generator().manual_seed(0)
    model, x = nn.Sequential(nn.Flatten(), nn.Linear(48, 3)).double(), torch.full((1, 3, 4, 4), 0.5).double()
    weight = torch.tensor([[0.0], [0.2], [1.0]]) * torch.randn(3, 48, generator=generator, dtype=torch.float64)
    distance = torch.tensor([0.0, 0.3, 0.1], dtype=torch.float64)
    model[1].weight.data, model[1].bias.data = weight, -distance * norms.get(norm).dual(weight) - weight.sum(1) / 2
    scores = model(x)[0]
    assert scores[0] > scores[1] > scores[2]
    found = logbarrier(model, x, torch.tensor([0]), norm, inner=10)
    torch.testing.assert_close(found.distance, torch.tensor([0.1], dtype=x.dtype), rtol=0.01, atol=0)


def test_every_step_of_the_barrier_starts_at_a_misclassified_image():
    """Interior points: after phase I no gradient is taken at an image that the model is right about."""
    model = results.load("undefended").model
    x, y = originals.cifar10().subset(1).tensors()
    known = logbarrier(model, x, y, "l2", outer=1, inner=10)
    seen = []
    hook = model.register_forward_hook(
        lambda _, inputs, scores: seen.append(bool(fooled(scores.detach(), y))) if inputs[0].requires_grad else None
    )
    logbarrier(model, x, y, "l2", outer=3, inner=20, start=known)
    hook.remove()
    assert len(seen) > 20 and all(seen)


class TestPublished:
    def test_gradient_of_the_smoothed_maximum(self):
        offset = (0.02 * torch.randn(3, 3, 4, 4, dtype=torch.float64)).requires_grad_()
        size = offset.abs().flatten(1)
        ((500 * size).softmax(1) * size).sum().backward()
        ours = published_logbarrier._distance_gradient("linf", offset.detach(), 500.0)
        torch.testing.assert_close(ours, offset.grad)

    def test_ends_where_its_function_is_stationary_on_a_linear_model(self):
        """At distance r along the normal, a = ‖w‖, boundary at d, last multiplier α: r = α ∂/∂r log tanh(a (r − d) / 2)."""
        model, x, y = linear(0)
        alpha = 0.05
        slope = model.weight.detach().norm()
        boundary = model(x)[:, 0].detach().abs() / slope
        low, high = boundary.clone(), boundary + 2
        for _ in range(60):
            r = (low + high) / 2
            pull = alpha * slope / (slope * (r - boundary)).sinh() - r
            low, high = torch.where(pull > 0, r, low), torch.where(pull > 0, high, r)
        found = published(model, x, y, "l2", outer=2, inner=1000, alpha=2 * alpha, beta=0.5)
        torch.testing.assert_close(found.distance, r, rtol=1e-3, atol=0)

    def test_counts_steps_and_clean_errors_and_failures(self):
        model, x, y = linear(1)
        y[1:3] = 1 - y[1:3]
        found, sizes = seen_by(model, published, x, y, "linf", outer=2, inner=3)
        assert sizes == [3] * 6
        assert found.distance[1:3].eq(0).all() and found.distance[[0, 3, 4]].isfinite().all()
        model.bias.data += 100 * math.copysign(1, model(x)[0, 0].item())  # noise stays unclipped, but the judge clips
        assert published(model, x[:1], y[:1], "l2", outer=1, inner=1).distance.isinf().all()

    @pytest.mark.parametrize("option", ["outer", "inner", "step", "alpha", "beta", "gamma", "tolerance", "temperature"])
    def test_bad_options_get_one_clear_line(self, option):
        x = torch.rand(1, 3, 8, 8)
        with pytest.raises(ValueError, match=f"{option} must be a finite number > 0"):
            published(PocketNet(), x, torch.tensor([0]), "l2", **{option: 0})
