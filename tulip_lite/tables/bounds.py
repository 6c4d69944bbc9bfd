"""Tables of bounds and of what they are made of, as Markdown: ours from the result files, the paper's from data/paper/."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from tulip_lite.bounds import columns as names
from tulip_lite.bounds import kinds as bound_kinds
from tulip_lite.results.provenance import machine
from tulip_lite.storage.places import FOLDER
from tulip_lite.tables.markdown import table

if TYPE_CHECKING:
    from tulip_lite.results import Bounds
    from tulip_lite.results.certificates import Smoothing

PAPER = FOLDER / "paper" / "table3.csv"


def kinds(found: Mapping[str, Bounds], attack: str = "attack/l2-quick") -> str:
    """A row a kind of bound, two columns a network: its mean, and on how many images an attack refutes it, with the 95 %
    interval of that share.

    Args:
        attack: The column of the distances.

    Raises:
        ValueError: Where a table lacks it.
    """
    for name, bounds in found.items():
        if attack not in bounds.columns:
            raise ValueError(f"{name} has no column {attack!r}: attack it with `python -m tulip_lite attack {name}`")
    lower = {name: bound_kinds.lower_bounds(bounds.columns, bounds.constants) for name, bounds in found.items()}
    rows = []
    for kind in (*bound_kinds.LIPSCHITZ, *bound_kinds.CURVATURE, bound_kinds.PROVED):
        cells = []
        for name, bounds in found.items():
            if kind not in lower[name]:
                cells += ["", ""]
                continue
            it = bound_kinds.failures(lower[name][kind], bounds.columns[attack])
            cells += [f"{it.mean:.2g}", f"{it.refuted} of {it.images} ({100 * it.low:.1f}–{100 * it.high:.1f} %)"]
        if any(cells):
            rows.append([kind, *cells])
    distances = [bounds.columns[attack] for bounds in found.values()]
    means = [cell for d in distances for cell in (f"{d[d > 0].double().mean():.2g}", "")]
    heads = [head for name in found for head in (f"{name}: mean", "refuted")]
    rows.append(["nearest found by attack", *means])
    return table(["bound", *heads], "l" + "rr" * len(found), rows, _provenance(found))


def regularity(found: Mapping[str, Bounds], paper: Path = PAPER) -> str:
    """The form of Table 3: mean and maximum over test images of ‖∇ℓ‖₂ of the margin and of the spectral norm of the Hessian of
    its log-sum-exp soft version; below ours, the paper's rows for CIFAR-10, whose soft margin is another."""
    rows = []
    for name, bounds in found.items():
        gradient, cells = bounds.columns[names.MARGIN_SLOPE], [f"`{name}`"]
        spectral = None
        if names.CURVATURE_LARGEST in bounds.columns:
            spectral = bounds.columns[names.CURVATURE_LARGEST].maximum(bounds.columns[names.CURVATURE_SMALLEST].abs())
        for statistic in (Tensor.mean, Tensor.max):
            cells += [
                f"{statistic(gradient).item():.2f}",
                f"{statistic(spectral).item():.2f}" if spectral is not None else "–",
            ]
        rows.append(cells)
    with paper.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["data"] == "CIFAR-10":
                numbers = (row[key] or "–" for key in ("mean_gradient", "mean_hessian", "max_gradient", "max_hessian"))
                smooth = ", smooth" if row["smooth"] == "yes" else ""
                rows.append([f"*paper: {row['model']}{smooth}*", *numbers])
    heads = ["network", "mean ‖∇ℓ‖", "mean ‖∇²ℓ‖", "maximum ‖∇ℓ‖", "maximum ‖∇²ℓ‖"]
    return table(heads, "lrrrr", rows, _provenance(found))


def smoothed(found: Mapping[str, Smoothing]) -> str:
    """A row a network: certified accuracy of its smoothed version at the radii of the card, mean radius, abstentions."""
    summaries = {name: each.card["summary"] for name, each in found.items()}
    radii = list(next(iter(summaries.values()))["certified_accuracy"])
    rows = []
    for name, it in summaries.items():
        shares = [f"{it['certified_accuracy'][radius]:.1%}" for radius in radii]
        rows.append([f"`{name}`", *shares, f"{it['mean_radius']:.3f}", f"{it['abstained']}"])
    card = next(iter(found.values())).card
    return table(
        ["network", *(f"certified at {radius}" for radius in radii), "mean radius", "abstained"],
        "lrr" + "r" * len(radii),
        rows,
        f"{card['data']}, {card['images']} test images, σ = {card['sigma']:g}, {card['n0']} + {card['n']} noisy copies an image, "
        f"each certificate wrong with probability at most {card['alpha']:g}. {machine(card)}",
    )


def _provenance(found: Mapping[str, Bounds]) -> str:
    card = next(iter(found.values())).card
    near = f"{card['local']} of them for the constants searched for nearby"
    return f"{card['data']}, {card['images']} test images, {near}. {machine(card)}"
