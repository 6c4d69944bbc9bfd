"""Where LogBarrier begins: a first misclassified image, by ascent towards one class, or by noise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tulip_lite.attacks.adversarial import fooled, to_boundary
from tulip_lite.attacks.margin import margin_gradient
from tulip_lite.norms import Norm, per_image, where


def phase_one(
    model: nn.Module, clean: Tensor, y: Tensor, target: Tensor, geometry: Norm, steps: int
) -> tuple[Tensor, Tensor]:
    """(images (B, C, H, W), gradients used (B,)): the first misclassified ones, or the last where none was.

    Projected gradient ascent of the score of `target` over that of y. The ball's radius is first that of the linearised boundary,
    and grows so that the last step could reach the far corner of the box.
    """
    u, used = clean.clone(), torch.full_like(y, steps)
    everywhere = geometry.size(torch.maximum(clean, 1 - clean))
    left = torch.arange(len(y), device=y.device)
    radius = growth = everywhere
    for step in range(steps):
        over, margin, gradient = margin_gradient(model, u[left], y[left], target[left])
        used[left[over]] = step + 1
        if step == 0:
            first = (-margin / geometry.dual(gradient)).nan_to_num(torch.inf)
            radius = first.clamp(1e-6 * everywhere, everywhere)
            growth = (everywhere / radius) ** (1 / max(steps - 1, 1))
        left, gradient = left[~over], gradient[~over]
        if not len(left):
            break
        x, ball = clean[left], radius[left] * growth[left] ** step
        ahead = u[left] - x + per_image(ball / 2, x) * geometry.steepest(gradient)
        u[left] = (x + geometry.project(ahead, ball)).clamp(0, 1)
    return to_boundary(model, clean, y, u, halvings=6), used


def noise(model: nn.Module, clean: Tensor, y: Tensor, seed: int) -> Tensor:
    """Each image with the least Gaussian noise, clipped, that the model errs on; with the most of it where it never does."""
    generator = torch.Generator(clean.device).manual_seed(seed)
    u, found = clean, torch.zeros_like(y, dtype=torch.bool)
    for scale in 0.01 * 2.0 ** torch.arange(15):
        # the same for all images, so that none depends on its batch
        drawn = torch.randn(clean.shape[1:], generator=generator, device=clean.device, dtype=clean.dtype)
        u = where(found, u, (clean + scale * drawn).clamp(0, 1))
        found = fooled(model(u), y)
        if found.all():
            break
    return to_boundary(model, clean, y, u, halvings=6)
