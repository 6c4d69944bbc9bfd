"""How steep a loss gets near an image: estimates of the constant L of Prop. 2.1, one for each image.

The bound holds where L is at least the dual norm of ∇ℓ at every image within the radius it is used for. The paper takes the
maximum over test images; the functions here search around each image. **Every one of them is an estimate from below**: it
returns the largest value it has seen, and the true maximum may lie above it. A bound made of it is therefore no certificate.
Those of C are in `bounds.constants.curvature`.

Everywhere: loss is `loss(x, y) -> (B,)`, a value an image that depends on no other image of the batch
(`losses.of(model, losses.margin)`, the model in eval mode); x: (B, ...) images in [0, 1]; y: (B,); radius: pixel units, a
number or (B,). Searched is the ball of that radius around the image, intersected with [0, 1]: adversarial images lie there, and
with two images of this convex set also the line between them, which is all that the proof of Prop. 2.1 uses. An image's result
does not depend on its neighbours. At most a few dozen images are differentiated at once.
ValueError for a radius, a count or images that cannot be, an unknown norm, and where a loss is not finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice

import torch
from torch import Tensor

from tulip_lite import gradients, norms
from tulip_lite.bounds.constants import search
from tulip_lite.checks import check_counts, check_float
from tulip_lite.gradients import Loss, gradient_norm, parts
from tulip_lite.norms import Norm, per_image


def random_norms(
    loss: Loss, x: Tensor, y: Tensor, norm: str, radius: float | Tensor, samples: int, seed: int = 0
) -> Tensor:
    """Dual norms of ∇ₓ ℓ at `samples` uniform points of the ball, (B, samples). A pixel that leaves [0, 1] is clipped."""
    geometry = norms.get(norm)
    radius = search.checked(x, y, radius, samples=samples)
    rows = []
    for some, labels, radii in parts(x, y, radius):
        directions, columns = search.directions(x, geometry, samples, seed), []
        while group := list(islice(directions, max(1, gradients.TOGETHER // len(some)))):
            points = [search.into_ball(some + per_image(radii, x) * d, some, radii, geometry) for d in group]
            found = gradient_norm(loss, torch.cat(points), labels.repeat(len(group)), norm)
            columns.append(found.view(len(group), len(some)).T)
        rows.append(torch.cat(columns, 1))
    return torch.cat(rows)


def sampled(
    loss: Loss, x: Tensor, y: Tensor, norm: str, radius: float | Tensor, samples: int = 64, seed: int = 0
) -> Tensor:
    """Largest dual norm of ∇ₓ ℓ at the image and at `samples` uniform points of the ball, (B,). An estimate of L from below.

    In thousands of dimensions a uniform point is nearly orthogonal to every direction that matters, so this is little more
    than the gradient at the image. `ascended` looks where the gradient grows.
    """
    around = random_norms(loss, x, y, norm, radius, samples, seed)
    return torch.maximum(around.amax(1), gradient_norm(loss, x, y, norm))


def ascended(
    loss: Loss,
    x: Tensor,
    y: Tensor,
    norm: str,
    radius: float | Tensor,
    steps: int = 20,
    starts: Sequence[Tensor] = (),
    seed: int = 0,
) -> Tensor:
    """Largest dual norm of ∇ₓ ℓ met by gradient ascent on it within the ball, (B,). An estimate of L from below.

    A step goes in the norm's steepest direction of the gradient norm, by double backpropagation, and is radius · (1 −
    k/steps) long; where that derivative vanishes (linear losses, ReLU networks' scores) it goes in a random one. Every
    point visited counts. With ReLU the gradient norm jumps; its derivative exists almost everywhere, and does not see the
    jumps.

    Args:
        starts: More images (B, ...) to start from than x itself, such as `on_the_way`; each is brought into the ball and
            climbs `steps` steps.
    """
    geometry = norms.get(norm)
    radius = search.checked(x, y, radius, *starts, steps=steps)
    return torch.cat([
        search.ascend(partial(_norm_and_slope, loss, labels, geometry), some, radii, others, geometry, steps, seed)[0]
        for some, labels, radii, *others in parts(x, y, radius, *starts)
    ])  # fmt: skip


def on_the_way(x: Tensor, x_adv: Tensor, points: int = 8) -> list[Tensor]:
    """The images x + (k/points)(x_adv − x), k = 1 … points, each (B, ...): good places for `ascended` to start from.

    By the mean value theorem the dual norm of the gradient somewhere on the segment is at least
    (ℓ(x_adv) − ℓ(x)) / ‖x_adv − x‖. A constant that is at least the maximum over the segment therefore never promises more
    than the distance of this adversarial image; an estimate may fall short of it between the points.

    Raises:
        ValueError: Where shapes differ.
    """
    check_float(x)
    check_counts(points=points)
    if x.shape != x_adv.shape:
        raise ValueError(f"x and x_adv must have the same shape, got {tuple(x.shape)} and {tuple(x_adv.shape)}")
    return [x + (x_adv - x) * (k / points) for k in range(1, points + 1)]


def _norm_and_slope(loss: Loss, y: Tensor, geometry: Norm, z: Tensor) -> tuple[Tensor, Tensor]:
    gradient, z = gradients.gradient(loss, z, y, create_graph=True)
    values = geometry.dual(gradient)
    return values.detach(), search.derivative(values, z)
