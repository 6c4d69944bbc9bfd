"""Figure 1, alive: a loss along one direction, the L-cone and the C-parabola above it, and where each meets ℓ₀ = 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
import traitlets
from torch import Tensor

from tulip_lite.activations import smooth_relu
from tulip_lite.bounds import curvature_bound, lipschitz_bound
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
    ValueError, naming the image, where the loss is not below ℓ₀ = 0 from the start, or where x_adv is x.
    """
    slices = []
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


def _crossing(rs: np.ndarray, values: np.ndarray) -> float:
    """The first r at which the points, joined by lines, reach the level 0: `crossing` of bounds.mjs, but NaN if none."""
    i = int((values >= 0).argmax())
    if values[i] < 0:
        return np.nan
    return rs[0] if i == 0 else rs[i - 1] - values[i - 1] * (rs[i] - rs[i - 1]) / (values[i] - values[i - 1])


class BoundsExplorer(Explorable):
    """The bounds of Prop. 2.1 under the hand: sliders for the gap, ‖∇ℓ‖, L and C, on a drawn loss or on measured ones.

    slices: measured losses, as `measured` gives them; without any, only the drawn example is there. Choosing one by `shown` sets
    gap, gradient, L and C to its own, as the view does; L and C can then be moved.
    """

    module: ClassVar[str] = "bounds"

    gap = traitlets.Float(0.5).tag(sync=True)
    gradient = traitlets.Float(0.3).tag(sync=True)
    lipschitz = traitlets.Float(4.3, min=1e-9).tag(sync=True)
    curvature = traitlets.Float(7.5, min=1e-9).tag(sync=True)
    shown = traitlets.Int(-1, help="which slice; −1 is the drawn example").tag(sync=True)
    slices = traitlets.List().tag(sync=True)

    def _slice(self) -> dict | None:
        return self.slices[self.shown] if 0 <= self.shown < len(self.slices) else None

    @traitlets.observe("shown")
    def _take_constants(self, _: object) -> None:
        if chosen := self._slice():
            for name in ("gap", "gradient", "lipschitz", "curvature"):
                if chosen[name] is not None:
                    setattr(self, name, chosen[name])

    def _curves(self) -> tuple[float, float, list[tuple]]:
        """The right and upper ends of the picture, and of each loss its name, colour, rs and values."""
        if chosen := self._slice():
            rs, values = np.array(chosen["rs"]), np.array(chosen["values"])
            name, color = ("smooth", COLORS[0]) if chosen["smooth"] else ("ReLU", COLORS[1])
            return rs[-1], max(0.25, values.max()), [(f"this {name} network", color, rs, values)]
        rs = np.linspace(0, 0.8, 200)
        start = -self.gap + self.gradient * rs
        ramp = smooth_relu(torch.from_numpy((rs - _SMOOTH["at"]) / _SMOOTH["width"])).numpy()
        smooth = start + _SMOOTH["steeper"] * _SMOOTH["width"] * ramp
        kinked = start + _KINKED["steeper"] * np.maximum(rs - _KINKED["at"], 0)
        return 0.8, 0.5, [("a smooth network", COLORS[0], rs, smooth), ("a ReLU network", COLORS[1], rs, kinked)]

    def still(self) -> matplotlib.figure.Figure:
        from matplotlib import pyplot

        far, top, curves = self._curves()
        r = np.linspace(0, far, 200)
        _, _, green, pink, _ = COLORS
        figure, axis = pyplot.subplots(figsize=(7.5, 4.4))
        for name, color, rs, values in curves:
            axis.plot(rs, values, color=color, label=name)
        axis.plot(r, -self.gap + self.lipschitz * r, "--", color=green, label=f"L-cone, L = {self.lipschitz:g}")
        parabola = -self.gap + self.gradient * r + self.curvature / 2 * r**2
        axis.plot(r, parabola, ":", color=pink, linewidth=2.5, label=f"C-parabola, C = {self.curvature:g}")
        axis.axhline(0, color="black", linewidth=1)
        # where each meets the level
        for _, color, rs, values in curves:
            axis.plot(_crossing(rs, values), 0, "o", color=color)
        gap, gradient = (torch.tensor(value, dtype=torch.float64) for value in (self.gap, self.gradient))
        axis.plot(lipschitz_bound(gap, self.lipschitz).item(), 0, "s", color=green)
        axis.plot(curvature_bound(gap, gradient, self.curvature).item(), 0, "D", color=pink)
        low = -1.1 * max(self.gap, 0.05)
        axis.set(xlabel="distance r from the image", ylabel="loss", xlim=(0, far), ylim=(low, top))
        axis.legend()
        figure.tight_layout()
        return figure
