"""A loss along a straight line from an image: what Figure 1 draws, measured on real networks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tulip_lite import norms


def value_and_slope(loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The loss at each image and the ℓ2 norm of its gradient there, both (B,): what the bounds of Prop. 2.1 need of an image.

    loss: `loss(x, y) -> (B,)`; x: (B, C, H, W), float.
    """
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        value = loss(x, y)
        (gradient,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), gradient.flatten(1).norm(dim=1)


def along(
    loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, direction: Tensor, distances: Tensor
) -> Tensor:
    """loss(x + r d, y) for each r in `distances`: (B, R). d is `direction`, (B, C, H, W), brought to ℓ2 length 1.

    The points are not clipped to [0, 1]: a clipped line is no line. ValueError for a zero direction, or one with NaN.
    """
    d = norms.get("l2").steepest(direction)
    if len(nowhere := (~d.flatten(1).any(1)).nonzero()):
        raise ValueError(f"the direction at index {int(nowhere[0])} is zero or NaN: it leads nowhere")
    with torch.no_grad():
        return torch.stack([loss(x + r * d, y) for r in distances], 1)
