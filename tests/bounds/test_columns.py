import pytest
import torch
from conftest import SmoothNet
from torch import nn

from tulip_lite import losses
from tulip_lite.bounds import columns
from tulip_lite.bounds.constants.clever import clever
from tulip_lite.bounds.constants.curvature import ascended_curvature, sampled_curvature
from tulip_lite.bounds.constants.lipschitz import ascended, on_the_way, sampled
from tulip_lite.losses import margin

HARD = {"margin", "margin_gradient/l2", "margin_gradient/linf", "cross_entropy", "cross_entropy_gradient/l2"}
SOFT = {"soft_margin", "soft_margin_gradient/l2", "curvature/smallest", "curvature/largest"}
NEARBY = {"lipschitz/sampled", "lipschitz/clever", "clever_p_value", "lipschitz/ascended"}


@pytest.fixture
def tiny():
    """A C∞ network with dropout that only training switches on, five images (3, 2, 2), labels, some of them wrong."""
    torch.manual_seed(0)
    model = nn.Sequential(SmoothNet(), nn.Dropout(0.5)).train()
    return model, torch.rand(5, 3, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0])


@pytest.fixture
def kinked():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4)).double().train()


def alone(model, loss, x, y, **options):
    """Value, gradient (12,) and Hessian (12, 12) of the loss at one image, by plain autograd."""
    net = model[0] if isinstance(model[0], SmoothNet) else model

    def of_pixels(pixels):
        return loss(net(pixels.view(1, *x.shape)), y[None], **options)[0]

    pixels = x.flatten()
    gradient = torch.autograd.functional.jacobian(of_pixels, pixels)
    return of_pixels(pixels).item(), gradient, torch.autograd.functional.hessian(of_pixels, pixels)


@pytest.mark.parametrize("smooth", [False, True])
def test_steepness_is_what_autograd_says_of_each_image_alone(tiny, kinked, smooth):
    model, x, y = tiny
    model = model if smooth else kinked
    table = columns.steepness(model, x, y, smooth=smooth)
    assert table.keys() == HARD | (SOFT if smooth else set())
    assert all(column.shape == (5,) and not column.requires_grad for column in table.values())
    assert all(module.training for module in model.modules())
    for i in range(5):
        row = {name: column[i].item() for name, column in table.items()}
        value, gradient, _ = alone(model, margin, x[i], y[i])
        expected = {
            "margin": value,
            "margin_gradient/l2": gradient.norm(),
            "margin_gradient/linf": gradient.abs().sum(),
        }
        value, gradient, _ = alone(model, losses.cross_entropy, x[i], y[i])
        expected |= {"cross_entropy": value, "cross_entropy_gradient/l2": gradient.norm()}
        if smooth:
            value, gradient, hessian = alone(model, losses.soft_margin, x[i], y[i], kind="logsumexp")
            spectrum = torch.linalg.eigvalsh(hessian)
            expected |= {"soft_margin": value, "soft_margin_gradient/l2": gradient.norm()}
            expected |= {"curvature/smallest": spectrum[0], "curvature/largest": spectrum[-1]}
        assert row == pytest.approx({name: float(value) for name, value in expected.items()}, rel=1e-3)


@pytest.mark.parametrize("smooth", [False, True])
def test_local_steepness_is_what_the_searches_find_in_the_ball_to_the_adversarial_image(tiny, kinked, smooth):
    model, x, y = tiny
    model = model if smooth else kinked
    x_adv = (x + 0.3 * torch.linspace(-1, 1, 12, dtype=x.dtype).view(3, 2, 2)).clamp(0, 1)
    table = columns.local_steepness(model, x, y, x_adv, smooth=smooth, seed=3)
    assert table.keys() == NEARBY | ({"curvature/sampled", "curvature/ascended"} if smooth else set())
    assert all(column.shape == (5,) for column in table.values())
    assert all(module.training for module in model.modules())
    model.eval()
    hard = losses.of(model, margin)
    radius = (x_adv - x).flatten(1).norm(dim=1)
    way = on_the_way(x, x_adv, 4)
    fitted = clever(hard, x, y, "l2", radius, seed=3)
    assert torch.equal(table["lipschitz/clever"], fitted.estimate)
    torch.testing.assert_close(table["clever_p_value"], fitted.p_value, equal_nan=True)
    # sampled is the largest of the very points that the fit saw, and of the image
    torch.testing.assert_close(table["lipschitz/sampled"], sampled(hard, x, y, "l2", radius, 32 * 32, seed=3))
    assert torch.equal(table["lipschitz/ascended"], ascended(hard, x, y, "l2", radius, 10, way, seed=3))
    steepest = torch.stack([columns.steepness(model, z, y, smooth=False)["margin_gradient/l2"] for z in (x, x_adv)])
    assert (table["lipschitz/ascended"] >= 0.999999 * steepest.amax(0)).all()
    if smooth:
        soft = losses.of(model, losses.soft_margin, kind="logsumexp")
        assert torch.equal(table["curvature/sampled"], sampled_curvature(soft, x, y, radius, seed=3))
        assert torch.equal(
            table["curvature/ascended"], ascended_curvature(soft, x, y, radius, starts=way[1::2], seed=3)
        )


def test_a_network_with_kinks_has_no_curvature_and_keeps_its_mode(tiny, kinked):
    _, x, y = tiny
    x_adv = 1 - x
    for measured in (
        lambda: columns.steepness(kinked, x, y, smooth=True),
        lambda: columns.local_steepness(kinked, x, y, x_adv, smooth=True),
    ):
        with pytest.raises(ValueError, match="the loss has kinks .*SmoothReLU"):
            measured()
        assert all(module.training for module in kinked.modules())


def test_an_adversarial_image_that_is_the_image_has_no_ball(tiny):
    model, x, y = tiny
    x_adv = x.clone()
    x_adv[:4] += 0.1 * (0.5 - x[:4])
    with pytest.raises(ValueError, match="radius must be a finite number > 0, got 0"):
        columns.local_steepness(model, x, y, x_adv, smooth=False)
    assert all(module.training for module in model.modules())
