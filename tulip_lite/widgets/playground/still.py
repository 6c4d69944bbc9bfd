"""The playground's picture for readers without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy
import torch
from torch import Tensor, nn

from tulip_lite import bounds
from tulip_lite.figures.style import COLORS
from tulip_lite.widgets.playground.data import EDGE, tensors
from tulip_lite.widgets.playground.derivatives import constants, margin_derivatives
from tulip_lite.widgets.playground.networks import network

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.contour
    import matplotlib.figure


def planes(
    networks: Mapping[str, list[float]], activation: str, points: list[list[float]], point: Sequence[float]
) -> matplotlib.figure.Figure:
    """The plane as networks see it, side by side, with the nearest attack on a point and its bounds.

    Args:
        networks: title -> weights, flat.
        activation: of all of them, "relu" or "smooth-relu".
        points: those trained on, [x, y, label] each.
        point: the selected one; label −1 is the network's own answer there.
    """
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, len(networks), figsize=(4.6 * len(networks), 4.6), layout="constrained", squeeze=False
    )
    for ax, (name, weights) in zip(axes[0], networks.items(), strict=True):
        model = network(weights, activation)
        line = _map(ax, model)
        x, y = tensors(points)
        for label, marker in enumerate("oD"):
            ax.scatter(
                *x[y == label].T.numpy(), s=20, c=COLORS[label], marker=marker, edgecolors="white", linewidths=0.6
            )
        _spot(ax, model, x, point, line, smooth=activation == "smooth-relu")
        ax.set(title=name, aspect="equal", xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE), xlabel="$x_1$", ylabel="$x_2$")
    return figure


def _map(ax: matplotlib.axes.Axes, model: nn.Module) -> matplotlib.contour.ContourSet:
    """The network's answers as colours, and its boundary, which is returned."""
    from matplotlib.colors import LinearSegmentedColormap

    side = torch.linspace(-EDGE, EDGE, 201, dtype=torch.float64)
    with torch.no_grad():
        logits = model(torch.cartesian_prod(side, side))
    score, at = (logits[:, 1] - logits[:, 0]).reshape(201, 201).T, side.numpy()
    blend = LinearSegmentedColormap.from_list("classes", (COLORS[0], "white", COLORS[1]))
    # ten flat steps: a smooth blend makes the stored picture three times as heavy
    ax.contourf(at, at, score.sigmoid().numpy(), [i / 10 for i in range(11)], cmap=blend, alpha=0.5)
    return ax.contour(at, at, score.numpy(), [0.0], colors="black")


def _spot(
    ax: matplotlib.axes.Axes,
    model: nn.Module,
    x: Tensor,
    point: Sequence[float],
    line: matplotlib.contour.ContourSet,
    *,
    smooth: bool,
) -> None:
    """The selected point with its bounds, L and C being maxima that include the points x (B, 2), and its attack."""
    from matplotlib.patches import Circle

    spot, label = tensors([list(point)])
    label = model(spot).argmax(1) if label.item() < 0 else label
    margin, gradient, _ = margin_derivatives(model, spot, label)
    lipschitz, curvature = constants(model, x)
    radii = {"L-bound": (bounds.lipschitz_bound(-margin, lipschitz).item(), "--")}
    if smooth:
        radii["C-bound"] = (bounds.curvature_bound(-margin, gradient.norm(dim=1), curvature).item(), "-")
    for name, (radius, style) in radii.items():
        ax.add_patch(
            Circle((point[0], point[1]), radius, fill=False, ls=style, lw=2, ec=COLORS[3], label=f"{name} {radius:.2g}")
        )
    at = spot[0].numpy()
    vertices = numpy.concatenate([path.vertices for path in line.get_paths()])
    if margin.item() < 0 and len(vertices):
        end = vertices[numpy.hypot(*(vertices - at).T).argmin()]
        ax.annotate("", tuple(end), tuple(at), arrowprops={"arrowstyle": "-|>", "lw": 2, "shrinkA": 0, "shrinkB": 0})
        ax.plot([], [], "k-", lw=2, label=f"nearest attack {numpy.hypot(*(end - at)):.2g}")
    ax.plot(*at, "o", ms=8, mfc="none", mec="black", mew=2)
    ax.legend(loc="upper left", fontsize="small")
