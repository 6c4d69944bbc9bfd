"""Figure 1, alive: what it shows, and how a measured loss gets into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
import traitlets
from torch import Tensor

from tulip_lite.gradients import along, value_and_slope
from tulip_lite.widgets.bounds.still import against_distance
from tulip_lite.widgets.explorable import Explorable

if TYPE_CHECKING:
    import matplotlib.figure


def measured(
    network: str,
    loss: Callable[[Tensor, Tensor], Tensor],
    images: Mapping[str, int],
    x: Tensor,
    y: Tensor,
    x_adv: Tensor,
    lipschitz: float,
    curvature: float | None = None,
) -> list[dict]:
    """One slice an image for `BoundsExplorer`: the loss on the line from x to x_adv and on to 1.6 times its distance.

    Args:
        network: its name.
        loss: `loss(x, y) -> (B,)`.
        images: name -> index in the batch.
        x: images, (B, C, H, W).
        y: labels, (B,).
        x_adv: adversarial images, (B, C, H, W).
        lipschitz: an estimate of L for this network, ℓ2 pixel units.
        curvature: an estimate of C, likewise; none means a network with kinks.

    Returns:
        For each name a slice of 81 points, as plain numbers and texts.

    Raises:
        ValueError: the loss is not below ℓ₀ = 0 from the start, or x_adv is x; the image is named.
    """
    slices: list[dict] = []
    for name, i in images.items():
        one, label, step = x[i : i + 1], y[i : i + 1], (x_adv - x)[i : i + 1]
        value, slope = value_and_slope(loss, one, label)
        if not value.item() < 0:
            raise ValueError(
                f"image {name!r} counts as misclassified from the start: its loss {value.item():.3g} is not below 0"
            )
        if not step.any():
            raise ValueError(f"image {name!r} has x_adv equal to x: without an adversarial image there is no line")
        rs = torch.linspace(0, 1.6 * step.norm().item(), 81)
        slices.append(
            {
                "network": network,
                "image": name,
                "smooth": curvature is not None,
                "rs": _short(rs),
                "values": _short(along(loss, one, label, step, rs)[0]),
                "gap": -value.item(),
                "gradient": slope.item(),
                "lipschitz": lipschitz,
                "curvature": curvature,
            }
        )
    return slices


def _short(values: Tensor) -> list[float]:
    """Seven digits are what float32 holds; a page carries thousands of these."""
    return [float(f"{v:.7g}") for v in values.tolist()]


class BoundsExplorer(Explorable):
    """The bounds of Prop. 2.1 under the hand: sliders for the gap, ‖∇ℓ‖, L and C, on a drawn loss or on measured ones.

    Args:
        gap: ℓ₀ − ℓ(x), in loss units.
        gradient: ‖∇ℓ‖ at x, per ℓ2 pixel unit.
        lipschitz: L, likewise, positive.
        curvature: C, per squared pixel unit, positive.
        shown: which slice; −1 is the drawn example. Choosing one sets gap, gradient, L and C to its own, as the view
            does; L and C can then be moved.
        slices: measured losses, as `measured` gives them; without any, only the drawn example is there.
    """

    module: ClassVar[str] = "bounds"

    gap = traitlets.Float(0.5).tag(sync=True)
    gradient = traitlets.Float(0.3).tag(sync=True)
    lipschitz = traitlets.Float(4.3, min=1e-9).tag(sync=True)
    curvature = traitlets.Float(7.5, min=1e-9).tag(sync=True)
    shown = traitlets.Int(-1, help="which slice; −1 is the drawn example").tag(sync=True)
    slices: traitlets.List[dict] = traitlets.List().tag(sync=True)

    def _slice(self) -> dict | None:
        return self.slices[self.shown] if 0 <= self.shown < len(self.slices) else None

    @traitlets.observe("shown")
    def _take_constants(self, _: object) -> None:
        if chosen := self._slice():
            for name in ("gap", "gradient", "lipschitz", "curvature"):
                if chosen[name] is not None:
                    setattr(self, name, chosen[name])

    def still(self) -> matplotlib.figure.Figure:
        return against_distance(self.gap, self.gradient, self.lipschitz, self.curvature, self._slice())
