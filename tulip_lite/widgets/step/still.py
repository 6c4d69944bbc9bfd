"""The picture of the error against h for readers without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tulip_lite.figures.style import COLORS

if TYPE_CHECKING:
    import matplotlib.figure


def error_against_step(
    steps: Sequence[float], errors: Mapping[str, Sequence[float]], precision: str, h: float
) -> matplotlib.figure.Figure:
    """The relative error of the difference quotient in each precision, against its step.

    Args:
        steps: rising, pixel units.
        errors: precision -> relative errors at those steps.
        precision: the one that is drawn bold.
        h: the step with a rule, pixel units.
    """
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.6), layout="constrained")
    for color, (name, values) in zip(COLORS, errors.items(), strict=False):
        axes.loglog(steps, values, color=color, label=name, lw=2.5 if name == precision else 1.2)
    axes.axvline(h, color=COLORS[3], lw=2, label=f"h = {h:.2g}")
    axes.set(xlabel="step h (pixel units)", ylabel="relative error", xlim=(1e-12, 1), ylim=(1e-13, 1e2))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    return figure
