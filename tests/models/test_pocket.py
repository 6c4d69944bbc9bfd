import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tulip_lite import losses
from tulip_lite.models import PocketNet, evaluating
from tulip_lite.models.pocket import OpponentCosines


@pytest.fixture
def cosines():
    """The first layer without its activation, in eval mode with the variances it starts with."""
    return OpponentCosines(nn.Identity).double().eval()


def test_the_cosines_are_orthonormal(cosines):
    flat = OpponentCosines(nn.Identity).filters.flatten(1)
    assert torch.allclose(flat @ flat.T, torch.eye(16), atol=1e-6)


def test_a_grey_image_has_one_coefficient(cosines):
    """Brightness √3·g over nine pixels of norm 1/3 each: 3√3 g, and nothing in any other filter."""
    inside = cosines(torch.full((1, 3, 8, 8), 0.5, dtype=torch.double))[0, :16, 1:-1, 1:-1]
    expected = torch.zeros(16, 6, 6, dtype=torch.double)
    expected[0] = 0.5 * 3 * math.sqrt(3) / math.sqrt(1 + 1e-3)  # batch norm's first variance is 1, its eps 1e-3
    assert torch.allclose(inside, expected, atol=1e-6)


def test_both_signs_of_every_coefficient(cosines):
    u, minus = cosines(torch.rand(2, 3, 8, 8, dtype=torch.double)).chunk(2, 1)
    assert torch.equal(u, -minus)


def test_the_first_layer_trains_no_weights_and_learns_the_variances(sample):
    layer = OpponentCosines(nn.Identity)
    assert list(layer.parameters()) == []
    x = sample.train.images[:256].float() / 255
    for _ in range(150):  # batch norm's running averages forget a tenth of the past at each call
        layer(x)
    u = layer.eval()(x)[:, :16]
    variance = F.conv2d(x, layer.filters, padding=1).var((0, 2, 3))
    assert torch.allclose(u.mean((0, 2, 3)), torch.zeros(16), atol=1e-4)
    assert torch.allclose(u.var((0, 2, 3)), variance / (variance + 1e-3), atol=1e-3)
    assert (variance[9:] < 1e-10).all()  # the sample is grey: it has no colour differences


@pytest.mark.parametrize("side", [1, 5, 20, 32])
def test_the_soft_maximum_lies_between_mean_and_maximum(side):
    net = PocketNet().double().eval()
    x = torch.rand(4, 3, side, side, dtype=torch.double)
    y = net.features(x).flatten(2)
    net.head = nn.Identity()
    pooled = net(x) / net.logit_scale
    slack = 1e-9
    assert (pooled >= y.mean(2) - slack).all() and (pooled <= y.amax(2) + slack).all()


def test_half_a_million_weights_and_small_first_logits():
    net = PocketNet(7).eval()
    assert 450_000 < sum(p.numel() for p in net.parameters()) < 650_000
    logits = net(torch.rand(5, 3, 32, 32))
    assert logits.shape == (5, 7) and logits.abs().max() < 0.5


@pytest.mark.parametrize(("activation", "smooth"), [("smooth-relu", True), ("relu", False)])
def test_the_gradient_of_the_smooth_network_has_no_kinks(activation, smooth):
    """Along a segment the central difference of the slope tends to the second derivative that autograd gives: the
    largest error falls with h² on a C² network. A ReLU network jumps in slope, which a smaller h makes no better."""
    torch.manual_seed(0)
    net = PocketNet(activation=activation).double().eval()
    start, direction = torch.rand(1, 3, 16, 16).double(), torch.randn(1, 3, 16, 16).double()
    label = torch.tensor([3])

    def slope(t):
        x = start + t[:, None, None, None] * direction
        loss = losses.cross_entropy(net(x), label.expand(len(t))).sum()
        return torch.autograd.grad(loss, t, create_graph=True)[0]

    t = torch.linspace(0, 1, 60, dtype=torch.double).requires_grad_()
    second = torch.autograd.grad(slope(t).sum(), t)[0]
    errors = []
    for h in (1e-3, 1e-4):
        central = (slope(t + h) - slope(t - h)) / (2 * h)
        errors.append((central.detach() - second).abs().max())
    assert (errors[1] < errors[0] / 5) == smooth


def test_every_module_gets_its_own_mode_back():
    net = PocketNet()
    net.features[1].eval()
    with pytest.raises(RuntimeError), evaluating(net):
        assert not any(module.training for module in net.modules())
        raise RuntimeError
    assert net.training and net.features[2].training and not net.features[1].training
