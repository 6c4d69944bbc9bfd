"""The explorable "λ, δ, C": what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import traitlets

from tulip_lite.widgets.cost.still import rise_and_strength
from tulip_lite.widgets.explorable import Explorable

if TYPE_CHECKING:
    import matplotlib.figure


class CostExplorer(Explorable):
    """Loss, upper model and cost along the steepest direction, the maximiser of each; beside it λ against δ. Units are abstract.

    Args:
        gradient: ‖∇ℓ‖ at the image.
        curvature: C, the largest of the drawn loss, which it has at distance `bend`.
        delta: δ of the cost r²/(2δ), or the radius of the hard constraint.
        bend: a distance.
        kind: "quadratic" or "hard".
        known: the C that the bound is given: "largest", as Prop. 3.1 asks, or only the one "at the image".
    """

    module = "cost"
    gradient = traitlets.Float(0.8, min=0).tag(sync=True)
    curvature = traitlets.Float(1.0, min=1e-9).tag(sync=True)
    delta = traitlets.Float(0.5, min=1e-9).tag(sync=True)
    bend = traitlets.Float(1.0, min=0).tag(sync=True)
    kind = traitlets.Enum(["quadratic", "hard"], "quadratic").tag(sync=True)
    known = traitlets.Enum(["largest", "at the image"], "largest").tag(sync=True)

    def still(self) -> matplotlib.figure.Figure:
        return rise_and_strength(self.gradient, self.curvature, self.delta, self.bend, self.kind, self.known)
