"""A loss along a straight line from an image: what Figure 1 draws, measured on real networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tulip_lite.attacks.pgd import pgd
from tulip_lite.models import evaluating


class Nearest(NamedTuple):
    """What `nearest_found` returns: x_adv (B, C, H, W) and its ℓ2 distance (B,), ∞ where no radius sufficed."""

    x_adv: Tensor
    distance: Tensor


def nearest_found(
    model: nn.Module, x: Tensor, y: Tensor, radii: Sequence[float], steps: int = 20, seed: int = 0
) -> Nearest:
    """The nearest misclassified image that PGD in ℓ2 finds, an upper bound of the adversarial distance.

    x: (B, C, H, W) in [0, 1]; y: (B,); radii: increasing, pixel units, each tried with `steps` steps from a random start drawn
    with `seed`. A found image is then pulled back on the line to x until just before it is classified correctly (20 bisections),
    which makes its distance finer than the radii. Images misclassified from the start have distance 0.
    """
    start = torch.Generator(x.device).manual_seed(seed)
    best, distance = x.clone(), torch.full((len(x),), torch.inf, dtype=x.dtype, device=x.device)
    with evaluating(model), torch.no_grad():
        distance[model(x).argmax(1) != y] = 0
        for radius in radii:
            left = distance.isinf()
            if not left.any():
                break
            moved = pgd(model, x[left], y[left], "l2", radius, steps, generator=start)
            moved = _pulled_back(model, x[left], y[left], moved)
            found = model(moved).argmax(1) != y[left]
            here = left.nonzero().flatten()[found]
            best[here] = moved[found]
            distance[here] = (moved - x[left])[found].flatten(1).norm(dim=1)
    return Nearest(best, distance)


def _pulled_back(model: nn.Module, x: Tensor, y: Tensor, moved: Tensor) -> Tensor:
    low, high = x.new_zeros(len(x), 1, 1, 1), x.new_ones(len(x), 1, 1, 1)
    for _ in range(20):
        middle = (low + high) / 2
        wrong = (model(x + middle * (moved - x)).argmax(1) != y).view_as(low)
        low, high = torch.where(wrong, low, middle), torch.where(wrong, middle, high)
    return x + high * (moved - x)


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

    The points are not clipped to [0, 1]: a clipped line is no line. ValueError for a zero direction.
    """
    length = direction.flatten(1).norm(dim=1)
    if not (length > 0).all():
        raise ValueError(f"the direction at index {int((length == 0).nonzero()[0])} is zero: it leads nowhere")
    d = direction / length.view(-1, 1, 1, 1)
    with torch.no_grad():
        return torch.stack([loss(x + r * d, y) for r in distances], 1)
