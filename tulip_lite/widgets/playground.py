"""The playground: a small network on points of the plane, trained in the reader's browser with the book's objective.

Python makes the points, the weights to start from and a first trained network, by `objectives.GradientPenalty`; the same
mathematics is in `mlp.mjs` and `playground.mjs` and agrees with it to 1e-5 (tests/widgets/test_playground.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
import torch
import traitlets
from torch import Tensor, nn

from tulip_lite import activations, bounds, losses
from tulip_lite.figures import COLORS
from tulip_lite.objectives import GradientPenalty
from tulip_lite.widgets.explorable import Explorable

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

HIDDEN = 12
EDGE = 1.4  # the picture is the square |x|, |y| ≤ EDGE, as in playground.mjs
# gradient descent on all points at once: deterministic, so that Python and the browser take the same steps. The longest step
# is bounded because the penalised loss has cliffs; without it some λ ≥ 0.3 diverge
TRAINING = {"rate": 0.05, "momentum": 0.9, "clip": 1.0, "h": 0.01, "steps": 600}
ACTIVATIONS = ("relu", "smooth-relu")


def _moons(n: int, random: numpy.random.Generator) -> tuple[numpy.ndarray, numpy.ndarray]:
    angle, label = random.uniform(0, numpy.pi, n), numpy.arange(n) % 2
    x = numpy.where(label == 0, numpy.cos(angle), 1 - numpy.cos(angle)) - 0.5
    y = numpy.where(label == 0, numpy.sin(angle), 0.5 - numpy.sin(angle)) - 0.25
    return numpy.stack([x / 1.6, y / 1.2], 1) + random.normal(0, 0.12, (n, 2)), label


def _rings(n: int, random: numpy.random.Generator) -> tuple[numpy.ndarray, numpy.ndarray]:
    label, angle = numpy.arange(n) % 2, random.uniform(0, 2 * numpy.pi, n)
    radius = numpy.where(label == 0, 0.3, 0.85) + random.normal(0, 0.1, n)
    return numpy.stack([radius * numpy.cos(angle), radius * numpy.sin(angle)], 1), label


def _waves(n: int, random: numpy.random.Generator) -> tuple[numpy.ndarray, numpy.ndarray]:
    label, x = numpy.arange(n) % 2, random.uniform(-1, 1, n)
    away = 0.06 + numpy.abs(random.normal(0, 0.35, n))
    return numpy.stack([x, 0.25 * numpy.sin(2.5 * numpy.pi * x) + numpy.where(label == 1, away, -away)], 1), label


# name: how points are drawn, and the share of the training labels that are wrong
DATA = {"moons": (_moons, 0.08), "rings": (_rings, 0.05), "waves": (_waves, 0.0)}


def points(data: str, seed: int = 2) -> dict[str, list[list[float]]]:
    """{"train": 120 points, "test": 200}, each [x, y, label] within ±1.05. Some of the training labels are wrong (`DATA`).

    ValueError for a name that is not in `DATA`.
    """
    if data not in DATA:
        raise ValueError(f"unknown data {data!r}; choose from {', '.join(DATA)}")
    draw, wrong = DATA[data]
    random = numpy.random.default_rng(seed)
    sets = {}
    for part, n in {"train": 120, "test": 200}.items():
        where, label = draw(n, random)
        if part == "train":
            label = numpy.where(random.random(n) < wrong, 1 - label, label)
        where = where.clip(-1.05, 1.05).round(3)
        sets[part] = [[float(x), float(y), int(k)] for (x, y), k in zip(where, label, strict=True)]
    return sets


def network(weights: list[float], activation: str) -> nn.Sequential:
    """The network 2 → H → H → 2 in float64 with these weights, flat in torch's order. ValueError if they fit no such network."""
    hidden = round((len(weights) + 7) ** 0.5 - 3)
    act = activations.get(activation)
    with torch.random.fork_rng(devices=[]):  # torch draws weights, which are replaced below
        model = nn.Sequential(
            nn.Linear(2, hidden), act(), nn.Linear(hidden, hidden), act(), nn.Linear(hidden, 2)
        ).double()
    if sum(p.numel() for p in model.parameters()) != len(weights):
        raise ValueError(f"{len(weights)} weights fit no network 2 → H → H → 2, which has H² + 6H + 2 of them")
    nn.utils.vector_to_parameters(torch.tensor(weights, dtype=torch.float64), model.parameters())
    return model


def flat(model: nn.Module) -> list[float]:
    """All weights in one list, as `network` takes them."""
    return nn.utils.parameters_to_vector(model.parameters()).tolist()


def initial_weights(seed: int = 2, hidden: int = HIDDEN) -> list[float]:
    """Weights to start from: normal with variance 2/inputs and biases uniform in ±1, so that the kinks lie among the points."""
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they were
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(2, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, 2))
        for layer in model[:2]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.uniform_(layer.bias, -1, 1)
    return [round(w, 6) for w in flat(model)]


def train(model: nn.Module, data: list[list[float]], lam: float, steps: int) -> None:
    """`steps` of gradient descent with momentum on all of `data`, [x, y, label] each, on eq. (8) by finite difference."""
    x, y = tensors(data)
    objective = GradientPenalty("l2", lam, "finite-difference", TRAINING["h"])
    optimizer = torch.optim.SGD(model.parameters(), TRAINING["rate"], TRAINING["momentum"])
    for _ in range(steps):
        optimizer.zero_grad()
        objective(model, x, y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), TRAINING["clip"])
        optimizer.step()


def tensors(data: list[list[float]]) -> tuple[Tensor, Tensor]:
    """Points [x, y, label] as (B, 2) in float64 and labels (B,)."""
    table = torch.tensor(data, dtype=torch.float64)
    return table[:, :2], table[:, 2].long()


def margin_derivatives(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The margin (B,), its gradient (B, 2) and its Hessian (B, 2, 2) in the input."""
    x = x.detach().requires_grad_()
    margin = losses.margin(model(x), y)
    (gradient,) = torch.autograd.grad(margin.sum(), x, create_graph=True)
    rows = [torch.autograd.grad(gradient[:, k].sum(), x, retain_graph=True)[0] for k in range(2)]
    return margin.detach(), gradient.detach(), torch.stack(rows, 1)


def constants(model: nn.Module, x: Tensor, nodes: int = 33) -> tuple[float, float]:
    """L and C of the margin as maxima over a grid of the picture and the points x (B, 2); C over both labels. Estimates."""
    side = torch.linspace(-EDGE, EDGE, nodes, dtype=torch.float64)
    where = torch.cat([torch.cartesian_prod(side, side), x])
    _, gradient, hessian = margin_derivatives(model, where, torch.zeros(len(where), dtype=torch.long))
    # the margin of the other label is the negative: its largest eigenvalue is minus the smallest one here
    return gradient.norm(dim=1).max().item(), torch.linalg.eigvalsh(hessian).abs().max().item()


class Playground(Explorable):
    """A network trained in the browser on points of the plane, its boundary, input gradients, attack and bounds.

    lam: λ ≥ 0 of eq. (8), with the factor ½. activation: "relu" or "smooth-relu". data: a name in `DATA`. epsilon: the
    radius at which accuracy is counted. point: the selected one, [x, y, label]; label −1 is the network's own answer there.
    weights: those shown, flat; made by `steps` steps of `train` unless given. ValueError for an unknown name.
    """

    module = "playground"
    lam = traitlets.Float(0.1, min=0).tag(sync=True)
    activation = traitlets.Enum(ACTIVATIONS, "smooth-relu").tag(sync=True)
    data = traitlets.Enum(tuple(DATA), "moons").tag(sync=True)
    epsilon = traitlets.Float(0.2, min=0).tag(sync=True)
    point = traitlets.List(traitlets.Float()).tag(sync=True)
    weights = traitlets.List(traitlets.Float()).tag(sync=True)
    steps = traitlets.Int(TRAINING["steps"], min=0).tag(sync=True)
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
        from matplotlib import pyplot

        shown = {f"λ = {self.lam:g}": network(self.weights, self.activation)}
        if self.lam > 0:
            undefended = network(self.initial, self.activation)
            train(undefended, self.points[self.data]["train"], 0.0, self.steps)
            shown = {"λ = 0": undefended, **shown}
        figure, axes = pyplot.subplots(
            1, len(shown), figsize=(4.6 * len(shown), 4.6), layout="constrained", squeeze=False
        )
        for ax, (name, model) in zip(axes[0], shown.items(), strict=True):
            self._draw(ax, model)
            ax.set(title=name, aspect="equal", xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE), xlabel="$x_1$", ylabel="$x_2$")
        return figure

    def _draw(self, ax: matplotlib.axes.Axes, model: nn.Module) -> None:
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.patches import Circle

        side = torch.linspace(-EDGE, EDGE, 201, dtype=torch.float64)
        with torch.no_grad():
            logits = model(torch.cartesian_prod(side, side))
        score, side = (logits[:, 1] - logits[:, 0]).reshape(201, 201).T, side.numpy()
        blend = LinearSegmentedColormap.from_list("classes", (COLORS[0], "white", COLORS[1]))
        # ten flat steps: a smooth blend makes the stored picture three times as heavy
        ax.contourf(side, side, score.sigmoid().numpy(), [i / 10 for i in range(11)], cmap=blend, alpha=0.5)
        line = ax.contour(side, side, score.numpy(), [0.0], colors="black")
        x, y = tensors(self.points[self.data]["train"])
        for label, marker in enumerate("oD"):
            ax.scatter(
                *x[y == label].T.numpy(), s=20, c=COLORS[label], marker=marker, edgecolors="white", linewidths=0.6
            )

        spot, label = tensors([self.point])
        label = model(spot).argmax(1) if label.item() < 0 else label
        margin, gradient, _ = margin_derivatives(model, spot, label)
        lipschitz, curvature = constants(model, x)
        radii = {"L-bound": (bounds.lipschitz_bound(-margin, lipschitz).item(), "--")}
        if self.activation == "smooth-relu":
            radii["C-bound"] = (bounds.curvature_bound(-margin, gradient.norm(dim=1), curvature).item(), "-")
        for name, (radius, style) in radii.items():
            ax.add_patch(
                Circle(self.point[:2], radius, fill=False, ls=style, lw=2, ec=COLORS[3], label=f"{name} {radius:.2g}")
            )
        at = spot[0].numpy()
        vertices = numpy.concatenate([path.vertices for path in line.get_paths()])
        if margin.item() < 0 and len(vertices):
            end = vertices[numpy.hypot(*(vertices - at).T).argmin()]
            ax.annotate("", end, at, arrowprops={"arrowstyle": "-|>", "lw": 2, "shrinkA": 0, "shrinkB": 0})
            ax.plot([], [], "k-", lw=2, label=f"nearest attack {numpy.hypot(*(end - at)):.2g}")
        ax.plot(*at, "o", ms=8, mfc="none", mec="black", mew=2)
        ax.legend(loc="upper left", fontsize="small")
