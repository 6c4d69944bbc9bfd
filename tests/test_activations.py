import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from tulip_lite.activations import SmoothReLU, smooth_relu, with_activation


def of_the_paper(x):
    """Remark 2.2 as printed."""
    return torch.where(x.abs() >= 0.5, x.clamp_min(0), -0.5 * (x + 0.5) ** 4 + (x + 0.5) ** 3)


def derivative(x, order):
    x = x.clone().requires_grad_()
    y = smooth_relu(x)
    for _ in range(order):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    return y.detach()


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=50))
def test_agrees_with_the_papers_formula(values):
    x = torch.tensor(values, dtype=torch.float64)
    torch.testing.assert_close(smooth_relu(x), of_the_paper(x), rtol=1e-12, atol=1e-14)


@given(st.floats(-0.5, 0.5))
def test_derivatives_agree_with_those_of_the_papers_formula(value):
    x = torch.tensor([value], dtype=torch.float64)
    t = x + 0.5
    torch.testing.assert_close(derivative(x, 1), -2 * t**3 + 3 * t**2, rtol=0, atol=1e-14)
    torch.testing.assert_close(derivative(x, 2), -6 * t**2 + 6 * t, rtol=0, atol=1e-14)


@pytest.mark.parametrize("at", [-0.5, 0.5])
def test_value_slope_and_curvature_are_exact_where_the_pieces_meet(at):
    x = torch.tensor([at], dtype=torch.float64)
    assert derivative(x, 0).item() == max(at, 0)
    assert derivative(x, 1).item() == float(at > 0)
    assert derivative(x, 2).item() == 0
    # and they do not jump: from both sides the limits are those of ReLU
    for side in (-1e-9, 1e-9):
        assert derivative(x + side, 1).item() == pytest.approx(float(at > 0), abs=1e-15)
        assert derivative(x + side, 2).item() == pytest.approx(0, abs=1e-8)


def test_curvature_is_largest_in_the_middle():
    x = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    curvature = derivative(x, 2)
    assert curvature.max().item() == pytest.approx(1.5) and curvature.min() >= 0
    assert x[curvature.argmax()].item() == pytest.approx(0)


def test_autograd_differentiates_it_twice():
    x = torch.linspace(-0.9, 0.9, 23, dtype=torch.float64).requires_grad_()
    assert gradcheck(smooth_relu, x)
    assert gradgradcheck(smooth_relu, x)


def test_the_gradient_of_a_gradient_norm_reaches_the_weights():
    """Double backpropagation through a smooth network agrees with the derivative of the gradient norm."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), SmoothReLU(), nn.Linear(8, 1)).double()
    x = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)

    def squared_gradient(weight):
        y = torch.func.functional_call(net, {"0.weight": weight}, x)
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        return (g**2).sum()

    assert gradcheck(squared_gradient, net[0].weight.detach().clone().requires_grad_())


def test_bfloat16_stays_bfloat16_and_close():
    x = torch.linspace(-2, 2, 401)
    low = smooth_relu(x.bfloat16())
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), smooth_relu(x), rtol=0.01, atol=0.01)


def test_infinite_inputs_are_treated_as_relu_does():
    x = torch.tensor([-torch.inf, torch.inf, torch.nan])
    assert smooth_relu(x)[:2].tolist() == [0, torch.inf] and smooth_relu(x)[2].isnan()


def test_integers_are_refused():
    with pytest.raises(TypeError, match="floating-point"):
        smooth_relu(torch.tensor([1, 2]))


def test_with_activation_swaps_every_module_and_leaves_the_original_alone():
    model = torchvision.models.resnet18(num_classes=10)
    smooth = with_activation(model, SmoothReLU)
    assert not any(isinstance(m, nn.ReLU) for m in smooth.modules())
    assert sum(isinstance(m, SmoothReLU) for m in smooth.modules()) == sum(
        isinstance(m, nn.ReLU) for m in model.modules()
    )
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), smooth.parameters(), strict=True))
    back = with_activation(smooth, "relu").eval()
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(back(x), model.eval()(x))


def test_with_activation_says_why_nothing_can_be_swapped():
    with pytest.raises(ValueError, match="no activation module"):
        with_activation(nn.Linear(2, 2), SmoothReLU)
    with pytest.raises(ValueError, match="unknown activation 'tanhh'"):
        with_activation(nn.ReLU(), "tanhh")
