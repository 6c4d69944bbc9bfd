"""The proved Lipschitz constant: each step of its argument against what it bounds, the whole against gradients and attacks."""

import pytest
import torch
from conftest import LinearModel
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from tulip_lite import norms, results
from tulip_lite.activations import SmoothReLU
from tulip_lite.attacks.fmn import fmn
from tulip_lite.bounds import proved
from tulip_lite.bounds.layers import passes
from tulip_lite.bounds.proved import Certifier
from tulip_lite.data import originals
from tulip_lite.models import PocketNet

ACTIVATIONS = ("relu", "smooth-relu")
SIZE = (9, 12)  # one odd, so that the mean pooling has a lone last row


def network(activation, seed=0):
    """A random PocketNet whose batch normalisations are not the identity, in eval mode."""
    torch.manual_seed(seed)
    model = PocketNet(4, {"relu": torch.nn.ReLU, "smooth-relu": SmoothReLU}[activation])  # none works in place
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.3, 1.5)
            if module.affine:
                torch.nn.init.uniform_(module.weight, 0.4, 1.2)
                torch.nn.init.normal_(module.bias, 0, 0.3)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=ACTIVATIONS)
def case(request):
    model = network(request.param)
    x = torch.rand(5, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    return model, Certifier(model, SIZE), x, model(x).argmax(1)


def gradients(model, z, y, other):
    z = z.double().requires_grad_()
    scores = model.double()(z)
    difference = scores.gather(1, other[:, None]) - scores.gather(1, y[:, None])
    (gradient,) = torch.autograd.grad(difference.sum(), z)
    model.float()
    return gradient.flatten(1).norm(dim=1), difference.detach()[:, 0]


def test_no_gradient_in_the_ball_is_larger_and_the_limit_is_the_gradient_itself(case):
    model, certifier, x, y = case
    radii = (1e-11, 1e-3, 0.01, 0.1, 1.0)
    gap, lipschitz = certifier.local_lipschitz(x, y, radii)
    l2, generator = norms.get("l2"), torch.Generator().manual_seed(2)
    for other in range(4):
        classes = torch.full_like(y, other)
        wrong = classes != y
        here, difference = gradients(model, x, y, classes)
        torch.testing.assert_close(gap[:, other], -difference, atol=1e-7, rtol=0)
        assert (gap[:, other] <= -difference).all()
        torch.testing.assert_close(lipschitz[wrong, other, 0], here[wrong], rtol=1e-4, atol=0)
        for k, radius in enumerate(radii):
            for _ in range(10):
                z = x.double() + l2.random(x.double(), radius, generator)
                assert (gradients(model, z, y, classes)[0][wrong] <= lipschitz[wrong, other, k]).all()
    assert (lipschitz.diff(dim=2) >= 0).all()


def test_activations_and_gradients_of_every_layer_stay_within_what_the_argument_allows(case):
    """Steps 1 and 2, layer by layer, in the scaled coordinates: had the norms been too small, the whole might hide it."""
    model, certifier, x, _ = case
    model, x = model.double(), x.double()
    radius, generator = 0.05, torch.Generator().manual_seed(3)
    reach = certifier.norms[0] * radius
    before, _, _ = passes(model, x)
    moved = [passes(model, x + norms.get("l2").random(x, radius, generator)) for _ in range(5)]
    model.float()
    for k, scale in enumerate(certifier._of_layers()):
        budget = radius * certifier.norms[0] if k == 0 else reach * certifier.norms[k]
        most, cost = certifier._flips(before[k], scale)
        for there, _, _ in moved:
            change = (there[k] - before[k]) / scale[:, None, None]
            assert (change.flatten(1).norm(dim=1) <= budget).all()
            slopes = [torch.autograd.functional.jvp(model.features[0].activation, a.clone(), torch.ones_like(a))[1]
                      for a in (before[k], there[k])]  # fmt: skip
            flipped = (slopes[1] - slopes[0]).flatten(1) ** 2
            spent = change.flatten(1) ** 2
            assert (flipped <= most * (spent / cost).clamp_max(1) + 1e-12).all()
        if k:
            reach = reach * (certifier.norms[k] + certifier.residual[k])


def test_the_cost_of_a_smooth_slope_is_never_overestimated():
    certifier = Certifier(network("smooth-relu"), SIZE)
    a, step = torch.meshgrid(torch.linspace(-2, 2, 401).double(), torch.linspace(-3, 3, 601).double(), indexing="ij")

    def slope(u):
        t = (u + 0.5).clamp(0, 1)
        return t * t * (3 - 2 * t)

    u = torch.linspace(-1, 1, 21, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(SmoothReLU()(u).sum(), u)
    torch.testing.assert_close(slope(u.detach()), expected)
    most, cost = (v.reshape(a.shape) for v in certifier._flips(a[None, None], torch.ones(1).double()))
    assert ((slope(a + step) - slope(a)) ** 2 <= most * (step**2 / cost).clamp_max(1) + 1e-12).all()


@settings(max_examples=50)
@given(st.integers(0, 2**31), st.integers(1, 8))
def test_the_knapsack_is_a_linear_programme(seed, size):
    generator = torch.Generator().manual_seed(seed)
    value, cost = torch.rand(2, 1, size, generator=generator, dtype=torch.float64)
    cost[0, 0] *= seed % 2  # a neuron at its kink costs nothing
    budget = torch.tensor([[0.0, 0.3, 1.0, 100.0]], dtype=torch.float64)
    found = proved._fractional_knapsack(value, cost, budget)
    for k, limit in enumerate(budget[0].tolist()):
        best = -linprog(-value[0].numpy(), A_ub=cost.numpy(), b_ub=[limit], bounds=(0, 1)).fun
        assert found[0, k].item() == pytest.approx(best, abs=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.floats(1e-3, 10))
def test_the_soft_maximums_gradient_changes_no_more_than_it_is_said_to(seed, deviation):
    generator = torch.Generator().manual_seed(seed)
    y, row, scale = (torch.randn(*shape, generator=generator).double() for shape in ((1, 6, 5), (1, 6), (6,)))
    scale = scale.exp()
    step = norms.get("l2").random(y, deviation, generator) * scale[:, None]
    change = scale * row[0] * ((4 * (y + step)).softmax(2) - (4 * y).softmax(2)).norm(dim=2)
    bound = proved._pooling_error(scale * row, scale, torch.tensor([deviation]), 4.0)
    assert change.norm() <= bound[0, 0]


@pytest.mark.parametrize("name", ["undefended", "squared-l2-0.1-smooth"])
def test_no_attack_on_a_shipped_network_comes_within_the_certified_radius(name):
    model = results.load(name).model
    x, y = (part[[0, 8, 9]] for part in originals.cifar10().tensors())
    certifier = Certifier(model)
    proved, finer = certifier.radius(x, y), certifier.radius(x, y, [1e-6 * 1.1**k for k in range(170)])
    nearest = fmn(model, x, y, "l2", steps=30).distance
    assert (proved.radius <= nearest).all() and (proved.radius > 1e-6).equal(nearest > 0)
    assert (finer.radius >= 0.999 * proved.radius).all() and (finer.radius <= 1.2 * proved.radius).all()


def test_other_networks_are_refused():
    with pytest.raises(TypeError, match="follows PocketNet layer by layer, and this is a LinearModel: use an estimate"):
        Certifier(LinearModel(torch.ones(12)))
    with pytest.raises(TypeError, match="needs ReLU or SmoothReLU, got GELU"):
        Certifier(PocketNet(activation="gelu"))
    broken = network("relu")
    broken.features[2].conv.weight.data[0] = torch.nan
    with pytest.raises(ValueError, match="weights are not finite"):
        Certifier(broken, SIZE)
    certifier = Certifier(network("relu"), SIZE)
    with pytest.raises(ValueError, match="radii must be positive, finite and rising"):
        certifier.radius(torch.rand(1, 3, *SIZE), torch.tensor([0]), [0.1, 0.1])
