"""The picture of Figure 1 for readers without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tulip_lite.activations import smooth_relu
from tulip_lite.bounds import curvature_bound, lipschitz_bound
from tulip_lite.figures.style import COLORS

if TYPE_CHECKING:
    import matplotlib.figure

# where the drawn losses turn and by how much they get steeper: as in maths.mjs
_SMOOTH = {"at": 0.35, "width": 0.5, "steeper": 2.5}
_KINKED = {"at": 0.2, "steeper": 4.0}


def against_distance(
    gap: float, gradient: float, lipschitz: float, curvature: float, measured: Mapping[str, Any] | None = None
) -> matplotlib.figure.Figure:
    """The loss against the distance from the image, the L-cone and the C-parabola, and where each meets the level 0.

    Args:
        gap: ℓ₀ − ℓ(x), in loss units.
        gradient: ‖∇ℓ‖ at x, per ℓ2 pixel unit.
        lipschitz: L, likewise.
        curvature: C, per squared pixel unit.
        measured: a measured loss, as `state.measured` gives them; None draws the two losses of the example.
    """
    from matplotlib import pyplot

    far, top, curves = _curves(gap, gradient, measured)
    r = np.linspace(0, far, 200)
    _, _, green, pink, _ = COLORS
    figure, axis = pyplot.subplots(figsize=(7.5, 4.4))
    for name, color, rs, values in curves:
        axis.plot(rs, values, color=color, label=name)
    axis.plot(r, -gap + lipschitz * r, "--", color=green, label=f"L-cone, L = {lipschitz:g}")
    parabola = -gap + gradient * r + curvature / 2 * r**2
    axis.plot(r, parabola, ":", color=pink, linewidth=2.5, label=f"C-parabola, C = {curvature:g}")
    axis.axhline(0, color="black", linewidth=1)
    # where each meets the level
    for _, color, rs, values in curves:
        axis.plot(_crossing(rs, values), 0, "o", color=color)
    reach, slope = (torch.tensor(value, dtype=torch.float64) for value in (gap, gradient))
    axis.plot(lipschitz_bound(reach, lipschitz).item(), 0, "s", color=green)
    axis.plot(curvature_bound(reach, slope, curvature).item(), 0, "D", color=pink)
    low = -1.1 * max(gap, 0.05)
    axis.set(xlabel="distance r from the image", ylabel="loss", xlim=(0, far), ylim=(low, top))
    axis.legend()
    figure.tight_layout()
    return figure


def _curves(gap: float, gradient: float, measured: Mapping[str, Any] | None) -> tuple[float, float, list[tuple]]:
    """The right and upper ends of the picture, and of each loss its name, colour, rs and values."""
    if measured:
        rs, values = np.array(measured["rs"]), np.array(measured["values"])
        name, color = ("smooth", COLORS[0]) if measured["smooth"] else ("ReLU", COLORS[1])
        return rs[-1], max(0.25, values.max()), [(f"this {name} network", color, rs, values)]
    rs = np.linspace(0, 0.8, 200)
    start = -gap + gradient * rs
    ramp = smooth_relu(torch.from_numpy((rs - _SMOOTH["at"]) / _SMOOTH["width"])).numpy()
    smooth = start + _SMOOTH["steeper"] * _SMOOTH["width"] * ramp
    kinked = start + _KINKED["steeper"] * np.maximum(rs - _KINKED["at"], 0)
    return 0.8, 0.5, [("a smooth network", COLORS[0], rs, smooth), ("a ReLU network", COLORS[1], rs, kinked)]


def _crossing(rs: np.ndarray, values: np.ndarray) -> float:
    """The first r at which the points, joined by lines, reach the level 0: `crossing` of maths.mjs, but NaN if none."""
    i = int((values >= 0).argmax())
    if values[i] < 0:
        return np.nan
    return rs[0] if i == 0 else rs[i - 1] - values[i - 1] * (rs[i] - rs[i - 1]) / (values[i] - values[i - 1])
