"""What attacks climb: by how much the score of a wrong class exceeds that of the true one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tulip_lite import losses
from tulip_lite.attacks.adversarial import fooled
from tulip_lite.gradients import with_gradient


def margin_gradient(
    model: nn.Module, images: Tensor, y: Tensor, target: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Where (B,) the images fool the model; by how much (B,) the score of `target` (B,), or of the leading wrong class, exceeds
    that of y; and the gradient (B, C, H, W) of that margin. One forward and one backward pass, in the model's own mode."""

    def gap(images: Tensor) -> tuple[Tensor, Tensor]:
        scores = model(images)
        if target is None:
            return losses.logit_margin(scores, y), scores
        return (scores.gather(1, target[:, None]) - scores.gather(1, y[:, None])).flatten(), scores

    margin, scores, gradient = with_gradient(gap, images)
    return fooled(scores.detach(), y), margin, gradient


def wrong_classes(model: nn.Module, images: Tensor, y: Tensor, count: int) -> Tensor:
    """The `count` wrong classes of largest scores for each image, (B, count), or as many as there are."""
    with torch.no_grad():
        scores = model(images).scatter(1, y[:, None], -torch.inf)
    return scores.topk(min(count, scores.shape[1] - 1), 1).indices
