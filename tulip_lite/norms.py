"""Norms of perturbations and their duals.

Throughout the package a *norm* is the name of the norm that measures the **perturbation**: `"l2"` or `"linf"`.
Gradients are then measured in the dual norm (ℓ2 for `"l2"`, ℓ1 for `"linf"`). Each norm brings its geometry, so
that an attack or a penalty is one loop without a branch on the norm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


def per_image(values: Tensor | float, like: Tensor) -> Tensor:
    """Shape a scalar or a (B,) tensor so that it broadcasts over images `like` (B, ...)."""
    values = torch.as_tensor(values, dtype=like.dtype, device=like.device)
    return values.reshape(-1, *[1] * (like.dim() - 1)) if values.dim() else values


def where(mask: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Image by image `first` where `mask` holds, else `second`.

    Args:
        mask: (B,), bool.
        first: (B, ...).
        second: (B, ...).
    """
    return torch.where(mask.reshape(-1, *[1] * (first.dim() - 1)), first, second)


def _l2(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v.flatten(1), dim=1)


def _linf(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v.flatten(1), ord=torch.inf, dim=1)


def _l1(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v.flatten(1), ord=1, dim=1)


def _unit_l2(g: Tensor) -> Tensor:
    # a zero gradient has no direction: it stays zero (Algorithm 1, line 6); scaling by the largest entry first
    # keeps the squares of tiny gradients (1e-30 and below) from vanishing in float32
    largest = per_image(_linf(g), g)
    g = torch.where(largest > 0, g / largest, torch.zeros_like(g))
    return g / per_image(_l2(g).clamp_min(1), g)


def _project_l2(v: Tensor, radius: Tensor | float) -> Tensor:
    length = per_image(_l2(v), v)
    radius = per_image(radius, v)
    return torch.where(length > radius, v * (radius / length), v)


def _project_linf(v: Tensor, radius: Tensor | float) -> Tensor:
    radius = per_image(radius, v)
    return torch.maximum(torch.minimum(v, radius), -radius)


def _random_l2(like: Tensor, radius: Tensor | float, generator: torch.Generator | None = None) -> Tensor:
    noise = torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)
    # a uniform point of the n-ball has length radius · u^(1/n)
    length = torch.rand(len(like), generator=generator, device=like.device, dtype=like.dtype)
    length = length ** (1 / max(like[0].numel(), 1))
    return _unit_l2(noise) * per_image(length, like) * per_image(radius, like)


def _random_linf(like: Tensor, radius: Tensor | float, generator: torch.Generator | None = None) -> Tensor:
    noise = torch.rand(like.shape, generator=generator, device=like.device, dtype=like.dtype)
    return (2 * noise - 1) * per_image(radius, like)


@dataclass(frozen=True)
class Norm:
    """The geometry of one perturbation norm. Arguments are (B, ...) tensors; `radius` is a number or (B,).

    Attributes:
        size: (B, ...) -> (B,), norm of a perturbation.
        dual: (B, ...) -> (B,), dual norm of a gradient: max of <g, v> over size(v) <= 1.
        steepest: (B, ...) -> (B, ...), the v with size(v) <= 1 that attains it (zero where g is zero).
        project: (v, radius) -> (B, ...), nearest point (in ℓ2) of the ball {size(v) <= radius}.
        random: (like, radius, generator=None) -> (B, ...), uniform points of that ball, shaped like `like`.
        reach: n -> largest ℓ2 length of an n-pixel perturbation of size 1 (1 for ℓ2, √n for ℓ∞).
        symbol: How the norm is written, such as ``"ℓ₂"``.
        scale: What a distance is multiplied by where it is shown (255 for ℓ∞, whose distances are customarily given in
            1/255).
    """

    name: str
    size: Callable[[Tensor], Tensor]
    dual: Callable[[Tensor], Tensor]
    steepest: Callable[[Tensor], Tensor]
    project: Callable[[Tensor, Tensor | float], Tensor]
    random: Callable[..., Tensor]
    reach: Callable[[int], float]
    symbol: str
    scale: int

    def unit(self, distance: float) -> str:
        """A distance in words: ``"0.5"`` in ℓ2, ``"2/255"`` in ℓ∞."""
        return f"{self.scale * distance:.3g}" + (f"/{self.scale}" if self.scale > 1 else "")


NORMS = {
    "l2": Norm("l2", _l2, _l2, _unit_l2, _project_l2, _random_l2, lambda n: 1.0, "ℓ₂", 1),
    "linf": Norm("linf", _linf, _l1, torch.sign, _project_linf, _random_linf, math.sqrt, "ℓ∞", 255),
}


def get(norm: str) -> Norm:
    """The geometry named `norm` (``"l2"`` or ``"linf"``).

    Raises:
        ValueError: Naming the choices, for any other name.
    """
    if norm not in NORMS:
        raise ValueError(
            f"unknown norm {norm!r}: choose one of {', '.join(map(repr, NORMS))} "
            "(the norm of the perturbation; gradients are measured in its dual)"
        )
    return NORMS[norm]
