"""The explorable "λ, δ, C": a loss against the quadratic cost of distance, and the bound of Prop. 3.1 that turns infinite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import traitlets

from tulip_lite.figures import COLORS
from tulip_lite.widgets.explorable import Explorable

if TYPE_CHECKING:
    import matplotlib.figure

_FAR = 3.0  # this and the ranges of both charts' axes: as in cost_view.mjs


class CostExplorer(Explorable):
    """Loss, upper model and cost along the steepest direction, the maximiser of each; beside it λ against δ.

    gradient: ‖∇ℓ‖ at the image. curvature: C, the largest of the drawn loss, which it has at distance `bend`.
    delta: δ of the cost r²/(2δ), or the radius of the hard constraint. kind: "quadratic" or "hard".
    known: the C that the bound is given: "largest", as Prop. 3.1 asks, or only the one "at the image". Units are abstract.
    """

    module = "cost"
    gradient = traitlets.Float(0.8, min=0).tag(sync=True)
    curvature = traitlets.Float(1.0, min=1e-9).tag(sync=True)
    delta = traitlets.Float(0.5, min=1e-9).tag(sync=True)
    bend = traitlets.Float(1.0, min=0).tag(sync=True)
    kind = traitlets.Enum(["quadratic", "hard"], "quadratic").tag(sync=True)
    known = traitlets.Enum(["largest", "at the image"], "largest").tag(sync=True)

    def still(self) -> matplotlib.figure.Figure:
        from matplotlib import pyplot

        blue, orange, green, pink, grey = COLORS
        g, delta, bend = self.gradient, self.delta, self.bend
        C = self.curvature / (np.cosh(bend) ** 2 if self.known == "at the image" else 1)
        r = np.linspace(0, _FAR, 400)
        bent = np.log(np.cosh(r - bend) / np.cosh(bend)) + r * np.tanh(bend)
        loss, model = g * r + self.curvature * bent, g * r + C / 2 * r**2
        cost = r**2 / (2 * delta)
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.8), width_ratios=(3, 2), layout="constrained")
        left.plot(r, loss, color=blue, label="loss")
        left.plot(r, model, "--", color=orange, label="upper model")
        if self.kind == "hard":
            left.axvspan(0, delta, color=grey, alpha=0.2, label="allowed")
        else:
            left.plot(r, cost, ":", color=grey, label="cost")
            left.plot(r, loss - cost, color=green, label="loss − cost")
            left.plot(r, model - cost, "--", color=pink, label="upper model − cost")
            best = (loss - cost).argmax()
            if best < len(r) - 1:  # at the last point the maximum may lie beyond the picture
                left.plot(r[best], (loss - cost)[best], "o", color=green)
            if delta * C < 1:
                strength = delta / (1 - delta * C)
                left.plot(strength * g, strength / 2 * g**2, "D", color=pink)
        high = max(0.4, 0.5 * loss[-1])
        left.set(
            xlabel="distance $r$ along the gradient",
            ylabel="rise of the loss",
            xlim=(0, _FAR),
            ylim=(-0.3 * high, high),
        )
        left.legend(loc="upper left", fontsize=8)
        # of a hard constraint: the quadratic cost with the same bound
        at = delta if self.kind == "quadratic" else 1 / (C + g / delta)
        end = max(2 / C, 1.1 * at)
        ds = np.linspace(0, min(0.999 / C, end), 200)
        right.plot(ds, ds / (1 - ds * C), color=pink, label=r"$\lambda = \delta/(1-\delta C)$")
        right.axvline(1 / C, color=orange, ls="--", label=r"$\delta = 1/C$")
        right.axvline(at, color=blue, label=rf"{'its ' if self.kind == 'hard' else ''}$\delta$ = {at:.2g}")
        right.set(xlabel=r"$\delta$", ylabel=r"$\lambda$", xlim=(0, end), ylim=(0, 5 / C))
        right.legend(loc="lower right", fontsize=8)
        return figure
