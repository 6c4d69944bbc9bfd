"""The picture of λ, δ, C for readers without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tulip_lite.figures.style import COLORS

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

_FAR = 3.0  # this and the ranges of both charts' axes: as in view.mjs


def rise_and_strength(
    gradient: float, curvature: float, delta: float, bend: float, kind: str, known: str
) -> matplotlib.figure.Figure:
    """Loss, upper model and cost against the distance; beside them λ against δ. Units are abstract.

    Args:
        gradient: ‖∇ℓ‖ at the image.
        curvature: C, the largest of the drawn loss.
        delta: δ of the cost, or the radius of the hard constraint.
        bend: where the drawn loss has that curvature.
        kind: "quadratic" or "hard".
        known: the C that the bound is given, "largest" or "at the image".
    """
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.8), width_ratios=(3, 2), layout="constrained")
    told = curvature / (np.cosh(bend) ** 2 if known == "at the image" else 1)
    r = np.linspace(0, _FAR, 400)
    bent = np.log(np.cosh(r - bend) / np.cosh(bend)) + r * np.tanh(bend)
    _rises(left, r, gradient * r + curvature * bent, gradient, told, delta, hard=kind == "hard")
    _strengths(right, gradient, told, delta, hard=kind == "hard")
    return figure


def _rises(
    axes: matplotlib.axes.Axes, r: np.ndarray, loss: np.ndarray, g: float, C: float, delta: float, *, hard: bool
) -> None:
    blue, orange, green, pink, grey = COLORS
    model, cost = g * r + C / 2 * r**2, r**2 / (2 * delta)
    axes.plot(r, loss, color=blue, label="loss")
    axes.plot(r, model, "--", color=orange, label="upper model")
    if hard:
        axes.axvspan(0, delta, color=grey, alpha=0.2, label="allowed")
    else:
        axes.plot(r, cost, ":", color=grey, label="cost")
        axes.plot(r, loss - cost, color=green, label="loss − cost")
        axes.plot(r, model - cost, "--", color=pink, label="upper model − cost")
        best = (loss - cost).argmax()
        if best < len(r) - 1:  # at the last point the maximum may lie beyond the picture
            axes.plot(r[best], (loss - cost)[best], "o", color=green)
        if delta * C < 1:
            strength = delta / (1 - delta * C)
            axes.plot(strength * g, strength / 2 * g**2, "D", color=pink)
    high = max(0.4, 0.5 * loss[-1])
    axes.set(xlabel="distance $r$ along the gradient", ylabel="rise of the loss")
    axes.set(xlim=(0, _FAR), ylim=(-0.3 * high, high))
    axes.legend(loc="upper left", fontsize=8)


def _strengths(axes: matplotlib.axes.Axes, g: float, C: float, delta: float, *, hard: bool) -> None:
    blue, orange, _, pink, _ = COLORS
    # of a hard constraint: the quadratic cost with the same bound
    at = 1 / (C + g / delta) if hard else delta
    end = max(2 / C, 1.1 * at)
    ds = np.linspace(0, min(0.999 / C, end), 200)
    axes.plot(ds, ds / (1 - ds * C), color=pink, label=r"$\lambda = \delta/(1-\delta C)$")
    axes.axvline(1 / C, color=orange, ls="--", label=r"$\delta = 1/C$")
    axes.axvline(at, color=blue, label=rf"{'its ' if hard else ''}$\delta$ = {at:.2g}")
    axes.set(xlabel=r"$\delta$", ylabel=r"$\lambda$", xlim=(0, end), ylim=(0, 5 / C))
    axes.legend(loc="lower right", fontsize=8)
