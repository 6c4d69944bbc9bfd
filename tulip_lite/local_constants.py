"""How steep and how curved a loss gets near an image: estimates of the constants L and C of Prop. 2.1, one for each image.

The bounds hold where L is at least the dual norm of ∇ℓ, and C at least the largest eigenvalue of ∇²ℓ, at every image within
the radius they are used for. The paper takes maxima over test images; the functions here search around each image.
**Every one of them is an estimate from below**: it returns the largest value it has seen, and the true maximum may lie above
it. A bound made of it is therefore no certificate.

Everywhere: loss is `loss(x, y) -> (B,)`, a value an image that depends on no other image of the batch
(`losses.of(model, losses.margin)`, the model in eval mode); x: (B, ...) images in [0, 1]; y: (B,); radius: pixel units, a
number or (B,). Searched is the ball of that radius around the image, intersected with [0, 1]: adversarial images lie there, and
with two images of this convex set also the line between them, which is all that the proof of Prop. 2.1 uses. Clipping a point
of the ball keeps it in the ball: each pixel moves towards the image's own, which lies in [0, 1]. Random directions are the same
for each image, so that its neighbours do not change its result. At most a few dozen images are differentiated at once.
ValueError for a radius, a count or images that cannot be, an unknown norm, and where a loss is not finite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from numbers import Integral

import torch
from torch import Tensor

from tulip_lite import norms
from tulip_lite.checks import check_float, check_images, check_positive
from tulip_lite.curvature import HessianProducts, Loss, hessian_extremes
from tulip_lite.norms import Norm, per_image

_TOGETHER = 64  # images that one pass differentiates: more of them need memory, and are no faster on a processor
_FIRST_PRODUCTS, _PRODUCTS = 20, 4  # with Hessians, at the first and at each further image of `ascended_curvature`


def gradient_norm(loss: Loss, x: Tensor, y: Tensor, norm: str = "l2") -> Tensor:
    """Dual norm of ∇ₓ ℓ at each image, (B,), loss per pixel unit of `norm`. x: (B, ...), float.

    ValueError where the loss or its gradient is not finite, or does not depend on the image.
    """
    geometry = norms.get(norm)
    check_float(x)
    return torch.cat([geometry.dual(_gradient(loss, *part)[0]) for part in _parts(x, y)])


def random_norms(
    loss: Loss, x: Tensor, y: Tensor, norm: str, radius: float | Tensor, samples: int, seed: int = 0
) -> Tensor:
    """Dual norms of ∇ₓ ℓ at `samples` uniform points of the ball, (B, samples). A pixel that leaves [0, 1] is clipped."""
    geometry = norms.get(norm)
    radius = _check(x, y, radius, samples=samples)
    rows = []
    for some, labels, radii in _parts(x, y, radius):
        directions, columns = _directions(x, geometry, samples, seed), []
        while group := list(islice(directions, max(1, _TOGETHER // len(some)))):
            points = [_into_ball(some + per_image(radii, x) * d, some, radii, geometry) for d in group]
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

    starts: more images (B, ...) to start from than x itself, such as `on_the_way`; each is brought into the ball and climbs
    `steps` steps. A step goes in the norm's steepest direction of the gradient norm, by double backpropagation, and is
    radius · (1 − k/steps) long; where that derivative vanishes (linear losses, ReLU networks' scores) it goes in a random
    one. Every point visited counts. With ReLU the gradient norm jumps; its derivative exists almost everywhere, and does not
    see the jumps.
    """
    geometry = norms.get(norm)
    radius = _check(x, y, radius, *starts, steps=steps)
    return torch.cat([
        _ascend(partial(_norm_and_slope, loss, labels, geometry), some, radii, others, geometry, steps, seed)[0]
        for some, labels, radii, *others in _parts(x, y, radius, *starts)
    ])  # fmt: skip


def on_the_way(x: Tensor, x_adv: Tensor, points: int = 8) -> list[Tensor]:
    """The images x + (k/points)(x_adv − x), k = 1 … points, each (B, ...): good places for `ascended` to start from.

    By the mean value theorem the dual norm of the gradient somewhere on the segment is at least
    (ℓ(x_adv) − ℓ(x)) / ‖x_adv − x‖. A constant that is at least the maximum over the segment therefore never promises more than
    the distance of this adversarial image; an estimate may fall short of it between the points. ValueError where shapes differ.
    """
    check_float(x)
    check_counts(points=points)
    if x.shape != x_adv.shape:
        raise ValueError(f"x and x_adv must have the same shape, got {tuple(x.shape)} and {tuple(x_adv.shape)}")
    return [x + (x_adv - x) * (k / points) for k in range(1, points + 1)]


def sampled_curvature(
    loss: Loss,
    x: Tensor,
    y: Tensor,
    radius: float | Tensor,
    samples: int = 4,
    starts: Sequence[Tensor] = (),
    tol: float = 1e-2,
    seed: int = 0,
) -> Tensor:
    """Largest max(λ_max(∇²ₓ ℓ), 0) at the image, at `starts` and at random points of the ℓ2 ball, (B,). C from below.

    Loss per squared pixel unit, each to `tol` by `curvature.hessian_extremes`, which refuses losses with kinks and warns where
    it does not converge. starts: images (B, ...), brought into the ball; samples: uniform points.
    """
    geometry = norms.get("l2")
    radius = _check(x, y, radius, *starts, samples=samples)
    found = []
    for some, labels, radii, *others in _parts(x, y, radius, *starts):
        points = [some, *others, *(some + per_image(radii, x) * d for d in _directions(x, geometry, samples, seed))]
        found.append(_largest(loss, labels, [_into_ball(z, some, radii, geometry) for z in points], tol))
    return torch.cat(found)


def ascended_curvature(
    loss: Loss,
    x: Tensor,
    y: Tensor,
    radius: float | Tensor,
    steps: int = 10,
    starts: Sequence[Tensor] = (),
    seed: int = 0,
    tol: float = 1e-2,
) -> Tensor:
    """Largest curvature met by ascent of vᵀ ∇²ℓ(z) v over unit directions v and images z of the ℓ2 ball, (B,). C from below.

    At each z the direction becomes the best one of a small Krylov space that begins at the last v; then z steps along the
    derivative of vᵀ ∇²ℓ(z) v, a third derivative of the loss (SmoothReLU has one), as in `ascended`. Returned is
    max(λ_max, 0) at x or at the best z, whichever is larger, to `tol` by `curvature.hessian_extremes`, which refuses losses with
    kinks and warns where it does not converge. Units and starts as in `sampled_curvature`.
    """
    geometry = norms.get("l2")
    radius = _check(x, y, radius, *starts, steps=steps)
    found = []
    for some, labels, radii, *others in _parts(x, y, radius, *starts):
        rayleigh = _Rayleigh(loss, labels, next(_directions(x, geometry, 1, seed)).flatten(1))
        _, best = _ascend(rayleigh, some, radii, others, geometry, steps, seed + 1)
        found.append(_largest(loss, labels, [some, best], tol))
    return torch.cat(found)


class _Rayleigh:
    """z -> vᵀ ∇²ℓ(z) v, (B,), and its derivative in z, for a unit direction v (B, N) that follows the curvature."""

    def __init__(self, loss: Loss, y: Tensor, direction: Tensor):
        self.loss, self.y, self.random, self.v = loss, y, direction, direction
        # the ascent commits itself to the first direction, so it should be nearly the best one at the image
        self.products = _FIRST_PRODUCTS

    def __call__(self, z: Tensor) -> tuple[Tensor, Tensor]:
        hessian = HessianProducts(self.loss, z, self.y)
        # a little of a random direction: an eigenvector would never leave itself
        self.v = _best_direction(hessian, self.v + 0.1 * self.random.expand(len(z), -1), self.products)
        self.products = _PRODUCTS
        if not hessian.gradient.requires_grad:  # linear in the image
            return z.new_zeros(len(z)), torch.zeros_like(z)
        (product,) = torch.autograd.grad(
            hessian.gradient, hessian.x, self.v.view_as(hessian.x), create_graph=True, materialize_grads=True
        )
        values = (product.flatten(1) * self.v).sum(1)
        return values.detach(), _derivative(values, hessian.x)


def _best_direction(hessian: HessianProducts, v: Tensor, products: int) -> Tensor:
    """The unit direction of largest curvature, (B, N), in the space of v, Hv, H²v, … (Rayleigh-Ritz; v: (B, N))."""
    basis, images = [], []
    for _ in range(min(products, v.shape[1])):
        for _ in range(2):  # twice makes it orthogonal to rounding
            for b in basis:
                v = v - (v * b).sum(1, keepdim=True) * b
            v = norms.get("l2").steepest(v)
        basis.append(v)
        v = hessian.product(v)
        if not v.isfinite().all():
            raise ValueError("a Hessian-vector product is not finite: check the model's weights and the images for NaN")
        images.append(v)
    directions = torch.stack(basis, 1)
    ritz = torch.linalg.eigh(torch.einsum("bkn,bmn->bkm", directions, torch.stack(images, 1))).eigenvectors[..., -1]
    return norms.get("l2").steepest(torch.einsum("bk,bkn->bn", ritz, directions))


def _ascend(
    score: Callable[[Tensor], tuple[Tensor, Tensor]],
    x: Tensor,
    radius: Tensor,
    starts: Sequence[Tensor],
    geometry: Norm,
    steps: int,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """The best value (B,) that projected ascent from x and `starts` meets, and where. score: z -> values, derivative."""
    best, where = x.new_full((len(x),), -torch.inf), x
    for start in (x, *starts):
        z, randoms = _into_ball(start, x, radius, geometry), _directions(x, geometry, steps, seed)
        for step in range(steps, -1, -1):
            values, slope = score(z)
            where = torch.where(per_image(values, x) > per_image(best, x), z, where)
            best = torch.maximum(best, values)
            if step:
                direction = geometry.steepest(slope)
                # the random one is drawn even where nobody needs it: neighbours must not shift the sequence
                nowhere, random = ~direction.flatten(1).any(1), next(randoms)
                direction[nowhere] = random
                z = _into_ball(z + per_image(radius * step / steps, x) * direction, x, radius, geometry)
    return best, where


def _norm_and_slope(loss: Loss, y: Tensor, geometry: Norm, z: Tensor) -> tuple[Tensor, Tensor]:
    gradient, z = _gradient(loss, z, y, create_graph=True)
    values = geometry.dual(gradient)
    return values.detach(), _derivative(values, z)


def _gradient(loss: Loss, x: Tensor, y: Tensor, create_graph: bool = False) -> tuple[Tensor, Tensor]:
    x = _layout(x.detach()).requires_grad_()
    with torch.enable_grad():
        values = loss(x, y)
        if values.shape != (len(x),):
            raise ValueError(f"loss(x, y) must return one value an image, ({len(x)},), got {tuple(values.shape)}")
        if values.grad_fn is None:
            raise ValueError("the loss does not depend on the image: it was computed without gradients, or detached")
        (gradient,) = torch.autograd.grad(values.sum(), x, create_graph=create_graph, materialize_grads=True)
    if not (values.isfinite().all() and gradient.isfinite().all()):
        raise ValueError("the loss or its gradient is not finite: check the model's weights and the images for NaN")
    return gradient, x


def _derivative(values: Tensor, x: Tensor) -> Tensor:
    if not values.requires_grad:  # the same at all images near x
        return torch.zeros_like(x)
    (slope,) = torch.autograd.grad(values.sum(), x, materialize_grads=True)
    return slope.nan_to_num(0, 0, 0)  # where the next derivative does not exist there is no direction to go


def _largest(loss: Loss, y: Tensor, points: Sequence[Tensor], tol: float) -> Tensor:
    found = [hessian_extremes(loss, _layout(z), y, tol=tol).largest for z in points]
    return torch.stack(found).amax(0).clamp_min(0)


def _directions(x: Tensor, geometry: Norm, count: int, seed: int) -> Iterator[Tensor]:
    """`count` uniform points of the unit ball, each (1, ...), the same for all images and on all devices."""
    generator, like = torch.Generator().manual_seed(seed), torch.empty(1, *x.shape[1:], dtype=x.dtype)
    return (geometry.random(like, 1.0, generator).to(x.device) for _ in range(count))


def _into_ball(z: Tensor, x: Tensor, radius: Tensor, geometry: Norm) -> Tensor:
    return (x + geometry.project(z - x, radius)).clamp(0, 1)


def _parts(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(t.detach().split(_TOGETHER) for t in tensors), strict=True)


def _layout(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x


def _check(x: Tensor, y: Tensor, radius: float | Tensor, *starts: Tensor, **counts: int) -> Tensor:
    """The radius as (B,), once everything has been checked."""
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


def check_counts(**counts: int) -> None:
    """Each named number must be whole and ≥ 1. ValueError, naming it, otherwise."""
    for name, value in counts.items():
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} must be a whole number ≥ 1, got {value!r}")
