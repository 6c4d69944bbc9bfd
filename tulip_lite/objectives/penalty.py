"""The paper's objective: cross-entropy with a penalty on the squared norm of the input gradient (eq. 8, Algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tulip_lite import norms
from tulip_lite.checks import check_float, check_not_negative, check_positive
from tulip_lite.losses import cross_entropy


def _double_backprop(loss: Tensor, x: Tensor, loss_at: Callable, norm: norms.Norm, h: float) -> Tensor:
    (gradient,) = torch.autograd.grad(loss.sum(), x, create_graph=True)
    return (norm.dual(gradient) / norm.reach(x[0].numel())) ** 2


def _direction(loss: Tensor, x: Tensor, norm: norms.Norm) -> Tensor:
    """d of Prop. 3.2, detached: g/‖g‖₂ for ℓ2 perturbations, sign(g)/√N for ℓ∞; zero where the gradient is zero."""
    (gradient,) = torch.autograd.grad(loss.sum(), x, retain_graph=True)
    return norm.steepest(gradient) / norm.reach(x[0].numel())


def _finite_difference(loss: Tensor, x: Tensor, loss_at: Callable, norm: norms.Norm, h: float) -> Tensor:
    d = _direction(loss, x, norm)
    return ((loss_at(x.detach() + h * d) - loss) / h) ** 2


def _central_difference(loss: Tensor, x: Tensor, loss_at: Callable, norm: norms.Norm, h: float) -> Tensor:
    d = _direction(loss, x, norm)
    return ((loss_at(x.detach() + h * d) - loss_at(x.detach() - h * d)) / (2 * h)) ** 2


METHODS = {
    "finite-difference": _finite_difference,
    "central-difference": _central_difference,
    "double-backprop": _double_backprop,
}


@dataclass(frozen=True)
class GradientPenalty:
    """mean[ℓ(x)] + (λ/2) · mean[‖∇ₓℓ(x)‖²], eq. (8) of Finlay & Oberman (2019), ℓ the cross-entropy per image.

    Differences from the paper and the authors' code: Algorithm 1 as printed has λ, eq. (8) and the code have λ/2, as here.
    As in the code, every forward pass runs in the model's current mode, so in train mode the running statistics
    of batch normalisation also see the perturbed images.

    Attributes:
        norm: Of the perturbation to defend against. ``"l2"`` penalises ‖g‖₂²; ``"linf"`` penalises ‖g‖₁²/N with N the
            number of pixel values of one image, which is what d = sign(g)/√N of Sec. 3.1 yields.
        strength: λ ≥ 0, with the factor ½ of eq. (8).
        method: How the penalty gets its gradient in the weights. ``"finite-difference"`` is Prop. 3.2 and Algorithm 1,
            ((ℓ(x + hd) − ℓ(x))/h)² with d detached, error O(h); ``"central-difference"`` uses ±h, error O(h²), one forward
            pass more; ``"double-backprop"`` differentiates the gradient itself and is exact.
        h: The step of the differences, ℓ2 pixel units, > 0.

    Raises:
        ValueError: For λ < 0, h ≤ 0, an unknown norm or method.
    """

    norm: str = "l2"
    strength: float = 0.1
    method: str = "finite-difference"
    h: float = 0.01

    # ℓ(x + hd) − ℓ(x) is of the order of h‖g‖: in bfloat16, with 8 bits, rounding would swallow it
    tolerates_bfloat16 = False

    def __post_init__(self):
        norms.get(self.norm)
        check_not_negative(strength=self.strength)
        check_positive(h=self.h)
        if self.method not in METHODS:
            raise ValueError(f"unknown method {self.method!r}: choose one of {', '.join(map(repr, METHODS))}")

    def penalty(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """(ℓ(x), squared dual norm of ∇ₓℓ(x)), each (B,) and differentiable in the weights."""
        # the range is not checked: a model may take images in normalised units, λ and h are then in those
        check_float(x)
        x = x.detach().requires_grad_()
        loss = cross_entropy(model(x), y)
        squared = METHODS[self.method](loss, x, lambda z: cross_entropy(model(z), y), norms.get(self.norm), self.h)
        return loss, squared

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        if self.strength == 0:
            return cross_entropy(model(x), y).mean()
        loss, squared = self.penalty(model, x, y)
        return loss.mean() + self.strength / 2 * squared.mean()
