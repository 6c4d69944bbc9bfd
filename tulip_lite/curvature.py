"""The extreme eigenvalues of the Hessian of a loss in the image, by batched Lanczos on Hessian-vector products.

They are what the C-bound of Prop. 2.1 asks for: C = max(λ_max, 0), the paper's equation (5).
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from tulip_lite.checks import check_float, check_positive
from tulip_lite.gradients import Loss, check_values

# autograd's names for operations whose slope jumps; a Hessian says nothing about what lies beyond the jump
_KINKS = frozenset(
    "Abs AdaptiveMaxPool2D Amax Amin Clamp ClampMax ClampMin Hardshrink Hardsigmoid Hardswish Hardtanh Kthvalue LeakyRelu Max "
    "MaxPool2DWithIndices MaxPool3DWithIndices Maximum Median Min Minimum PreluKernel Relu RreluWithNoise Softshrink Sort "
    "Threshold Topk".split()
)


class Extremes(NamedTuple):
    """What `hessian_extremes` returns: per image the smallest and the largest eigenvalue, both (B,)."""

    smallest: Tensor
    largest: Tensor


class HessianProducts:
    """Hessian-vector products of `loss` at images x (B, C, H, W), by differentiating the gradient once more.

    The gradient is computed once and its graph kept, so that a product costs one backward pass through it; forward over
    reverse mode computes the gradient anew for each and takes over 1.5 times as long (data/results/bench/curvature.json).
    """

    def __init__(self, loss: Loss, x: Tensor, y: Tensor):
        self.x = x.detach().requires_grad_()
        with torch.enable_grad():
            values = loss(self.x, y)
            check_values(values, len(x))
            _check_smooth(values)
            (self.gradient,) = torch.autograd.grad(values.sum(), self.x, create_graph=True, materialize_grads=True)

    def product(self, v: Tensor) -> Tensor:
        """H v per image.

        Args:
            v: (B, N), flat images.

        Returns:
            (B, N).
        """
        if self.gradient.grad_fn is None:  # a loss linear in the image: its gradient depends on nothing
            return torch.zeros_like(v)
        (product,) = torch.autograd.grad(
            self.gradient, self.x, v.view_as(self.x), retain_graph=True, materialize_grads=True
        )
        return product.flatten(1)


def hessian_extremes(
    loss: Loss, x: Tensor, y: Tensor, tol: float = 1e-3, max_iterations: int = 50, seed: int = 0
) -> Extremes:
    """Smallest and largest eigenvalue of ∇²ₓ ℓ at each image.

    Lanczos with full reorthogonalisation (Golub & Van Loan, Matrix Computations, §10.1-10.3). An image is finished when
    the error estimate min(r, r²/gap) of both its Ritz values, r the residual and gap the distance to the next Ritz value, is
    at most `tol` times the value itself (but no finer than a hundredth of `tol` times the spectral norm, which rounding would
    forbid), in two iterations running. Finished images leave the batch as soon as they are a quarter of it: leaving costs the
    others a new gradient. Where the Krylov space is exhausted the values are exact.
    An image that did not finish is reported by a RuntimeWarning; its values then lie inside the true extremes.
    Every image starts from the same random direction, drawn with `seed`, so its neighbours do not change its result.

    Differences from the authors' code: it stops the whole batch when any image's change falls below an absolute tolerance,
    and divides by zero where the Krylov space ends.

    Args:
        loss: `loss(x, y) -> (B,)`, twice continuously differentiable, one value an image that depends on no other image of
            the batch: the model in eval mode, a smooth activation, `soft_margin` or `cross_entropy`.
        x: (B, C, H, W), float.
        y: (B,).

    Returns:
        (smallest (B,), largest (B,)), in loss per squared pixel unit.

    Raises:
        ValueError: For a loss with kinks (ReLU, max-pooling, a hard maximum), whose second derivative says nothing about
            the images nearby; for a loss without gradients; for values or products that are not finite; for `tol` or
            `max_iterations` that are not positive.
    """
    check_float(x)
    check_positive(tol=tol, max_iterations=max_iterations)
    steps = min(max_iterations, pixels := x.shape[1:].numel())
    found = Extremes(x.new_zeros(len(x)), x.new_zeros(len(x)))
    start = torch.randn(pixels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(x)

    here = torch.arange(len(x), device=x.device)  # the images in the batch
    finished = was_small = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    derivatives = HessianProducts(loss, x, y)
    krylov = _Krylov(start.expand(len(x), pixels))
    for step in range(1, steps + 1):
        ritz, error, norm = krylov.extend(derivatives.product(krylov.newest))
        small = (error <= (tol * ritz.abs()).maximum(tol / 100 * norm[:, None])).all(1)
        # an image that does not finish keeps the values of the last step
        running = ~finished
        found.smallest[here[running]], found.largest[here[running]] = ritz[running].T
        finished = finished | krylov.exhausted(norm) | (small & was_small)
        was_small = small
        if finished.all() or step == steps:
            break
        if 4 * finished.sum() >= len(finished):
            stay = ~finished
            here, finished, was_small = here[stay], finished[stay], was_small[stay]
            krylov.keep(stay)
            derivatives = HessianProducts(loss, x[here], y[here])
    # as many steps as pixels exhaust every Krylov space
    if steps < pixels and (late := int((~finished).sum())):
        message = f"{late} of {len(x)} images did not reach tol={tol:g} within {max_iterations} iterations"
        warnings.warn(f"{message}: raise max_iterations", RuntimeWarning, stacklevel=2)
    return found


class _Krylov:
    """For each image an orthonormal basis of its Krylov space, (B, k, N), and the Hessian in it, which is tridiagonal."""

    def __init__(self, start: Tensor):
        self.rest = start  # (B, N), orthogonal to the basis: the next direction, not yet normalised
        self.basis = start.new_zeros(len(start), 0, start.shape[1])
        self.diagonal = start.new_zeros(len(start), 0)
        self.beside = start.new_zeros(len(start), 0)  # (B, k): the last entry leads to `newest`, the first is unused

    @property
    def newest(self) -> Tensor:
        """The next direction, (B, N), of norm 1, or 0 where the space is exhausted."""
        return self.rest / self.rest.norm(dim=1, keepdim=True).clamp_min(torch.finfo(self.rest.dtype).tiny)

    def extend(self, product: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Takes `newest` into the basis, and returns what `ritz` then does. product: the Hessian times `newest`, (B, N).
        ValueError where it is not finite."""
        if not product.isfinite().all():
            raise ValueError("a Hessian-vector product is not finite: check the model's weights and the images for NaN")
        newest = self.newest
        self.beside = torch.cat([self.beside, self.rest.norm(dim=1, keepdim=True)], 1)
        self.basis = torch.cat([self.basis, newest[:, None]], 1)
        self.diagonal = torch.cat([self.diagonal, (product * newest).sum(1, keepdim=True)], 1)
        for _ in range(2):  # twice makes it orthogonal to rounding (Golub & Van Loan, §10.3)
            product = product - torch.einsum("bk,bkn->bn", torch.einsum("bkn,bn->bk", self.basis, product), self.basis)
        self.rest = product
        return self.ritz()

    def exhausted(self, norm: Tensor) -> Tensor:
        """(B,): is what is left only rounding, so that the Ritz values are eigenvalues? norm: spectral, (B,)."""
        return self.rest.norm(dim=1) <= 10 * torch.finfo(self.rest.dtype).eps * norm

    def keep(self, stay: Tensor) -> None:
        """Only the images where `stay`, (B,), holds."""
        for name, value in vars(self).items():
            setattr(self, name, value[stay])

    def ritz(self) -> tuple[Tensor, Tensor, Tensor]:
        """The smallest and largest Ritz value (B, 2), their error estimates (B, 2), and the spectral norm (B,)."""
        beside = self.beside[:, 1:].double()
        t = torch.diag_embed(self.diagonal.double()) + torch.diag_embed(beside, 1) + torch.diag_embed(beside, -1)
        values, vectors = torch.linalg.eigh(t)
        error = self.rest.norm(dim=1, keepdim=True).double() * vectors[:, -1, [0, -1]].abs()
        if values.shape[1] > 1:
            gap = torch.stack([values[:, 1] - values[:, 0], values[:, -1] - values[:, -2]], 1)
            error = torch.where(gap > error, error**2 / gap, error)
        return tuple(a.to(self.diagonal) for a in (values[:, [0, -1]], error, values.abs().amax(1)))


def _check_smooth(values: Tensor) -> None:
    if kink := _first_kink(values.grad_fn):
        raise ValueError(
            f"the loss has kinks (autograd's {kink}), so its Hessian bounds nothing about the images nearby: use a network "
            "trained with a smooth activation such as SmoothReLU, without max-pooling, and soft_margin instead of margin"
        )


def _first_kink(node) -> str | None:
    """The name of the first operation with a kink in the graph that leads to the loss, or None."""
    seen, waiting = set(), [node]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name().rstrip("0123456789").removesuffix("Backward") in _KINKS:
            return node.name()
        waiting += [before for before, _ in node.next_functions]
    return None
