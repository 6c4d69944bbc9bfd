"""What the bounds ask of each image, as columns of one table: values, gradients and curvatures, at the image and near it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tulip_lite import gradients, losses
from tulip_lite.bounds.constants import curvature, lipschitz
from tulip_lite.bounds.constants.clever import clever
from tulip_lite.curvature import hessian_extremes
from tulip_lite.models.evaluation import evaluating

# names of columns, which `kinds`, the result files and the chapters share
MARGIN, SOFT_MARGIN, CROSS_ENTROPY = "margin", "soft_margin", "cross_entropy"
MARGIN_SLOPE, MARGIN_SLOPE_LINF = "margin_gradient/l2", "margin_gradient/linf"
SOFT_MARGIN_SLOPE, CROSS_ENTROPY_SLOPE = "soft_margin_gradient/l2", "cross_entropy_gradient/l2"
CURVATURE_SMALLEST, CURVATURE_LARGEST = "curvature/smallest", "curvature/largest"
LIPSCHITZ_SAMPLED, LIPSCHITZ_CLEVER, LIPSCHITZ_ASCENDED = "lipschitz/sampled", "lipschitz/clever", "lipschitz/ascended"
CURVATURE_SAMPLED, CURVATURE_ASCENDED = "curvature/sampled", "curvature/ascended"
CLEVER_P_VALUE = "clever_p_value"
PROVED, PROVED_LIPSCHITZ = "proved", "proved_lipschitz"


def steepness(model: nn.Module, x: Tensor, y: Tensor, *, smooth: bool) -> dict[str, Tensor]:
    """What the bounds of Prop. 2.1 and Table 3 ask of each image.

    A column (B,) for each of

    - `margin`; `margin_gradient/l2`, `margin_gradient/linf`: the dual norm of its gradient (ℓ2 and ℓ1) for perturbations in
      that norm, loss per pixel unit; `cross_entropy`, `cross_entropy_gradient/l2`;
    - with `smooth`, of the log-sum-exp `soft_margin`: its value, `soft_margin_gradient/l2`, and the extreme eigenvalues of
      its Hessian to 1e-3, `curvature/largest` and `curvature/smallest`, loss per squared pixel unit.

    Args:
        x: (B, C, H, W) in [0, 1].
        y: (B,).
        smooth: Whether the network is twice differentiable. It is looked at in eval mode.

    Raises:
        ValueError: From `hessian_extremes` where it is not after all, and for gradients that are not finite.
    """
    hard, soft, cross_entropy = _losses(model)
    slope = gradients.gradient_norm
    with evaluating(model):
        with torch.no_grad():
            found = {MARGIN: hard(x, y), CROSS_ENTROPY: cross_entropy(x, y)}
        found[MARGIN_SLOPE], found[MARGIN_SLOPE_LINF] = slope(hard, x, y, "l2"), slope(hard, x, y, "linf")
        found[CROSS_ENTROPY_SLOPE] = slope(cross_entropy, x, y, "l2")
        if smooth:
            with torch.no_grad():
                found[SOFT_MARGIN] = soft(x, y)
            found[SOFT_MARGIN_SLOPE] = slope(soft, x, y, "l2")
            found[CURVATURE_SMALLEST], found[CURVATURE_LARGEST] = hessian_extremes(soft, x, y)
    return found


def local_steepness(
    model: nn.Module, x: Tensor, y: Tensor, x_adv: Tensor, *, smooth: bool, seed: int = 0
) -> dict[str, Tensor]:
    """Estimates of L and C over the ℓ2 ball that reaches to x_adv, an adversarial image of each x: columns (B,).

    `lipschitz/sampled`, `lipschitz/clever` with its p-value `clever_p_value`, `lipschitz/ascended` (from the image and
    points on the way to x_adv), of the margin; with `smooth`, `curvature/sampled` and `curvature/ascended`, of the
    log-sum-exp soft margin. Units as in `steepness`. No constant that is right on a smaller ball can exclude x_adv, which
    is why this ball is taken.

    Raises:
        ValueError: Where x_adv is x.
    """
    radius = (x_adv - x).flatten(1).norm(dim=1)
    way = lipschitz.on_the_way(x, x_adv, 4)
    hard, soft, _ = _losses(model)
    with evaluating(model):
        fitted = clever(hard, x, y, "l2", radius, seed=seed)
        found = {
            # the largest of the points that CLEVER drew, and of the image itself
            LIPSCHITZ_SAMPLED: torch.maximum(fitted.largest, gradients.gradient_norm(hard, x, y)),
            LIPSCHITZ_CLEVER: fitted.estimate,
            CLEVER_P_VALUE: fitted.p_value,
            LIPSCHITZ_ASCENDED: lipschitz.ascended(hard, x, y, "l2", radius, steps=10, starts=way, seed=seed),
        }
        if smooth:
            found[CURVATURE_SAMPLED] = curvature.sampled_curvature(soft, x, y, radius, seed=seed)
            found[CURVATURE_ASCENDED] = curvature.ascended_curvature(soft, x, y, radius, starts=way[1::2], seed=seed)
    return found


def _losses(model: nn.Module) -> tuple[gradients.Loss, gradients.Loss, gradients.Loss]:
    """The margin, its log-sum-exp soft version and the cross-entropy of the network, as functions of images."""
    return (
        losses.of(model, losses.margin),
        losses.of(model, losses.soft_margin, kind="logsumexp"),
        losses.of(model, losses.cross_entropy),
    )
