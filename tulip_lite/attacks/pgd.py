"""Projected gradient descent (Madry et al. 2018): the worst image within a given radius.

One loop serves every norm: gradient → steepest ascent direction → step → projection onto the ball → [0, 1].

Differences from the authors' code: images are clamped to [0, 1] (theirs leave it), the start is random (theirs is the
clean image), and the best point of the whole path is returned, not the last one. The network attacks in eval mode, so
that batch statistics do not see the attacked images.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tulip_lite import losses, norms
from tulip_lite.checks import check_images, check_labels, check_logits
from tulip_lite.models import evaluating


def pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str = "linf",
    radius: float | Tensor = 8 / 255,
    steps: int = 20,
    step_size: float | Tensor | None = None,
    *,
    random_start: bool = True,
    restarts: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Images near x on which the cross-entropy is as large as projected gradient ascent can make it.

    x: (B, C, H, W) in [0, 1]; y: (B,) true labels; norm: "l2" or "linf", of the perturbation; radius: a number or (B,),
    pixel units; step_size: pixel units, by default 2.5 · radius / steps (Madry et al.); restarts: independent runs,
    of which each image keeps its best; generator: for the random starts, on x's device.
    Returns x_adv (B, C, H, W), detached, inside [0, 1] and the ball. An image counts as better attacked where it is
    misclassified, then where its loss is larger; the clean image is among the candidates.
    ValueError or TypeError for bad images, labels, norm, radius, steps, or a model that returns NaN.
    """
    geometry = norms.get(norm)
    check_images(x)
    radius = torch.as_tensor(radius, dtype=x.dtype, device=x.device)
    if not (radius >= 0).all() or not radius.isfinite().all() or (radius.dim() and radius.shape != y.shape):
        raise ValueError(f"radius must be a number or ({len(x)},), finite and ≥ 0, got {radius}")
    if steps < 1 or restarts < 1:
        raise ValueError(f"steps and restarts must be at least 1, got {steps} and {restarts}")
    step_size = 2.5 * radius / steps if step_size is None else step_size
    step_size = norms.per_image(step_size, x)

    clean = x.detach()
    with evaluating(model), torch.enable_grad():
        best = _Best(model, clean, y)
        for restart in range(restarts):
            offset = torch.zeros_like(clean)
            if random_start or restart:
                offset = geometry.random(clean, radius, generator)
            moved = (clean + offset).clamp(0, 1)
            for _ in range(steps):
                gradient = best.ascend(moved)
                offset = geometry.project(moved + step_size * geometry.steepest(gradient) - clean, radius)
                moved = (clean + offset).clamp(0, 1)
            best.keep(moved)
    return best.images


class _Best:
    """The best image found so far for each clean one: misclassified first, then of larger loss."""

    def __init__(self, model: nn.Module, clean: Tensor, y: Tensor):
        self.model, self.y = model, y
        with torch.no_grad():
            logits = model(clean)
        check_logits(logits)
        check_labels(y, logits.shape[1], len(clean))
        self.images = clean.clone()
        self.wrong, self.loss = self._judge(logits)

    def _judge(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        logits = logits.detach()
        return logits.argmax(1) != self.y, losses.cross_entropy(logits, self.y)

    def _update(self, images: Tensor, logits: Tensor) -> None:
        wrong, loss = self._judge(logits)
        better = (wrong & ~self.wrong) | ((wrong == self.wrong) & (loss > self.loss))
        self.images = torch.where(norms.per_image(better, images).bool(), images, self.images)
        self.wrong = torch.where(better, wrong, self.wrong)
        self.loss = torch.where(better, loss, self.loss)

    @torch.no_grad()
    def keep(self, images: Tensor) -> None:
        self._update(images, self.model(images))

    def ascend(self, images: Tensor) -> Tensor:
        """Judges `images` and returns the gradient of their loss, from one forward pass."""
        images = images.detach().requires_grad_()
        logits = self.model(images)
        (gradient,) = torch.autograd.grad(losses.cross_entropy(logits, self.y).sum(), images)
        self._update(images.detach(), logits)
        return gradient
