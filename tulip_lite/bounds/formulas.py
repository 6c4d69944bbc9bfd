"""Lower bounds on the adversarial distance from the loss and its derivatives (Prop. 2.1).

Pure formulas: they know nothing of networks. `gap` is ℓ₀ − ℓ(x) per image, e.g. −margin(logits, y) with ℓ₀ = 0. A bound
holds where the constant really bounds the loss around the image; a maximum over some images is only an estimate of it.
"""

from __future__ import annotations

import torch
from torch import Tensor


def lipschitz_bound(gap: Tensor, lipschitz: float | Tensor) -> Tensor:
    """L-bound of Prop. 2.1: max(gap, 0) / L.

    Args:
        gap: (B,), loss units.
        lipschitz: L, a number or (B,), loss per pixel unit, measured in the dual of the norm wanted.

    Returns:
        (B,), pixel units.

    Raises:
        ValueError: If L is not positive and finite, or anything is NaN.
    """
    lipschitz = _like(gap, lipschitz)
    _check("gap", gap, gap.isnan())
    _check("lipschitz must be > 0 and finite; it", lipschitz, ~((lipschitz > 0) & lipschitz.isfinite()))
    return gap.clamp_min(0) / lipschitz


def curvature_bound(gap: Tensor, gradient_norm: Tensor, curvature: float | Tensor) -> Tensor:
    """C-bound of Prop. 2.1 in ℓ2: (−‖g‖ + √(‖g‖² + 2 C max(gap, 0))) / C.

    Computed as 2 gap / (‖g‖ + √(…)), which does not cancel for small C and tends to gap/‖g‖ as C → 0. With a zero gradient
    it is √(2 gap / C); the paper's text has √gap / C.

    Args:
        gap: (B,), loss units.
        gradient_norm: ‖∇ℓ(x)‖₂, (B,).
        curvature: C, a number or (B,), an upper bound on the largest eigenvalue of the Hessian, loss per squared pixel
            unit.

    Returns:
        (B,), ℓ2 pixel units.

    Raises:
        ValueError: If C is not positive and finite, a gradient norm is negative or infinite, or anything is NaN.
    """
    curvature = _like(gap, curvature)
    gradient_norm = _like(gap, gradient_norm)
    _check("gap", gap, gap.isnan())
    _check("gradient_norm must be ≥ 0 and finite; it", gradient_norm,
           ~((gradient_norm >= 0) & gradient_norm.isfinite()))  # fmt: skip
    _check("curvature must be > 0 and finite; it", curvature, ~((curvature > 0) & curvature.isfinite()))
    gap = gap.clamp_min(0)
    root = gradient_norm + torch.sqrt(gradient_norm**2 + 2 * curvature * gap)
    # 0/0 only where gap and gradient both vanish: such an image already stands on the decision boundary
    return torch.where(root > 0, 2 * gap / root, torch.zeros_like(gap))


def slope_limited_bound(
    gap: Tensor, gradient_norm: float | Tensor, lipschitz: float | Tensor, curvature: float | Tensor
) -> Tensor:
    """Lower bound on the ℓ2 adversarial distance from L and C together (not in the paper).

    At distance r the loss rises at most with slope min(‖g‖ + C r, L): the parabola of the C-bound until its slope is L, at
    r₁ = (L − ‖g‖)/C, and from there the cone. Where the gap is at most (L² − ‖g‖²)/(2C) that is the C-bound, else
    r₁ + (gap − (L² − ‖g‖²)/(2C))/L. Never below the L-bound or the C-bound, and attained by the loss with just these slopes.

    Arguments as in `curvature_bound` and `lipschitz_bound`, L in ℓ2.

    Returns:
        (B,), ℓ2 pixel units.

    Raises:
        ValueError: As there, and where a gradient norm exceeds L, which then is no Lipschitz constant.
    """
    gradient_norm, lipschitz, curvature = (_like(gap, value) for value in (gradient_norm, lipschitz, curvature))
    parabola = curvature_bound(gap, gradient_norm, curvature)
    lipschitz_bound(gap, lipschitz)  # checks L
    _check("gradient_norm must be at most lipschitz; it", gradient_norm, gradient_norm > lipschitz)
    risen = (lipschitz**2 - gradient_norm**2) / (2 * curvature)
    cone = (lipschitz - gradient_norm) / curvature + (gap - risen) / lipschitz
    return torch.where(gap <= risen, parabola, cone)


def _like(gap: Tensor, value: float | Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=gap.dtype, device=gap.device)


def _check(what: str, values: Tensor, bad: Tensor) -> None:
    if bad.any():
        raise ValueError(f"{what} is {values[bad].flatten()[0].item() if values.dim() else values.item():g}")
