"""Pictures of bounds: against attacks image by image (the form of Figures 4 and 5), against temperature; an activation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tulip_lite.figures.style import COLORS

if TYPE_CHECKING:
    import matplotlib.figure

_MARKS = ("s", "D", "^", "v")


def _looks(names: Mapping[str, object], colors: Sequence[str]) -> list[tuple[str, str]]:
    """A colour and a mark for each name. ValueError where there are more names than looks."""
    looks = list(zip(colors, _MARKS, strict=False))
    if len(names) > len(looks):
        raise ValueError(f"{len(names)} curves, but colours and marks for only {len(looks)}: draw them in two figures")
    return looks[: len(names)]


def against_attacks(lower: Mapping[str, Tensor], distance: Tensor) -> matplotlib.figure.Figure:
    """Each bound and the distance of the nearest known adversarial image, the images sorted by the latter.

    More than 50 images are drawn as dots and a line.

    A bound above the distance, which is refuted, gets a ring.

    Args:
        lower: name -> bounds (B,).
        distance: (B,), ℓ2 pixel units.

    Raises:
        ValueError: Where a bound has another number of images, and for more than four bounds.
    """
    from matplotlib import pyplot

    looks = _looks(lower, (COLORS[0], *COLORS[2:]))
    order = distance.argsort()
    rank = torch.arange(1, len(order) + 1)
    figure, axis = pyplot.subplots(figsize=(7.5, 4.2))
    few = len(order) <= 50
    axis.plot(rank, distance[order], "o-" if few else "-", color=COLORS[1], label="distance an attack needs")
    for (name, bound), (color, mark) in zip(lower.items(), looks, strict=True):
        if bound.shape != distance.shape:
            raise ValueError(f"{name} has {len(bound)} bounds for {len(distance)} distances")
        axis.plot(rank, bound[order], mark if few else ".", color=color, label=name, markersize=5 if few else 2)
        refuted = (bound > distance)[order]
        axis.plot(rank[refuted], bound[order][refuted], "o", color="black", fillstyle="none", markersize=13)
    axis.set(xlabel="images, sorted", ylabel=r"$\ell_2$ distance", yscale="log")
    if few:
        axis.set_xticks(rank[::2])
    axis.grid(color="#d0d0d0")
    axis.legend(markerscale=1 if few else 4)
    figure.tight_layout()
    return figure


def against_radius(
    radii: Sequence[float], curves: Mapping[str, Tensor], levels: Mapping[str, float]
) -> matplotlib.figure.Figure:
    """Constants over the radius of the ball for which they were found, both axes logarithmic.

    Args:
        curves: name -> a constant for each radius.
        levels: name -> a constant of all radii, a dashed line.

    Raises:
        ValueError: For more than four of either.
    """
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7.5, 4.2))
    for (name, values), (color, mark) in zip(curves.items(), _looks(curves, COLORS), strict=True):
        axis.loglog(radii, values, f"{mark}-", color=color, label=name, markersize=4)
    for (name, level), (color, _) in zip(levels.items(), _looks(levels, COLORS[::-1]), strict=True):
        axis.axhline(level, color=color, linestyle="--", label=name)
    axis.set(xlabel=r"radius of the ball, $\ell_2$", ylabel="slope of the loss")
    axis.grid(color="#d0d0d0")
    axis.legend()
    figure.tight_layout()
    return figure


def accuracy(
    radii: Sequence[float], curves: Mapping[str, Sequence[float]], dashed: Sequence[str] = ()
) -> matplotlib.figure.Figure:
    """Shares of images over the ℓ2 radius.

    Args:
        curves: name -> a share in [0, 1] for each radius.
        dashed: Those that an attack measured, which bound the robust accuracy from above; the others bound it from below.

    Raises:
        ValueError: For more than four curves.
    """
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7.5, 4.2))
    for (name, shares), (color, _) in zip(curves.items(), _looks(curves, COLORS), strict=True):
        percent = [100 * share for share in shares]
        axis.step(radii, percent, "--" if name in dashed else "-", color=color, label=name, where="post")
    axis.set(xlabel=r"$\ell_2$ radius", ylabel="images, %", ylim=(0, 100), xlim=(0, max(radii)))
    axis.grid(color="#d0d0d0")
    axis.legend()
    figure.tight_layout()
    return figure


def against_temperature(
    temperatures: Sequence[float], track: Mapping[str, Sequence[float]]
) -> matplotlib.figure.Figure:
    """Curves over the temperature, both axes logarithmic.

    Args:
        track: name -> one number for each temperature.

    Raises:
        ValueError: For more than four curves.
    """
    from matplotlib import pyplot

    looks = _looks(track, COLORS)
    figure, axis = pyplot.subplots(figsize=(7.5, 3.8))
    for (name, values), (color, mark) in zip(track.items(), looks, strict=True):
        axis.loglog(temperatures, values, f"{mark}-", color=color, label=name)
    axis.set(xlabel=r"temperature $\tau$")
    axis.grid(color="#d0d0d0")
    axis.legend()
    figure.tight_layout()
    return figure


def activation(u: Tensor, curves: Mapping[str, Tensor]) -> matplotlib.figure.Figure:
    """A panel for each of an activation and its derivatives over u, (N,); the ReLU, dashed, in the first."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(curves), figsize=(7.5, 2.6), squeeze=False)
    axes = axes[0]
    axes[0].plot(u, u.relu(), "--", color="black", linewidth=1)
    for axis, (name, values) in zip(axes, curves.items(), strict=True):
        axis.plot(u, values, color=COLORS[0], linewidth=2)
        axis.set(xlabel="u", title=name)
        axis.grid(color="#d0d0d0")
    figure.tight_layout()
    return figure
