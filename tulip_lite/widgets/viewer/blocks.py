"""What the attack viewer stores: images, perturbations and the network's answers on the way, small enough for a page.

`maths.mjs` reads it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tulip_lite import norms
from tulip_lite.attacks.adversarial import Adversarial
from tulip_lite.models import evaluating

# radii at which the network is asked, pixel units: close together where undefended networks fall
GRIDS = {
    "l2": (*(i / 50 for i in range(20)), *(0.4 + i / 20 for i in range(12)), *(1 + i / 10 for i in range(6))),
    "linf": tuple(r / 255 for r in (*(i / 4 for i in range(16)), *(4 + i / 2 for i in range(8)), *range(8, 17))),
}
# a perturbation is drawn with this many levels on either side of grey: those of ℓ∞ are mostly ±the radius, those of ℓ2 are
# spread, and are cut off at CUT times their root mean square, which a sixth of the range would otherwise hardly use
LEVELS = {"l2": 3, "linf": 1}
CUT = 3.0


@dataclass(frozen=True)
class Block:
    """One attack on one network in one norm, for all N images.

    Attributes:
        distances: (N,), ∞ where it failed.
        answers: (N, R + 1, 1 + K) bytes, at the R radii of the grid and at the distance: the predicted class, then the
            probabilities in 1/255.
        levels: (N, C, H, W) bytes, the perturbation's levels + 128.
    """

    distances: np.ndarray
    answers: np.ndarray
    levels: np.ndarray

    @classmethod
    def of(cls, model: nn.Module, x: Tensor, found: Adversarial, norm: str, radii: Sequence[float]) -> Block:
        """Asks the network along the line from each image through its adversarial one.

        Points beyond the adversarial image are clamped to [0, 1].

        Args:
            model: images -> scores (N, K).
            x: (N, C, H, W) in [0, 1].
            found: what the attack returned for x.
            norm: "l2" or "linf".
            radii: (R,), pixel units.
        """
        x_adv, distance, _ = found
        # 0 where there is nothing to scale: the attack failed, or the clean image is wrong
        share = torch.where((distance > 0) & distance.isfinite(), 1 / distance, torch.zeros_like(distance))
        unit = norms.per_image(share, x) * (x_adv - x)
        with evaluating(model), torch.no_grad():
            # the adversarial image itself, not one that rounding has moved
            points = [(x + radius * unit).clamp(0, 1) for radius in radii] + [x_adv]
            logits = torch.stack([model(p) for p in points], 1)
        probabilities = (255 * logits.softmax(2)).round().byte()
        answers = torch.cat([logits.argmax(2, keepdim=True).byte(), probabilities], 2)
        return cls(distance.cpu().numpy(), answers.cpu().numpy(), _levels((x_adv - x).cpu().numpy(), norm))

    def with_image(self, i: int, other: Block) -> Block:
        """This block with image i as in `other`, which holds that one alone."""
        fields = []
        for name in ("distances", "answers", "levels"):
            field = getattr(self, name).copy()
            field[i] = getattr(other, name)[0]
            fields.append(field)
        return Block(*fields)


def _levels(change: np.ndarray, norm: str) -> np.ndarray:
    steps = LEVELS[norm]
    largest = np.abs(change).max((1, 2, 3), keepdims=True)
    cut = np.minimum(largest, CUT * np.sqrt((change**2).mean((1, 2, 3), keepdims=True)))
    unit = np.divide(change, cut, out=np.zeros_like(change), where=cut > 0)
    return (np.rint(steps * unit).clip(-steps, steps) + 128).astype(np.uint8)


def direction(levels: np.ndarray, norm: str) -> np.ndarray:
    """The perturbation as it is drawn, brought to norm 1; zero where there is none.

    Args:
        levels: (C, H, W) bytes.
    """
    v = torch.from_numpy(levels.astype(np.float64) - 128)[None]
    return (v / norms.get(norm).size(v).clamp_min(1e-12)).numpy()[0]
