"""One pass over images that yields a row for each: what the network says and how steep its losses are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tulip_lite import losses
from tulip_lite.attacks.pgd import pgd
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

    An image fooled within one radius is fooled within every larger one: it counts there too and is not attacked again, so
    the errors never fall.

    Args:
        norm: Of the perturbation.
        radii: Increasing, pixel units; 0 is the clean error.
        steps: Gradients in each run.
        restarts: Runs, as in `attacks.pgd.pgd`.
        seed: Of the random starts.

    Raises:
        ValueError: Where the radii are not increasing.
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
