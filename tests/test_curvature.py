import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tulip_lite import curvature, losses, results
from tulip_lite.curvature import hessian_extremes
from tulip_lite.data import originals
from tulip_lite.models import PocketNet

SHAPE = (3, 4, 4)
PIXELS = 48


def quadratic(matrices):
    """ℓ(x) = ½ xᵀ H_y x + sum(x), with a Hessian of its own for each label."""

    def loss(x, y):
        flat = x.flatten(1)
        return 0.5 * torch.einsum("bi,bij,bj->b", flat, matrices[y], flat) + flat.sum(1)

    return loss


def symmetric(eigenvalues, seed=0):
    """(B, N) eigenvalues to (B, N, N) matrices with random eigenvectors."""
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(*eigenvalues.shape, eigenvalues.shape[-1], generator=generator).double())
    return (q * eigenvalues.double()[:, None]) @ q.mT


def dense_extremes(loss, x, y):
    """(B, 2): the extreme eigenvalues of the whole Hessian of each image, in float64."""
    rows = []
    for image, label in zip(x.double(), y, strict=True):
        # one copy of the image for each row of its Hessian
        count = image.numel()
        copies = image.repeat(count, 1, 1, 1).requires_grad_()
        (gradient,) = torch.autograd.grad(loss(copies, label.repeat(count)).sum(), copies, create_graph=True)
        (hessian,) = torch.autograd.grad(gradient, copies, torch.eye(count).double().view_as(copies))
        rows.append(torch.linalg.eigvalsh(hessian.flatten(1))[[0, -1]])
    return torch.stack(rows)


def images(count, dtype=torch.float32):
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(1)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_eigenvalues_of_quadratics(dtype):
    spectra = torch.randn(6, PIXELS, generator=torch.Generator().manual_seed(2)) * torch.logspace(-3, 3, 6)[:, None]
    found = hessian_extremes(quadratic(symmetric(spectra).to(dtype)), images(6, dtype), torch.arange(6))
    assert torch.allclose(found.smallest, spectra.amin(1).to(dtype), rtol=1e-3)
    assert torch.allclose(found.largest, spectra.amax(1).to(dtype), rtol=1e-3)


@settings(max_examples=40)
@given(st.lists(st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0]), min_size=1, max_size=3, unique=True))
def test_few_different_eigenvalues_exhaust_the_krylov_space(values):
    """k different eigenvalues: exact after k products, whatever their multiplicity, the zero matrix included."""
    spectrum = torch.tensor([values[i % len(values)] for i in range(PIXELS)])[None]
    loss = quadratic(symmetric(spectrum))
    found = hessian_extremes(loss, images(1, torch.float64), torch.tensor([0]), max_iterations=len(values) + 1)
    assert found.smallest.item() == pytest.approx(min(values), abs=1e-9)
    assert found.largest.item() == pytest.approx(max(values), abs=1e-9)


@pytest.mark.parametrize("soft", [losses.cross_entropy, losses.soft_margin])
def test_agrees_with_the_dense_hessian_of_a_network(soft):
    torch.manual_seed(0)
    net = PocketNet(activation="smooth-relu").eval()
    with torch.no_grad():
        net.head.weight *= 20  # an untrained network is almost flat
    x, y = torch.rand(3, 3, 8, 8), torch.tensor([0, 3, 7])
    found = hessian_extremes(lambda x, y: soft(net(x), y), x, y)
    net = net.double()
    exact = dense_extremes(lambda x, y: soft(net(x), y), x, y)
    torch.testing.assert_close(torch.stack(found, 1).double(), exact, rtol=1e-3, atol=0)


@pytest.fixture
def products(monkeypatch):
    """Counts Hessian-vector products: one for each image of each batch."""
    counted = []
    product = curvature.HessianProducts.product
    monkeypatch.setattr(
        curvature.HessianProducts, "product", lambda self, v: (counted.append(len(v)), product(self, v))[1]
    )
    return counted


@pytest.mark.parametrize("name", ["undefended-smooth", "squared-l2-0.1-smooth"])
def test_half_the_products_of_fifty_iterations_for_the_same_values(name, products):
    """On the shipped smooth networks and real images: to 1e-3 of what 50 iterations in float64 find."""
    net, data = results.load(name).model, originals.cifar10()
    x, y = data.images[:10].float() / 255, data.labels[:10]
    found = hessian_extremes(lambda x, y: losses.soft_margin(net(x), y), x, y)
    assert sum(products) <= 25 * len(x)
    assert products == sorted(products, reverse=True) and products[-1] < products[0], "finished images leave the batch"
    net = net.double()
    exact = hessian_extremes(lambda x, y: losses.soft_margin(net(x), y), x.double(), y, tol=1e-7)
    scale = torch.maximum(exact.largest.abs(), exact.smallest.abs())
    for got, true in zip(found, exact, strict=True):
        assert ((got - true).abs() <= 1e-3 * true.abs().maximum(0.01 * scale) + 1e-7).all()


def test_an_images_neighbours_do_not_change_its_result():
    loss = quadratic(symmetric(torch.randn(5, PIXELS, generator=torch.Generator().manual_seed(3))))
    together = hessian_extremes(loss, images(5, torch.float64), torch.arange(5))
    for i in range(5):
        alone = hessian_extremes(loss, images(5, torch.float64)[i : i + 1], torch.tensor([i]))
        assert alone.largest.item() == pytest.approx(together.largest[i].item(), rel=1e-9)
        assert alone.smallest.item() == pytest.approx(together.smallest[i].item(), rel=1e-9)


def test_too_few_iterations_are_reported_and_lie_inside():
    spectrum = torch.linspace(-1, 1, PIXELS)[None]
    with pytest.warns(RuntimeWarning, match="1 of 1 images did not reach tol=0.001 within 4 iterations"):
        found = hessian_extremes(
            quadratic(symmetric(spectrum)), images(1, torch.float64), torch.tensor([0]), max_iterations=4
        )
    assert -1 <= found.smallest.item() < found.largest.item() <= 1


def test_a_linear_loss_has_no_curvature():
    found = hessian_extremes(lambda x, y: x.flatten(1).sum(1), images(2), torch.zeros(2, dtype=torch.long))
    assert torch.equal(found.smallest, torch.zeros(2)) and torch.equal(found.largest, torch.zeros(2))


KINKED = {
    "ReluBackward0": lambda x: F.relu(x - 0.5),
    "LeakyReluBackward0": lambda x: F.leaky_relu(x - 0.5),
    "MaxPool2DWithIndicesBackward0": lambda x: F.max_pool2d(x, 2) ** 2,
    "AbsBackward0": lambda x: (x - 0.5).abs(),
    "ClampBackward1": lambda x: x.clamp(0.2, 0.7) ** 2,
    "HardtanhBackward0": lambda x: F.relu6(x),
}


@pytest.mark.parametrize("kink", KINKED)
def test_a_loss_with_kinks_is_refused(kink):
    with pytest.raises(ValueError, match=f"{kink}.*SmoothReLU"):
        hessian_extremes(lambda x, y: KINKED[kink](x).flatten(1).sum(1), images(2), torch.zeros(2, dtype=torch.long))


@pytest.mark.parametrize(("activation", "loss"), [("relu", losses.soft_margin), ("smooth-relu", losses.margin)])
def test_a_relu_network_and_a_hard_maximum_are_refused(activation, loss):
    net = PocketNet(activation=activation).eval()
    with pytest.raises(ValueError, match="smooth activation"):
        hessian_extremes(lambda x, y: loss(net(x), y), torch.rand(1, 3, 8, 8), torch.tensor([0]))


@pytest.mark.parametrize("smooth", [nn.GELU, nn.SiLU, nn.Softplus, nn.Tanh])
def test_other_smooth_networks_are_welcome(smooth):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 20), smooth(), nn.Linear(20, 4)).double()
    x, y = images(2, torch.float64), torch.tensor([0, 1])
    found = hessian_extremes(lambda x, y: losses.cross_entropy(net(x), y), x, y)
    exact = dense_extremes(lambda x, y: losses.cross_entropy(net(x), y), x, y)
    torch.testing.assert_close(torch.stack(found, 1), exact, rtol=1e-3, atol=0)


def test_losses_without_curvature_get_one_clear_line():
    x, y = images(2), torch.zeros(2, dtype=torch.long)
    with pytest.raises(ValueError, match=r"one value an image, \(2,\), got shape \(\)"):
        hessian_extremes(lambda x, y: (x**2).sum(), x, y)
    with pytest.raises(ValueError, match="the loss is not finite"):
        hessian_extremes(lambda x, y: (x**2).flatten(1).sum(1) * torch.nan, x, y)
    with pytest.raises(ValueError, match="does not depend on the image"):
        hessian_extremes(lambda x, y: x.detach().flatten(1).sum(1), x, y)
    with pytest.raises(ValueError, match="product is not finite"):
        hessian_extremes(lambda x, y: (x - x).pow(1.5).flatten(1).sum(1) + (x - 0.5).flatten(1).sum(1), x, y)
    with pytest.raises(ValueError, match="tol"):
        hessian_extremes(quadratic(symmetric(torch.ones(1, PIXELS)).float()), x, y, tol=0)
    with pytest.raises(TypeError):
        hessian_extremes(quadratic(symmetric(torch.ones(1, PIXELS)).float()), (255 * x).byte(), y)
