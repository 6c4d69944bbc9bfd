"""The playground: a small network on points of the plane, trained in the reader's browser with the book's objective.

Python makes the points, the weights to start from and a first trained network, by `objectives.GradientPenalty`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import traitlets

from tulip_lite.widgets.explorable import Explorable
from tulip_lite.widgets.playground.data import DATA, points
from tulip_lite.widgets.playground.networks import ACTIVATIONS, TRAINING, flat, initial_weights, network, train
from tulip_lite.widgets.playground.still import planes

if TYPE_CHECKING:
    import matplotlib.figure


class Playground(Explorable):
    """A network trained in the browser on points of the plane, its boundary, input gradients, attack and bounds.

    Args:
        lam: λ ≥ 0 of eq. (8), with the factor ½.
        activation: "relu" or "smooth-relu".
        data: a name in `DATA`.
        epsilon: the radius at which accuracy is counted, in units of the plane.
        point: the selected one, [x, y, label]; label −1 is the network's own answer there.
        weights: those shown, flat; made by `steps` steps of `train` unless given.
        steps: see `weights`.

    Raises:
        ValueError: an unknown name.
    """

    module = "playground"
    lam = traitlets.Float(0.1, min=0).tag(sync=True)
    activation = traitlets.Enum(ACTIVATIONS, "smooth-relu").tag(sync=True)
    data = traitlets.Enum(tuple(DATA), "moons").tag(sync=True)
    epsilon = traitlets.Float(0.2, min=0).tag(sync=True)
    point = traitlets.List(traitlets.Float()).tag(sync=True)
    weights = traitlets.List(traitlets.Float()).tag(sync=True)
    steps = traitlets.Int(int(TRAINING["steps"]), min=0).tag(sync=True)
    initial = traitlets.List(traitlets.Float()).tag(sync=True)
    points = traitlets.Dict().tag(sync=True)
    training = traitlets.Dict(TRAINING).tag(sync=True)

    def __init__(self, **state: object) -> None:
        state = {"points": {name: points(name) for name in DATA}, "initial": initial_weights(), **state}
        super().__init__(**state)
        if not self.point:
            self.point = self.points[self.data]["train"][6]
        if not self.weights:
            model = network(self.initial, self.activation)
            train(model, self.points[self.data]["train"], self.lam, self.steps)
            self.weights = [round(w, 6) for w in flat(model)]

    def still(self) -> matplotlib.figure.Figure:
        """The network shown, beside one trained without the penalty where λ > 0."""
        train_points = self.points[self.data]["train"]
        shown = {f"λ = {self.lam:g}": self.weights}
        if self.lam > 0:
            undefended = network(self.initial, self.activation)
            train(undefended, train_points, 0.0, self.steps)
            shown = {"λ = 0": flat(undefended), **shown}
        return planes(shown, self.activation, train_points, self.point)
