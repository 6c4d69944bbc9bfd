"""One pass over images that yields a row for each: what the network says and how steep its losses are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tulip_lite import curvature, local_constants, local_curvature, losses
from tulip_lite.attacks.pgd import pgd
from tulip_lite.clever import clever
from tulip_lite.data import Split
from tulip_lite.models import evaluating


@torch.inference_mode()
def predict(model: nn.Module, x: Tensor) -> Tensor:
    """The class (B,) that the model gives each image (B, C, H, W), in eval mode."""
    with evaluating(model):
        return model(x).argmax(1)


def recognised_by_all(models: Mapping[str, nn.Module], data: Split, count: int) -> tuple[Tensor, Tensor]:
    """The first `count` images (x, y) that every model classifies correctly: those where an attack has something to do."""
    x, y = data.tensors()
    right = torch.stack([predict(model, x) == y for model in models.values()]).all(0)
    return x[right][:count], y[right][:count]


def attacked(
    models: Mapping[str, nn.Module], x: Tensor, y: Tensor, norm: str, radius: float, steps: int = 20
) -> dict[str, tuple[Tensor, Tensor]]:
    """For each model what PGD makes of x within `radius`, and the class the model then gives: (x_adv, predicted)."""
    moved = {name: pgd(model, x, y, norm, radius, steps) for name, model in models.items()}
    return {name: (x_adv, predict(models[name], x_adv)) for name, x_adv in moved.items()}


def per_image(model: nn.Module, data: Split, batch_size: int = 250) -> dict[str, Tensor]:
    """A column (N,) on the CPU for each of: `label`, `predicted`, `cross_entropy`, `margin`, and the ℓ2 norms
    `cross_entropy_gradient` and `margin_gradient` of their gradients in the image (loss per ℓ2 pixel unit; the latter
    is Table 3's ‖∇ℓ‖). Eval mode, float32.
    """
    device = next(model.parameters()).device
    columns: dict[str, list[Tensor]] = {}
    with evaluating(model), torch.enable_grad():
        for x, y in data.to(device).batches(batch_size):
            x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
            logits = model(x)
            row = {"label": y, "predicted": logits.argmax(1)}
            for name, loss_of in (("cross_entropy", losses.cross_entropy), ("margin", losses.margin)):
                loss = loss_of(logits, y)
                (gradient,) = torch.autograd.grad(loss.sum(), x, retain_graph=True)
                row |= {name: loss, f"{name}_gradient": gradient.flatten(1).norm(dim=1)}
            for name, column in row.items():
                columns.setdefault(name, []).append(column.detach().cpu())
    return {name: torch.cat(parts) for name, parts in columns.items()}


def steepness(model: nn.Module, x: Tensor, y: Tensor, *, smooth: bool) -> dict[str, Tensor]:
    """What the bounds of Prop. 2.1 and Table 3 ask of each image; a column (B,) for each of

    - `margin`; `margin_gradient/l2`, `margin_gradient/linf`: the dual norm of its gradient (ℓ2 and ℓ1) for perturbations in
      that norm, loss per pixel unit; `cross_entropy`, `cross_entropy_gradient/l2`;
    - with `smooth`, of the log-sum-exp `soft_margin`: its value, `soft_margin_gradient/l2`, and the extreme eigenvalues of
      its Hessian to 1e-3, `curvature/largest` and `curvature/smallest`, loss per squared pixel unit.

    x: (B, C, H, W) in [0, 1]; y: (B,); smooth: is the network twice differentiable? Eval mode. ValueError from
    `hessian_extremes` where it is not after all, and for gradients that are not finite.
    """
    found = {}
    with evaluating(model):
        for name, loss in (("margin", losses.margin), ("cross_entropy", losses.cross_entropy)):
            of_images = losses.of(model, loss)
            with torch.no_grad():
                found[name] = of_images(x, y)
            for norm in ("l2", "linf") if name == "margin" else ("l2",):
                found[f"{name}_gradient/{norm}"] = local_constants.gradient_norm(of_images, x, y, norm)
        if smooth:
            soft = losses.of(model, losses.soft_margin, kind="logsumexp")
            with torch.no_grad():
                found["soft_margin"] = soft(x, y)
            found["soft_margin_gradient/l2"] = local_constants.gradient_norm(soft, x, y, "l2")
            found["curvature/smallest"], found["curvature/largest"] = curvature.hessian_extremes(soft, x, y)
    return found


def local_steepness(
    model: nn.Module, x: Tensor, y: Tensor, x_adv: Tensor, *, smooth: bool, seed: int = 0
) -> dict[str, Tensor]:
    """Estimates of L and C over the ℓ2 ball that reaches to x_adv, an adversarial image of each x: columns (B,).

    `lipschitz/sampled`, `lipschitz/clever` with its p-value `clever_p_value`, `lipschitz/ascended` (from the image and points
    on the way to x_adv), of the margin; with `smooth`, `curvature/sampled` and `curvature/ascended`, of the log-sum-exp soft
    margin. Units as in `steepness`. No constant that is right on a smaller ball can exclude x_adv, which is why this ball is
    taken.
    ValueError where x_adv is x.
    """
    radius = (x_adv - x).flatten(1).norm(dim=1)
    way = local_constants.on_the_way(x, x_adv, 4)
    with evaluating(model):
        hard = losses.of(model, losses.margin)
        fitted = clever(hard, x, y, "l2", radius, seed=seed)
        found = {
            # the largest of the points that CLEVER drew, and of the image itself
            "lipschitz/sampled": torch.maximum(fitted.largest, local_constants.gradient_norm(hard, x, y)),
            "lipschitz/clever": fitted.estimate,
            "clever_p_value": fitted.p_value,
            "lipschitz/ascended": local_constants.ascended(hard, x, y, "l2", radius, steps=10, starts=way, seed=seed),
        }
        if smooth:
            soft = losses.of(model, losses.soft_margin, kind="logsumexp")
            for how, search in (
                ("sampled", local_curvature.sampled_curvature),
                ("ascended", local_curvature.ascended_curvature),
            ):
                found[f"curvature/{how}"] = search(
                    soft, x, y, radius, starts=way[1::2] if how == "ascended" else (), seed=seed
                )
    return found


def error_against_radius(
    model: nn.Module,
    data: Split,
    norm: str,
    radii: Sequence[float],
    *,
    steps: int = 20,
    restarts: int = 1,
    seed: int = 0,
    batch_size: int = 250,
) -> list[float]:
    """Share of images that PGD gets misclassified within each radius, in [0, 1], in the order of `radii`.

    norm: of the perturbation; radii: increasing, pixel units; 0 is the clean error. An image fooled within one radius is
    fooled within every larger one: it counts there too and is not attacked again, so the errors never fall.
    steps, restarts, seed: of `attacks.pgd`. ValueError where the radii are not increasing.
    """
    if list(radii) != sorted(radii):
        raise ValueError(f"radii must increase, got {list(radii)}")
    device = next(model.parameters()).device
    start = torch.Generator(device).manual_seed(seed)
    fooled = torch.zeros(len(radii), dtype=torch.long)
    with evaluating(model):
        for x, y in data.to(device).batches(batch_size):
            size = len(y)
            for i, radius in enumerate(radii):
                if len(y):
                    x_adv = pgd(model, x, y, norm, radius, steps, restarts=restarts, generator=start)
                    right = predict(model, x_adv) == y
                    x, y = x[right], y[right]
                fooled[i] += size - len(y)
    return (fooled / len(data)).tolist()
