"""Figure 1, alive: a loss along one direction, the L-cone and the C-parabola above it, and where each meets ℓ₀ = 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
import traitlets
from torch import Tensor

from tulip_lite.activations import smooth_relu
from tulip_lite.figures import COLORS
from tulip_lite.slices import along, value_and_slope
from tulip_lite.widgets.explorable import Explorable

if TYPE_CHECKING:
    import matplotlib.figure

# where the drawn losses turn and by how much they get steeper: as in bounds.mjs
_SMOOTH = {"at": 0.35, "width": 0.5, "steeper": 2.5}
_KINKED = {"at": 0.2, "steeper": 4.0}


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

    loss: `loss(x, y) -> (B,)`; images: name -> index in the batch; x, x_adv: (B, C, H, W); y: (B,). lipschitz, curvature:
    estimates of L and C for this network, ℓ2 pixel units; no curvature means a network with kinks. 81 points a slice.
    """
    slices = []
    for name, i in images.items():
        one, label, step = x[i : i + 1], y[i : i + 1], (x_adv - x)[i : i + 1]
        rs = torch.linspace(0, 1.6 * step.norm().item(), 81)
        value, slope = value_and_slope(loss, one, label)
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

    slices: measured losses, as `measured` gives them; without any, only the drawn example is there.
    """

    module: ClassVar[str] = "bounds"

    gap = traitlets.Float(0.5).tag(sync=True)
    gradient = traitlets.Float(0.3).tag(sync=True)
    lipschitz = traitlets.Float(4.3).tag(sync=True)
    curvature = traitlets.Float(7.5).tag(sync=True)
    shown = traitlets.Int(-1, help="which slice; −1 is the drawn example").tag(sync=True)
    slices = traitlets.List().tag(sync=True)

    def still(self) -> matplotlib.figure.Figure:
        from matplotlib import pyplot

        r = np.linspace(0, 0.8, 200)
        start = -self.gap + self.gradient * r
        ramp = smooth_relu(torch.from_numpy((r - _SMOOTH["at"]) / _SMOOTH["width"])).numpy()
        blue, orange, green, pink, _ = COLORS
        figure, axis = pyplot.subplots(figsize=(7.5, 4.4))
        axis.plot(r, start + _SMOOTH["steeper"] * _SMOOTH["width"] * ramp, color=blue, label="a smooth network")
        kink = np.maximum(r - _KINKED["at"], 0)
        axis.plot(r, start + _KINKED["steeper"] * kink, color=orange, label="a ReLU network")
        axis.plot(r, -self.gap + self.lipschitz * r, "--", color=green, label=f"L-cone, L = {self.lipschitz:g}")
        parabola = start + self.curvature / 2 * r**2
        axis.plot(r, parabola, ":", color=pink, linewidth=2.5, label=f"C-parabola, C = {self.curvature:g}")
        axis.axhline(0, color="black", linewidth=1)
        axis.set(xlabel="distance r from the image", ylabel="loss", xlim=(0, 0.8), ylim=(-1.1 * self.gap, 0.5))
        axis.legend()
        figure.tight_layout()
        return figure
