"""The robust objective with a quadratic cost, max_v ℓ(x + v) − ‖v‖²/(2δ), and the penalty that bounds it (Prop. 3.1).

Two numbers and one search: the strength λ that a cost δ asks for, the cost δ that a strength λ covers, and gradient ascent on the
inner maximum itself.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tulip_lite import norms
from tulip_lite.checks import check_float
from tulip_lite.gradients import Loss, value_and_gradient


def penalty_strength(delta: float | Tensor, curvature: float | Tensor) -> Tensor:
    """λ = δ/(1 − δC) of Prop. 3.1: with it ℓ + (λ/2)‖∇ℓ‖² bounds the inner maximum. Infinite where δC ≥ 1.

    Numbers or tensors that broadcast.

    Args:
        delta: δ > 0, squared pixel unit per loss.
        curvature: C ≥ 0, loss per squared pixel unit, in the norm of the cost.

    Returns:
        λ in the unit of δ.

    Raises:
        ValueError: For δ ≤ 0, C < 0, or values that are not finite.
    """
    delta, curvature = _positive("delta", delta), _not_negative("curvature", curvature)
    left = 1 - delta * curvature
    return torch.where(left > 0, delta / left, torch.inf)


def covered_delta(strength: float | Tensor, curvature: float | Tensor) -> Tensor:
    """δ = λ/(1 + λC), the cost that a penalty of strength λ covers: the inverse of `penalty_strength`.

    It is at most λ and, for C > 0, below 1/C.

    Args:
        strength: λ > 0.
        curvature: C ≥ 0; units as there.

    Raises:
        ValueError: For λ ≤ 0, C < 0, or values that are not finite.
    """
    strength, curvature = _positive("strength", strength), _not_negative("curvature", curvature)
    return strength / (1 + strength * curvature)


class QuadraticCostAttack(NamedTuple):
    """What `quadratic_cost_attack` returns.

    Attributes:
        perturbation: v, (B, ...).
        gain: ℓ(x + v) − ‖v‖²/(2δ) − ℓ(x) ≥ 0, (B,).
    """

    perturbation: Tensor
    gain: Tensor


def quadratic_cost_attack(
    loss: Loss, x: Tensor, y: Tensor, delta: float | Tensor, steps: int = 50
) -> QuadraticCostAttack:
    """The inner maximum of the robust objective (7) in ℓ2: v that makes ℓ(x + v) − ‖v‖₂²/(2δ) as large as ascent can.

    Gradient ascent from v = 0 whose first step, δ∇ℓ(x), is the maximiser where ℓ is linear; later steps have the length of
    Barzilai and Borwein (1988), exact where ℓ has one curvature. A step that would lower the objective is not taken but
    quartered, image by image, so the gain never falls. Where δC < 1 the objective is concave and its one maximum is what
    ascent finds; where δC ≥ 1 it may find a lesser one, or climb without end. The maximum is over all v, as in Prop. 3.1:
    x + v may leave [0, 1]. The gain is a difference of losses: use float64 where it is small.

    Args:
        loss: `loss(x, y) -> (B,)`, differentiable, one value an image.
        x: (B, ...).
        y: (B,).
        delta: δ > 0, a number or (B,), squared pixel unit per loss.
        steps: Gradients taken, ≥ 1.

    Raises:
        TypeError, ValueError: For bad images, δ or steps.
    """
    check_float(x)
    delta = _positive("delta", delta).to(x)
    if delta.dim() and delta.shape != (len(x),):
        raise ValueError(f"delta must be a number or ({len(x)},), got shape {tuple(delta.shape)}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    clean, delta = x.detach(), delta.expand(len(x))

    def objective(v: Tensor) -> tuple[Tensor, Tensor]:
        values, gradient = value_and_gradient(loss, clean + v, y)
        cost = (v**2).flatten(1).sum(1) / (2 * delta)
        return values - cost, gradient - v / norms.per_image(delta, v)

    v, step = torch.zeros_like(clean), delta
    start, slope = objective(v)
    value = start
    for _ in range(steps):
        move = norms.per_image(step, v) * slope
        new, new_slope = objective(v + move)
        better = new >= value
        bend = -((new_slope - slope) * move).flatten(1).sum(1)
        # where the objective bends upwards the quotient means nothing: stride out
        longer = torch.where(bend > 0, (move**2).flatten(1).sum(1) / bend, 4 * step)
        step = torch.where(better, longer, step / 4)
        taken = norms.per_image(better, v).bool()
        v, slope = torch.where(taken, v + move, v), torch.where(taken, new_slope, slope)
        value = torch.where(better, new, value)
    return QuadraticCostAttack(v, value - start)


def _tensor(value: float | Tensor) -> Tensor:
    # a number keeps its sixteen digits, and beside a float32 tensor takes on its precision
    return value if torch.is_tensor(value) else torch.tensor(value, dtype=torch.float64)


def _positive(name: str, value: float | Tensor) -> Tensor:
    value = _tensor(value)
    if not ((value > 0) & value.isfinite()).all():
        raise ValueError(f"{name} must be finite and > 0, got {value.tolist()!r}")
    return value


def _not_negative(name: str, value: float | Tensor) -> Tensor:
    value = _tensor(value)
    if not ((value >= 0) & value.isfinite()).all():
        raise ValueError(f"{name} must be finite and ≥ 0, got {value.tolist()!r}")
    return value
