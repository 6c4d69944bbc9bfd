import math

import pytest
import torch
from conftest import LinearModel

from tulip_lite import losses, slices


@pytest.fixture
def linear():
    weight = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    return LinearModel(weight)


def test_the_distance_to_a_plane_is_found(linear):
    # images in the middle of the cube, so that [0, 1] is far
    x = 0.5 + 0.02 * torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    score = linear(x)[:, 0].detach()
    exact = score.abs() / linear.weight.norm()
    x_adv, distance = slices.nearest_found(linear, x, (score < 0).long(), [0.02, 0.05, 0.1, 0.2, 0.4])
    assert (distance >= exact * (1 - 1e-4)).all()
    # an attack from a random start does not arrive quite at the foot of the perpendicular
    torch.testing.assert_close(distance, exact.detach(), rtol=0.1, atol=1e-4)
    torch.testing.assert_close((x_adv - x).flatten(1).norm(dim=1), distance)
    # just across: the answer has changed, and only just
    assert (linear(x_adv).argmax(1) == (score > 0).long()).all()
    assert linear(x_adv)[:, 0].abs().max() < 1e-4


def test_wrong_from_the_start_is_at_distance_0_and_never_wrong_at_infinity(linear):
    x = torch.full((1, 3, 4, 4), 0.5)
    answer = linear(x).argmax(1)
    assert slices.nearest_found(linear, x, 1 - answer, [0.1]).distance.item() == 0
    with torch.no_grad():
        linear.bias.fill_(1e3)
    assert slices.nearest_found(linear, x, linear(x).argmax(1), [0.1, 1.0]).distance.item() == math.inf


def test_a_slice_of_a_linear_loss_is_straight_and_its_slope_known(linear):
    x, y = torch.rand(2, 3, 4, 4), torch.tensor([0, 1])
    loss = losses.of(linear, lambda logits, y: logits[:, 0])
    value, slope = slices.value_and_slope(loss, x, y)
    torch.testing.assert_close(slope, linear.weight.norm().expand(2).detach())
    distances = torch.tensor([0.0, 0.5, 2.0])
    found = slices.along(loss, x, y, 3 * linear.weight.expand(2, 3, 4, 4), distances)
    torch.testing.assert_close(found, (value[:, None] + slope[:, None] * distances).detach())
    with pytest.raises(ValueError, match="direction at index 0 is zero"):
        slices.along(loss, x, y, torch.zeros_like(x), distances)


def test_a_tiny_direction_is_a_direction_and_nan_is_none(linear):
    x, y = torch.rand(2, 3, 4, 4), torch.tensor([0, 1])
    loss = losses.of(linear, lambda logits, y: logits[:, 0])
    distances, d = torch.tensor([0.0, 0.5]), linear.weight.detach().expand(2, 3, 4, 4)
    torch.testing.assert_close(slices.along(loss, x, y, 1e-30 * d, distances), slices.along(loss, x, y, d, distances))
    d = d.clone()
    d[1, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="direction at index 1 is zero or NaN"):
        slices.along(loss, x, y, d, distances)


@pytest.mark.parametrize("radii", [[], [0.1, 0.1], [0.2, 0.1], [0.0, 0.1], [-0.1], [0.1, math.nan]])
def test_radii_must_increase(linear, radii):
    with pytest.raises(ValueError, match="radii must be increasing"):
        slices.nearest_found(linear, torch.rand(1, 3, 4, 4), torch.tensor([0]), radii)


def test_bad_images_and_labels_are_refused(linear):
    x, y = torch.rand(2, 3, 4, 4), torch.tensor([0, 1])
    for images, labels, words in (
        (x + 2, y, r"images must lie in \[0, 1\]"),
        (x, y + 1, r"labels must lie in \[0, 2\), got 2 at index 1"),
        (x, y[:1], r"labels must have shape \(2,\)"),
    ):
        with pytest.raises(ValueError, match=words):
            slices.nearest_found(linear, images, labels, [0.1])
