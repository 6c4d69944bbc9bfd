"""The picture of promised and broken bounds for readers without JavaScript, on the axis of `maths.mjs`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tulip_lite.figures.style import COLORS

if TYPE_CHECKING:
    import matplotlib.figure

_BLUE, _ORANGE, _GREEN, _PINK, _GREY = COLORS
# colour and mark of each kind of bound, in the order of LOOKS in maths.mjs
LOOKS = (
    (_BLUE, "s"), (_GREEN, "D"), (_PINK, "^"), ("black", "v"), (_GREY, "<"), (_BLUE, ">"), (_GREEN, "p"), (_PINK, "h"),
)  # fmt: skip
_ROW = 0.12


class Axis(NamedTuple):
    """A logarithmic axis with a row for 0 and one for ∞ where there are such values (None where not)."""

    range: tuple[float, float]
    zero: float | None
    none: float | None
    low: float
    high: float

    def placed(self, values: np.ndarray) -> np.ndarray:
        """Values with 0 and ∞ in their rows; NaN stays."""
        values = np.where(values == 0, math.nan if self.zero is None else self.zero, values)
        return np.where(np.isposinf(values), math.nan if self.none is None else self.none, values)


def axis(values: np.ndarray) -> Axis:
    """The axis for these values, (M,), ≥ 0, with 0, ∞ and NaN among them: `axis` of maths.mjs, where its rules are."""
    logs = np.log10(values[(values > 0) & (values < math.inf)])
    low, high = (logs.min(), logs.max()) if len(logs) else (-1.0, 0.0)
    room = max(0.03, 0.05 * (high - low))
    low, high = low - room, high + room
    while math.floor(high) - math.ceil(low) < 1:
        down, up = math.ceil(low) - 1, math.floor(high) + 1
        low, high = (down, high) if low - down < up - high else (low, up)
    row = min(_ROW * (high - low), 0.9)
    zero, none = bool((values == 0).any()), bool(np.isposinf(values).any())
    if zero:
        low = min(low, math.ceil(low - row))
    if none:
        high = max(high, math.floor(high + row))
    return Axis(
        (10 ** (low - row * zero), 10 ** (high + row * none)),
        10 ** (low - 0.6 * row) if zero else None,
        10 ** (high + 0.6 * row) if none else None,
        10**low,
        10**high,
    )


def against_attack(
    distances: np.ndarray, bounds: Sequence[tuple[str, np.ndarray, int, bool]], title: str
) -> matplotlib.figure.Figure:
    """Bounds and the distance of the nearest known adversarial image, the images sorted by the latter.

    An estimate is hollow, a proof filled, and a refuted bound has a ring.

    Args:
        distances: (N,), ℓ2 pixel units, ∞ where no adversarial image is known.
        bounds: (kind, values (N,) with NaN where not computed, which of LOOKS, whether it is a proof) each.
        title: above the picture.
    """
    from matplotlib import pyplot
    from matplotlib.ticker import MaxNLocator

    order, rank = distances.argsort(kind="stable"), np.arange(1, len(distances) + 1)
    distances = distances[order]
    scale = axis(np.concatenate([distances, *(values for _, values, _, _ in bounds)]))
    figure, axes = pyplot.subplots(figsize=(7.5, 4.6), layout="constrained")
    # no line leads to what has no place on the scale
    joined = np.where((distances > 0) & (distances < math.inf), distances, math.nan)
    axes.plot(rank, joined, color=_ORANGE, linewidth=1.2)
    for kind, values, look, proof in bounds:
        (color, mark), values = LOOKS[look], values[order]
        fill, words = ("full", "proof") if proof else ("none", f"estimate, refuted on {(values > distances).sum()}")
        axes.plot(
            rank, scale.placed(values), mark, color=color, fillstyle=fill, markersize=6, label=f"{kind} ({words})"
        )
        refuted = values > distances
        axes.plot(
            rank[refuted], scale.placed(values)[refuted], "o", color="black", fillstyle="none", markersize=12, zorder=4
        )
    dots = scale.placed(distances)
    axes.plot(rank, dots, "o", color=_ORANGE, markersize=5, label="nearest adversarial image known")
    for place, edge, words in ((scale.zero, scale.low, "0"), (scale.none, scale.high, "none")):
        if place is not None:
            axes.axhline(edge, color=_GREY, linewidth=0.8)
            axes.annotate(
                words, (0, place), (-4, 0), ("axes fraction", "data"), "offset points", ha="right", va="center"
            )
    axes.set(xlabel="images, sorted by attack distance", ylabel=r"$\ell_2$ distance", yscale="log", ylim=scale.range)
    axes.set(title=title, xlim=(0.25, len(distances) + 0.75))
    axes.minorticks_off()
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.grid(color="#d0d0d0")
    # among the marks there is no room for it
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure
