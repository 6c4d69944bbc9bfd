import math

import pytest
import torch
from conftest import LinearModel

from tulip_lite import gradients, losses


@pytest.fixture
def linear():
    weight = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    return LinearModel(weight)


def test_a_slice_of_a_linear_loss_is_straight_and_its_slope_known(linear):
    x, y = torch.rand(2, 3, 4, 4), torch.tensor([0, 1])
    loss = losses.of(linear, lambda logits, y: logits[:, 0])
    value, slope = gradients.value_and_slope(loss, x, y)
    torch.testing.assert_close(slope, linear.weight.norm().expand(2).detach())
    distances = torch.tensor([0.0, 0.5, 2.0])
    found = gradients.along(loss, x, y, 3 * linear.weight.expand(2, 3, 4, 4), distances)
    torch.testing.assert_close(found, (value[:, None] + slope[:, None] * distances).detach())
    with pytest.raises(ValueError, match="direction at index 0 is zero"):
        gradients.along(loss, x, y, torch.zeros_like(x), distances)


def test_a_tiny_direction_is_a_direction_and_nan_is_none(linear):
    x, y = torch.rand(2, 3, 4, 4), torch.tensor([0, 1])
    loss = losses.of(linear, lambda logits, y: logits[:, 0])
    distances, d = torch.tensor([0.0, 0.5]), linear.weight.detach().expand(2, 3, 4, 4)
    torch.testing.assert_close(
        gradients.along(loss, x, y, 1e-30 * d, distances), gradients.along(loss, x, y, d, distances)
    )
    d = d.clone()
    d[1, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="direction at index 1 is zero or NaN"):
        gradients.along(loss, x, y, d, distances)
