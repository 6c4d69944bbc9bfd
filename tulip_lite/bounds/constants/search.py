"""Where the estimates of L and C near an image look: the points of its ball, and the climb to where something is large.

What is searched is the ball of a norm around the image, intersected with [0, 1]. Clipping a point of the ball keeps it in the
ball: each pixel moves towards the image's own, which lies in [0, 1]. Random directions are the same for each image, so that
its neighbours do not change its result. x: (B, ...) images in [0, 1]; y: (B,); radius: (B,), pixel units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from tulip_lite.checks import check_counts, check_images, check_positive
from tulip_lite.norms import Norm, per_image


def checked(x: Tensor, y: Tensor, radius: float | Tensor, *starts: Tensor, **counts: int) -> Tensor:
    """The radius as (B,), once everything has been checked.

    Args:
        starts: More images like x.
        counts: Whole numbers ≥ 1.

    Raises:
        ValueError, TypeError: In one line, for what cannot be.
    """
    check_images(x)
    check_counts(**counts)
    for start in starts:
        if start.shape != x.shape:
            raise ValueError(f"starts and x must have the same shape, got {tuple(start.shape)} and {tuple(x.shape)}")
    if y.shape != (len(x),):
        raise ValueError(f"labels must have shape ({len(x)},), got {tuple(y.shape)}")
    radius = torch.as_tensor(radius, dtype=x.dtype, device=x.device)
    if radius.shape not in ((), (len(x),)):
        raise ValueError(f"radius must be a number or of shape ({len(x)},), got {tuple(radius.shape)}")
    for extreme in radius.aminmax():
        check_positive(radius=extreme.item())
    return radius.expand(len(x))


def directions(x: Tensor, geometry: Norm, count: int, seed: int) -> Iterator[Tensor]:
    """`count` uniform points of the unit ball, each (1, ...), the same for all images and on all devices."""
    generator, like = torch.Generator().manual_seed(seed), torch.empty(1, *x.shape[1:], dtype=x.dtype)
    return (geometry.random(like, 1.0, generator).to(x.device) for _ in range(count))


def into_ball(z: Tensor, x: Tensor, radius: Tensor, geometry: Norm) -> Tensor:
    """The points z (B, ...) brought into the ball around x, and into [0, 1]."""
    return (x + geometry.project(z - x, radius)).clamp(0, 1)


def derivative(values: Tensor, x: Tensor) -> Tensor:
    """The derivative of Σ values, (B,), in x, shaped like x; 0 where it does not exist or values do not depend on x."""
    if not values.requires_grad:  # the same at all images near x
        return torch.zeros_like(x)
    (slope,) = torch.autograd.grad(values.sum(), x, materialize_grads=True)
    return slope.nan_to_num(0, 0, 0)  # where the next derivative does not exist there is no direction to go


def ascend(
    score: Callable[[Tensor], tuple[Tensor, Tensor]],
    x: Tensor,
    radius: Tensor,
    starts: Sequence[Tensor],
    geometry: Norm,
    steps: int,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """The best value (B,) that projected ascent from x and `starts` meets, and where.

    Args:
        score: z -> values, derivative.
    """
    best, where = x.new_full((len(x),), -torch.inf), x
    for start in (x, *starts):
        z, randoms = into_ball(start, x, radius, geometry), directions(x, geometry, steps, seed)
        for step in range(steps, -1, -1):
            values, slope = score(z)
            where = torch.where(per_image(values, x) > per_image(best, x), z, where)
            best = torch.maximum(best, values)
            if step:
                direction = geometry.steepest(slope)
                # the random one is drawn even where nobody needs it: neighbours must not shift the sequence
                nowhere, random = ~direction.flatten(1).any(1), next(randoms)
                direction[nowhere] = random
                z = into_ball(z + per_image(radius * step / steps, x) * direction, x, radius, geometry)
    return best, where
