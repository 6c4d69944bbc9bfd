"""How wrong is a difference quotient of the loss? Its error against the step h, in several precisions (Prop. 3.2).

With d the detached direction of Prop. 3.2 and φ(t) = ℓ(x + t d), the quotients estimate the slope φ'(0) = ⟨∇ℓ, d⟩, which is
the dual norm of the gradient over the norm's reach::

    forward  (φ(h) − φ(0)) / h          error  φ''/2 · h  + 2ε / h      best h = √(4ε / φ'')
    central  (φ(h) − φ(−h)) / (2h)      error  φ'''/6 · h² + ε / h      best h = ∛(3ε / φ''')

where ε is the rounding error of one loss: as h falls, truncation falls and rounding grows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tulip_lite import norms
from tulip_lite.checks import check_positive
from tulip_lite.gradients import direction
from tulip_lite.losses import cross_entropy
from tulip_lite.models import evaluating
from tulip_lite.norms import per_image
from tulip_lite.objectives import GradientPenalty

# unit roundoff: the largest relative error of rounding to nearest
UNITS = {"float64": 2.0**-53, "float32": 2.0**-24, "bfloat16": 2.0**-8}
# of each quotient, the power of h in its truncation error
ORDERS = {"finite-difference": 1, "central-difference": 2}


@dataclass(frozen=True)
class DifferenceErrors:
    """What `errors_against_h` returns, for H steps and B images, in float64.

    Attributes:
        steps: (H,), pixel units.
        relative: {(precision, method): (H, B)}, ``|quotient / slope − 1|``.
        loss: (B,), φ(0).
        slope: (B,), φ'(0).
        second: (B,), φ''(0).
        third: (B,), φ'''(0).
        rounding: {precision: (B,)}, ε.
    """

    steps: Tensor
    relative: dict[tuple[str, str], Tensor]
    loss: Tensor
    slope: Tensor
    second: Tensor
    third: Tensor
    rounding: dict[str, Tensor]

    def median(self, precision: str, method: str) -> Tensor:
        """Relative error of the median image at each step, (H,)."""
        return self.relative[precision, method].quantile(0.5, dim=1)

    def coefficients(self, precision: str, method: str) -> tuple[float, float]:
        """(T, R) of the model  relative error ≈ T hᵖ + R / h  for the median image, p = `ORDERS[method]`."""
        if method == "finite-difference":
            truncation, rounding = self.second.abs() / 2, 2 * self.rounding[precision]
        else:
            truncation, rounding = self.third.abs() / 6, self.rounding[precision]
        middle = [float((part / self.slope).quantile(0.5)) for part in (truncation, rounding)]
        return middle[0], middle[1]


def best_step(truncation: float, rounding: float, order: int = 1) -> tuple[float, float]:
    """The h that minimises T hᵖ + R / h, (R / (pT))^(1/(p+1)), and the error there. p = `order`.

    Raises:
        ValueError: Unless T, R > 0.
    """
    check_positive(truncation=truncation, rounding=rounding)
    h = (rounding / (order * truncation)) ** (1 / (order + 1))
    return h, truncation * h**order + rounding / h


def slope_in_h(steps: Tensor, errors: Tensor, low: float, high: float) -> float:
    """The slope of log error against log h, fitted over low ≤ h ≤ high: the order of convergence.

    Args:
        steps: (H,).
        errors: (H,).

    Raises:
        ValueError: For fewer than two different steps in that range.
    """
    within = (steps >= low * 0.999) & (steps <= high * 1.001)
    if len(steps[within].unique()) < 2:
        raise ValueError(f"a slope needs two steps from {low:g} to {high:g}, got {steps[within].tolist()}")
    logs = steps[within].log()
    logs = logs - logs.mean()
    return ((logs * errors[within].log()).sum() / (logs**2).sum()).item()


def errors_against_h(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    hs: Sequence[float] | Tensor,
    precisions: Sequence[str] = tuple(UNITS),
    methods: Sequence[str] = tuple(ORDERS),
    norm: str = "l2",
) -> DifferenceErrors:
    """Relative error of the difference quotients of the cross-entropy at each image, for every step, precision and method.

    The direction d and the true slope are those of the float64 copy. In ``"float32"`` the images, the weights and the loss
    are float32. ``"bfloat16"`` is what mixed-precision training does: weights, images and x + hd in float32, the network
    under bfloat16 autocast (which rounds what enters a convolution), the loss in float32.

    Args:
        model: Left alone; evaluated in eval mode are three copies, one in float64 and two in float32 (one of them under
            autocast).
        x: (B, C, H, W).
        y: (B,).
        hs: H steps > 0.

    Raises:
        ValueError: For an unknown precision or method, for a step that is not > 0, and for a slope that is zero, NaN or
            infinite, of which no relative error exists.
    """
    for kind, asked, known in (("precision", precisions, UNITS), ("method", methods, ORDERS)):
        if unknown := [name for name in asked if name not in known]:
            raise ValueError(f"unknown {kind} {unknown[0]!r}: choose one of {', '.join(map(repr, known))}")
    steps, x = torch.as_tensor(hs, dtype=torch.float64), x.double()
    for h in steps.tolist():
        check_positive(h=h)
    losses = {name: _loss_in(name, model, y) for name in UNITS}
    d = direction(lambda z, _: losses["float64"](z), x, y, norm)
    loss, slope, second, third = directional_derivatives(losses["float64"], x, d)
    if len(bad := (~((slope > 0) & slope.isfinite())).nonzero().flatten()):
        raise ValueError(f"the loss has slope {slope[bad[0]]:g} at image {int(bad[0])}: no relative error exists there")

    relative = {(name, method): x.new_zeros(len(steps), len(x)) for name in precisions for method in methods}
    with torch.no_grad():
        for name in precisions:
            here = losses[name](x)
            for i, h in enumerate(steps):
                ahead = losses[name](x + h * d)
                if "finite-difference" in methods:
                    relative[name, "finite-difference"][i] = ((ahead - here).double() / h / slope - 1).abs()
                if "central-difference" in methods:
                    behind = losses[name](x - h * d)
                    relative[name, "central-difference"][i] = ((ahead - behind).double() / (2 * h) / slope - 1).abs()
        rounding = _rounding(losses, x)
    return DifferenceErrors(steps, relative, loss, slope, second, third, rounding)


def _loss_in(precision: str, model: nn.Module, y: Tensor) -> Callable[[Tensor], Tensor]:
    """The cross-entropy (B,) of float64 images, computed in `precision`."""
    dtype = torch.float64 if precision == "float64" else torch.float32
    copied = copy.deepcopy(model).to(dtype).eval().requires_grad_(False)

    def loss(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            return cross_entropy(copied(x.to(dtype)), y)

    return loss


def taylor_bound(
    model: nn.Module, x: Tensor, y: Tensor, h: float, norm: str = "l2", samples: int = 11
) -> tuple[Tensor, Tensor]:
    """The forward quotient's error ``|(φ(h) − φ(0))/h − φ'(0)|`` and its bound Ch/2, each (B,), in float64.

    C: the largest ``|φ''(t)|`` at `samples` points of [0, h]. The bound is one where φ is C² and they miss no peak.
    """
    loss, x = _loss_in("float64", model, y), x.double()
    d = direction(lambda z, _: loss(z), x, y, norm)
    here, slope = directional_derivatives(loss, x, d, order=1)
    along = [directional_derivatives(loss, x + t * d, d, order=2)[2].abs() for t in torch.linspace(0, h, samples)]
    with torch.no_grad():
        error = ((loss(x + h * d) - here) / h - slope).abs()
    return error, torch.stack(along).amax(0) * h / 2


def directional_derivatives(loss: Callable[[Tensor], Tensor], x: Tensor, d: Tensor, order: int = 3) -> list[Tensor]:
    """φ(0), φ'(0), … up to `order`, each (B,), of φ(t) = loss(x + t d) per image, by automatic differentiation.

    Where the loss has kinks they are those of the smooth piece that x lies on.
    """
    t = x.new_zeros(len(x), requires_grad=True)
    with torch.enable_grad():
        found = [loss(x + per_image(t, x) * d)]
        for _ in range(order):
            if found[-1].grad_fn is None:  # a derivative that depends on t no longer
                found.append(torch.zeros_like(t))
            else:
                found += torch.autograd.grad(found[-1].sum(), t, create_graph=True, materialize_grads=True)
    return [values.detach() for values in found]


def _rounding(losses: dict[str, Callable[[Tensor], Tensor]], x: Tensor, samples: int = 12) -> dict[str, Tensor]:
    """ε: the standard deviation of (loss in a precision − loss in float64) over images 0.01 away in random directions.

    A deviation, since an error that the neighbours share, such as that of rounded weights, leaves the difference.
    float64 has nothing to be compared with: its ε is float32's times the ratio of the units.
    """
    generator = torch.Generator().manual_seed(0)
    differences: dict[str, list[Tensor]] = {name: [] for name in ("float32", "bfloat16")}
    for _ in range(samples):
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
        near = x + 0.01 * norms.get("l2").steepest(noise)
        exact = losses["float64"](near)
        for name, found in differences.items():
            found.append(losses[name](near).double() - exact)
    rounding = {name: torch.stack(found).std(0) for name, found in differences.items()}
    return {"float64": rounding["float32"] * UNITS["float64"] / UNITS["float32"], **rounding}


def weight_gradient_errors(
    model: nn.Module, x: Tensor, y: Tensor, hs: Sequence[float], method: str = "finite-difference", norm: str = "l2"
) -> tuple[Tensor, Tensor]:
    """How far the penalty's gradient in the weights is from double backpropagation's, in float64, eval mode.

    Args:
        x: (B, C, H, W).
        y: (B,).

    Returns:
        For each step (‖difference‖ / ‖exact‖, cosine between the two), both (H,).
    """
    copied, x = copy.deepcopy(model).double(), x.double()
    weights = [p for p in copied.parameters() if p.requires_grad]

    def gradient(method: str, h: float = 0.01) -> Tensor:
        _, squared = GradientPenalty(norm, method=method, h=h).penalty(copied, x, y)
        found = torch.autograd.grad(squared.mean(), weights, materialize_grads=True)
        return torch.cat([g.flatten() for g in found])

    with evaluating(copied):
        exact = gradient("double-backprop")
        found = torch.stack([gradient(method, float(h)) for h in hs])
    return (found - exact).norm(dim=1) / exact.norm(), torch.cosine_similarity(found, exact[None], dim=1)
