"""One pass over images that yields a row for each: what the network says and how steep its losses are there."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tulip_lite import losses
from tulip_lite.attacks.pgd import evaluating
from tulip_lite.data import Split


def per_image(model: nn.Module, data: Split, batch_size: int = 250) -> dict[str, Tensor]:
    """A column (N,) on the CPU for each of: `label`, `predicted`, `cross_entropy`, `margin`, and the ℓ2 norms
    `cross_entropy_gradient` and `margin_gradient` of their gradients in the image (loss per ℓ2 pixel unit; the latter is
    Table 3's ‖∇ℓ‖). Eval mode, float32.
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


def error_under_attack(attack, model: nn.Module, data: Split, batch_size: int = 250) -> float:
    """Share of images misclassified after `attack(model, x, y) -> x_adv`, in [0, 1]."""
    device = next(model.parameters()).device
    wrong = 0
    with evaluating(model):
        for x, y in data.to(device).batches(batch_size):
            x_adv = attack(model, x.contiguous(memory_format=torch.channels_last), y)
            with torch.inference_mode():
                wrong += int((model(x_adv).argmax(1) != y).sum())
    return wrong / len(data)
