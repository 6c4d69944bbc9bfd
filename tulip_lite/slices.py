"""A loss along a straight line from an image: what Figure 1 draws, measured on real networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tulip_lite import norms
from tulip_lite.attacks.pgd import pgd
from tulip_lite.checks import check_images, check_labels, check_logits
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
    TypeError or ValueError for bad images or labels; ValueError for radii that are none, not increasing or not > 0.
    """
    if not len(radii) or not all(a < b for a, b in pairwise([0, *radii])):
        raise ValueError(f"radii must be increasing numbers > 0, at least one, got {list(radii)}")
    check_images(x)
    start = torch.Generator(x.device).manual_seed(seed)
    best, distance = x.clone(), torch.full((len(x),), torch.inf, dtype=x.dtype, device=x.device)
    with evaluating(model), torch.no_grad():
        logits = model(x)
        check_logits(logits)
        check_labels(y, logits.shape[1], len(x))
        distance[logits.argmax(1) != y] = 0
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

    The points are not clipped to [0, 1]: a clipped line is no line. ValueError for a zero direction, or one with NaN.
    """
    d = norms.get("l2").steepest(direction)
    if len(nowhere := (~d.flatten(1).any(1)).nonzero()):
        raise ValueError(f"the direction at index {int(nowhere[0])} is zero or NaN: it leads nowhere")
    with torch.no_grad():
        return torch.stack([loss(x + r * d, y) for r in distances], 1)
