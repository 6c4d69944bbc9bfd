"""How curved a loss gets near an image: estimates of the constant C of Prop. 2.1, one for each image.

The bound holds where C is at least the largest eigenvalue of ∇²ℓ at every image within the radius it is used for, in ℓ2. As in
`lipschitz`, whose arguments and errors these functions share, **each is an estimate from below**, and a bound made of it
no certificate.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tulip_lite import norms
from tulip_lite.bounds.constants import search
from tulip_lite.curvature import HessianProducts, hessian_extremes
from tulip_lite.gradients import Loss, fast, parts
from tulip_lite.norms import per_image

_FIRST_PRODUCTS, _PRODUCTS = 20, 4  # with Hessians, at the first and at each further image of `ascended_curvature`


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

    Loss per squared pixel unit, each to `tol` by `curvature.hessian_extremes`, which refuses losses with kinks and warns
    where it does not converge.

    Args:
        samples: Uniform points.
        starts: Images (B, ...), brought into the ball.
    """
    geometry = norms.get("l2")
    radius = search.checked(x, y, radius, *starts, samples=samples)
    found = []
    for some, labels, radii, *others in parts(x, y, radius, *starts):
        directions = search.directions(x, geometry, samples, seed)
        points = [some, *others, *(some + per_image(radii, x) * d for d in directions)]
        found.append(_largest(loss, labels, [search.into_ball(z, some, radii, geometry) for z in points], tol))
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
    derivative of vᵀ ∇²ℓ(z) v, a third derivative of the loss (SmoothReLU has one), as in `lipschitz.ascended`. Returned is
    max(λ_max, 0) at x or at the best z, whichever is larger, to `tol` by `curvature.hessian_extremes`, which refuses losses with
    kinks and warns where it does not converge. Units and starts as in `sampled_curvature`.
    """
    geometry = norms.get("l2")
    radius = search.checked(x, y, radius, *starts, steps=steps)
    found = []
    for some, labels, radii, *others in parts(x, y, radius, *starts):
        rayleigh = _Rayleigh(loss, labels, next(search.directions(x, geometry, 1, seed)).flatten(1))
        _, best = search.ascend(rayleigh, some, radii, others, geometry, steps, seed + 1)
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
        return values.detach(), search.derivative(values, hessian.x)


def _best_direction(hessian: HessianProducts, v: Tensor, products: int) -> Tensor:
    """The unit direction of largest curvature, (B, N), in the space of v, Hv, H²v, … (Rayleigh-Ritz; v: (B, N))."""
    basis: list[Tensor] = []
    images: list[Tensor] = []
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


def _largest(loss: Loss, y: Tensor, points: Sequence[Tensor], tol: float) -> Tensor:
    found = [hessian_extremes(loss, fast(z), y, tol=tol).largest for z in points]
    return torch.stack(found).amax(0).clamp_min(0)
