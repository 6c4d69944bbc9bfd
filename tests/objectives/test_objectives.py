import pytest
import torch
from conftest import LinearModel
from hypothesis import given
from hypothesis import strategies as st

from tulip_lite import norms
from tulip_lite.losses import cross_entropy
from tulip_lite.models import PocketNet
from tulip_lite.objectives import AdversarialTraining, CrossEntropy, GaussianNoise, GradientPenalty
from tulip_lite.objectives.penalty import METHODS

NORMS = ("l2", "linf")


def batch(size=8, pixels=12, classes=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(size, 3, 2, pixels // 6, generator=generator, dtype=dtype)
    return x, torch.randint(classes, (size,), generator=generator)


def penalty_gradient(model, x, y, **arguments):
    """The penalty's gradient in the weights, as one vector, and its value."""
    model.zero_grad()
    _, squared = GradientPenalty(**arguments).penalty(model, x, y)
    squared.mean().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()]), squared.mean().item()


@pytest.mark.parametrize("norm", NORMS)
def test_double_backprop_penalises_the_squared_dual_norm(smooth_net, norm):
    x, y = batch()
    loss, squared = GradientPenalty(norm, method="double-backprop").penalty(smooth_net, x, y)
    z = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(cross_entropy(smooth_net(z), y).sum(), z)
    expected = g.flatten(1).norm(dim=1) ** 2 if norm == "l2" else g.flatten(1).abs().sum(1) ** 2 / 12
    torch.testing.assert_close(squared, expected)
    torch.testing.assert_close(loss, cross_entropy(smooth_net(x), y))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("method", "order"), [("finite-difference", 1), ("central-difference", 2)])
def test_the_gradient_of_the_difference_converges_to_double_backprops(smooth_net, norm, method, order):
    """The claim under Prop. 3.2: error O(h), here in the weights' gradient, slope fitted over four halvings twice."""
    x, y = batch()
    exact, value = penalty_gradient(smooth_net, x, y, norm=norm, method="double-backprop")
    steps = torch.logspace(-1.5, -3.5, 9, dtype=torch.float64)
    errors, value_errors = [], []
    for h in steps:
        gradient, approximate = penalty_gradient(smooth_net, x, y, norm=norm, method=method, h=h.item())
        errors.append((gradient - exact).norm() / exact.norm())
        value_errors.append(abs(approximate - value) / value)
    for measured in (errors, value_errors):
        logs = torch.stack([steps.log(), torch.ones_like(steps)], 1)
        slope = torch.linalg.lstsq(logs, torch.tensor(measured, dtype=torch.float64).log()[:, None]).solution[0].item()
        assert slope == pytest.approx(order, abs=0.1)
    assert errors[-1] < 1e-2


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", METHODS)
def test_on_a_linear_loss_every_method_is_exact(norm, method):
    """ℓ(x) linear in x: replace cross-entropy's curvature by a tiny score, where it is linear to 1e-12."""
    weight = 1e-6 * torch.randn(12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = LinearModel(weight)
    x, _ = batch()
    y = torch.zeros(len(x), dtype=torch.long)
    _, squared = GradientPenalty(norm, method=method).penalty(model, x, y)
    # ℓ = log(1 + e^(−s)) has slope −½ at s = 0
    expected = (norms.get(norm).dual(weight[None]) / 2 / norms.get(norm).reach(12)) ** 2
    torch.testing.assert_close(squared, expected.expand(len(x)), rtol=1e-4, atol=0)


@pytest.mark.parametrize("method", METHODS)
@given(strength=st.floats(0, 10))
def test_the_convention_is_half_lambda(method, strength):
    torch.manual_seed(0)
    from conftest import SmoothNet

    model, (x, y) = SmoothNet(), batch()
    loss, squared = GradientPenalty(method=method).penalty(model, x, y)
    total = GradientPenalty(strength=strength, method=method)(model, x, y)
    torch.testing.assert_close(total, loss.mean() + strength / 2 * squared.mean())


def test_strength_zero_is_cross_entropy(smooth_net):
    x, y = batch()
    assert GradientPenalty(strength=0)(smooth_net, x, y) == CrossEntropy()(smooth_net, x, y)


def test_an_image_with_zero_gradient_has_penalty_zero_and_no_nan():
    model = LinearModel(torch.zeros(12, dtype=torch.float64))
    x, _ = batch()
    for norm in NORMS:
        for method in METHODS:
            total = GradientPenalty(norm, method=method)(model, x, torch.zeros(8, dtype=torch.long))
            total.backward()
            assert total.item() == pytest.approx(torch.log(torch.tensor(2.0)).item())
            assert model.weight.grad.isfinite().all()


@pytest.mark.parametrize("objective", [CrossEntropy(), GradientPenalty(), GradientPenalty("linf"),
                                       GradientPenalty(method="double-backprop"), AdversarialTraining(steps=2),
                                       GaussianNoise()])  # fmt: skip
@pytest.mark.parametrize("activation", ["relu", "smooth-relu"])
def test_every_objective_trains_a_pocket_net_without_touching_its_input(objective, activation):
    torch.manual_seed(0)
    model = PocketNet(activation=activation)
    x, y = torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 2, 3])
    before = x.clone()
    objective(model, x, y).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert model.training and torch.equal(x, before) and not x.requires_grad


def test_adversarial_training_takes_the_loss_at_worse_images(smooth_net):
    x, y = batch(size=64)
    assert AdversarialTraining("l2", 0.3, 7, 0.1)(smooth_net, x, y) > CrossEntropy()(smooth_net, x, y) + 0.01


def test_noise_adds_half_its_variance_times_the_trace_of_the_hessian():
    """To second order in σ (Bishop 1995); the next order is σ⁴, here a hundredth of it."""
    torch.manual_seed(0)
    model, x, y = LinearModel(torch.randn(12, dtype=torch.float64)), torch.rand(1, 3, 2, 2).double(), torch.tensor([0])
    hessian = torch.autograd.functional.hessian(lambda z: CrossEntropy()(model, z, y), x).reshape(12, 12)
    count, sigma = 1_000_000, 0.1
    rise = GaussianNoise(sigma)(model, x.expand(count, -1, -1, -1), y.expand(count)) - CrossEntropy()(model, x, y)
    assert rise.item() == pytest.approx((sigma**2 / 2 * hessian.trace()).item(), rel=0.1)


@pytest.mark.parametrize("sigma", [0, -1, float("nan")])
def test_noise_without_a_width_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma must be a finite number > 0"):
        GaussianNoise(sigma)


@pytest.mark.parametrize(("arguments", "complaint"), [
    ({"strength": -0.1}, "strength must be a finite number ≥ 0, got -0.1"),
    ({"strength": float("nan")}, "strength"),
    ({"h": 0}, "h must be a finite number > 0, got 0"),
    ({"h": -1}, "h must be"),
    ({"norm": "l1"}, "unknown norm 'l1'"),
    ({"method": "ascend"}, "unknown method 'ascend': choose one of 'finite-difference'"),
])  # fmt: skip
def test_bad_penalties_are_refused_when_made(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        GradientPenalty(**arguments)


def test_bytes_are_refused(smooth_net):
    x, y = batch()
    with pytest.raises(TypeError, match="got torch.uint8: divide by 255"):
        GradientPenalty()(smooth_net, (255 * x).byte(), y)


@pytest.mark.parametrize("arguments", [("l3", 0.1), ("l2", -1), ("l2", 1, 0), ("l2", 1, 7, 0)])
def test_bad_adversarial_training_is_refused_when_made(arguments):
    with pytest.raises(ValueError):
        AdversarialTraining(*arguments)
