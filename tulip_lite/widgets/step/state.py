"""The explorable "h": what it shows, the quotient in three precisions, and how a measured network gets into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import traitlets
from torch import Tensor

from tulip_lite.objectives.difference_error import ORDERS, UNITS, DifferenceErrors
from tulip_lite.widgets.explorable import Explorable
from tulip_lite.widgets.step.still import error_against_step

if TYPE_CHECKING:
    import matplotlib.figure


def quotient(h: Tensor, margin: float, steepness: float, method: str) -> Tensor:
    """The difference quotient at 0 of ℓ(h) = softplus(g h − s), every operation rounded to h's dtype.

    ℓ is the cross-entropy of a linear two-class model, at distance h along its gradient.

    Args:
        h: steps, pixel units, any shape.
        margin: s.
        steepness: g, the length of the gradient.
        method: "finite-difference" or "central-difference".

    Returns:
        The quotients, of h's shape and dtype, in loss per pixel unit.
    """
    s, g = torch.tensor(margin, dtype=h.dtype), torch.tensor(steepness, dtype=h.dtype)

    def loss(at: Tensor) -> Tensor:
        score = g * at - s
        return score.clamp_min(0) + score.abs().neg().exp().log1p()

    if method == "finite-difference":
        return (loss(h) - loss(torch.zeros_like(h))) / h
    return (loss(h) - loss(-h)) / (2 * h)


def measured(errors: DifferenceErrors) -> dict[str, Any]:
    """What `StepExplorer` shows of a network: its median errors and the model's coefficients, to four digits."""

    def short(value: float) -> float:
        return float(f"{value:.4g}")

    def of(method: str, part: int) -> dict[str, float]:
        return {name: short(errors.coefficients(name, method)[part]) for name in UNITS}

    return {
        "steps": [short(h) for h in errors.steps.tolist()],
        "errors": {m: {p: [short(e) for e in errors.median(p, m).tolist()] for p in UNITS} for m in ORDERS},
        "truncation": {method: of(method, 0)["float64"] for method in ORDERS},
        "rounding": {method: of(method, 1) for method in ORDERS},
    }


class StepExplorer(Explorable):
    """The relative error of a difference quotient against h, with its parts truncation and rounding; h can be dragged.

    Args:
        h: pixel units, in [1e-12, 1].
        precision: of the readout, one of `objectives.difference_error.UNITS`.
        method: "finite-difference" or "central-difference".
        source: "computed", the loss of a linear two-class model, or "measured", the network of the trait `measured`.
        margin: of the linear model, a multiple of 1/8, so that every precision has it.
        steepness: of the linear model, likewise.
        measured: what the function `measured` makes of `errors_against_h(…)`; without it there is only the linear
            model.

    Raises:
        ValueError: the source is "measured" without `measured`.
    """

    module = "step"
    h = traitlets.Float(0.01, min=1e-12, max=1).tag(sync=True)
    precision = traitlets.Enum(list(UNITS), "float32").tag(sync=True)
    method = traitlets.Enum(list(ORDERS), "finite-difference").tag(sync=True)
    source = traitlets.Enum(["computed", "measured"], "computed").tag(sync=True)
    margin = traitlets.Float(2.0).tag(sync=True)
    steepness = traitlets.Float(1.0).tag(sync=True)
    measured = traitlets.Dict().tag(sync=True)

    @traitlets.validate("source")
    def _is_there(self, proposal: dict[str, Any]) -> str:
        if proposal["value"] == "measured" and not self.measured:
            raise ValueError('source "measured" needs the trait `measured`: StepExplorer(measured=measured(errors), …)')
        return proposal["value"]

    def curves(self) -> tuple[list[float], dict[str, list[float]]]:
        """The steps and for each precision the relative errors that the figure shows."""
        if self.source == "measured":
            return self.measured["steps"], self.measured["errors"][self.method]
        steps = torch.logspace(-12, 0, 193, dtype=torch.float64)
        slope = self.steepness * torch.sigmoid(torch.tensor(-self.margin, dtype=torch.float64))
        errors = {}
        for name in UNITS:
            found = quotient(steps.to(getattr(torch, name)), self.margin, self.steepness, self.method)
            errors[name] = (found.double() / slope - 1).abs().tolist()
        return steps.tolist(), errors

    def still(self) -> matplotlib.figure.Figure:
        return error_against_step(*self.curves(), self.precision, self.h)
