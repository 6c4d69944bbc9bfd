"""What an attack shows the network, call by call: the way it took, and what it cost.

A `Watched` model answers like the one it wraps and keeps notes, so that any attack, ours or a library's, can be followed and
counted without a change to it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tulip_lite import losses, norms


class Path(NamedTuple):
    """What the network was shown, in order. All (T,), one entry for each image of each call.

    Attributes:
        distance: Norm of the shown image minus the clean one, pixel units.
        margin: Its `losses.logit_margin`, positive where it is misclassified.
        loss: Its cross-entropy.
        tracked: Whether a gradient could be asked for: true of an attack's steps, false of what it only tries.
    """

    distance: Tensor
    margin: Tensor
    loss: Tensor
    tracked: Tensor

    def steps(self) -> Path:
        """The path without what was only tried."""
        return Path(*(column[self.tracked] for column in self))


class Watched(nn.Module):
    """A model that notes what it is asked. It answers like `model`, and gradients flow through it.

    `passes` counts the images that went through the network so far, `gradients` those of them through which a gradient went
    back.

    Args:
        clean: (1, C, H, W), one image under attack whose `path` is to be noted; without it there are only counts.
        y: (1,), its label.
        norm: Of the noted distances.

    Raises:
        ValueError: For an unknown norm, or more than one image: nobody could tell whose way it is.
    """

    def __init__(self, model: nn.Module, clean: Tensor | None = None, y: Tensor | None = None, norm: str = "l2"):
        super().__init__()
        if clean is not None and (y is None or len(clean) != 1 or len(y) != 1):
            raise ValueError(
                f"a path is that of an attack on one image with its label, got {len(clean)} images and "
                f"{'no' if y is None else len(y)} labels"
            )
        self.model, self.clean, self.y, self.size = model, clean, y, norms.get(norm).size
        self.passes = self.gradients = 0
        self._steps: list[Path] = []

    def forward(self, x: Tensor) -> Tensor:
        logits = self.model(x)
        self.passes += len(x)
        if self.clean is not None and self.y is not None:
            offset, y = x.detach() - self.clean, self.y.expand(len(x))
            self._note(self.size(offset), logits.detach(), y, logits.requires_grad)
        if logits.requires_grad:
            logits.register_hook(self._count)
        return logits

    def _count(self, gradient: Tensor) -> None:
        self.gradients += len(gradient)

    def _note(self, distance: Tensor, logits: Tensor, y: Tensor, tracked: bool) -> None:
        margin, loss = losses.logit_margin(logits, y), losses.cross_entropy(logits, y)
        self._steps.append(Path(distance, margin, loss, torch.full_like(y, tracked, dtype=torch.bool)))

    def path(self) -> Path:
        """What the network was shown so far.

        Raises:
            ValueError: Where no image was named, or nothing was shown yet.
        """
        if not self._steps:
            raise ValueError("no path: name the clean image, Watched(model, x, y, norm), and attack it first")
        return Path(*(torch.cat(column) for column in zip(*self._steps, strict=True)))
