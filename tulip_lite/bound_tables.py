"""Tables of bounds and of what they are made of, as Markdown: ours from the result files, the paper's from data/paper/."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from tulip_lite import bound_kinds, results
from tulip_lite.data import FOLDER

if TYPE_CHECKING:
    from tulip_lite.results import Bounds
    from tulip_lite.smoothing_experiment import Smoothing

PAPER = FOLDER / "paper" / "table3.csv"


def kinds(found: Mapping[str, Bounds], attack: str = "attack/l2-quick") -> str:
    """A row a kind of bound, two columns a network: its mean, and on how many images an attack refutes it, with the 95 %
    interval of that share.

    attack: the column of the distances. ValueError where a table lacks it.
    """
    for name, table in found.items():
        if attack not in table.columns:
            raise ValueError(f"{name} has no column {attack!r}: attack it with `python -m tulip_lite attack {name}`")
    bounds = {name: bound_kinds.lower_bounds(table.columns, table.constants) for name, table in found.items()}
    order = (*bound_kinds.LIPSCHITZ, *bound_kinds.CURVATURE, bound_kinds.PROVED)
    rows = [
        "| bound | " + " | ".join(f"{name}: mean | refuted" for name in found) + " |",
        "| --- |" + " --: | --: |" * len(found),
    ]
    for kind in order:
        cells = []
        for name, table in found.items():
            if kind not in bounds[name]:
                cells += ["", ""]
                continue
            it = bound_kinds.failures(bounds[name][kind], table.columns[attack])
            cells += [f"{it.mean:.2g}", f"{it.refuted} of {it.images} ({100 * it.low:.1f}–{100 * it.high:.1f} %)"]
        if any(cells):
            rows.append(f"| {kind} | " + " | ".join(cells) + " |")
    distances = [table.columns[attack] for table in found.values()]
    means = [f"{d[d > 0].double().mean():.2g} | " for d in distances]
    rows += ["| nearest found by attack | " + " | ".join(means) + " |", "", _provenance(found)]
    return "\n".join(rows)


def regularity(found: Mapping[str, Bounds], paper: Path = PAPER) -> str:
    """The form of Table 3: mean and maximum over test images of ‖∇ℓ‖₂ of the margin and of the spectral norm of the Hessian of
    its log-sum-exp soft version; below ours, the paper's rows for CIFAR-10, whose soft margin is another."""
    rows = [
        "| network | mean ‖∇ℓ‖ | mean ‖∇²ℓ‖ | maximum ‖∇ℓ‖ | maximum ‖∇²ℓ‖ |",
        "| --- | --: | --: | --: | --: |",
    ]
    for name, table in found.items():
        gradient, cells = table.columns["margin_gradient/l2"], [f"`{name}`"]
        spectral = None
        if "curvature/largest" in table.columns:
            spectral = table.columns["curvature/largest"].maximum(table.columns["curvature/smallest"].abs())
        for statistic in (Tensor.mean, Tensor.max):
            cells += [
                f"{statistic(gradient).item():.2f}",
                f"{statistic(spectral).item():.2f}" if spectral is not None else "–",
            ]
        rows.append("| " + " | ".join(cells) + " |")
    with paper.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["data"] == "CIFAR-10":
                numbers = (row[key] or "–" for key in ("mean_gradient", "mean_hessian", "max_gradient", "max_hessian"))
                smooth = ", smooth" if row["smooth"] == "yes" else ""
                rows.append(f"| *paper: {row['model']}{smooth}* | " + " | ".join(numbers) + " |")
    return "\n".join([*rows, "", _provenance(found)])


def smoothed(found: Mapping[str, Smoothing]) -> str:
    """A row a network: certified accuracy of its smoothed version at the radii of the card, mean radius, abstentions."""
    summaries = {name: each.card["summary"] for name, each in found.items()}
    radii = list(next(iter(summaries.values()))["certified_accuracy"])
    rows = [
        "| network | " + " | ".join(f"certified at {radius}" for radius in radii) + " | mean radius | abstained |",
        "| --- |" + " --: |" * (len(radii) + 2),
    ]
    for name, it in summaries.items():
        shares = " | ".join(f"{it['certified_accuracy'][radius]:.1%}" for radius in radii)
        rows.append(f"| `{name}` | {shares} | {it['mean_radius']:.3f} | {it['abstained']} |")
    card = next(iter(found.values())).card
    rows += [
        "",
        f"{card['data']}, {card['images']} test images, σ = {card['sigma']:g}, {card['n0']} + {card['n']} noisy copies an image, "
        f"each certificate wrong with probability at most {card['alpha']:g}. {results.machine(card)}",
    ]
    return "\n".join(rows)


def _provenance(found: Mapping[str, Bounds]) -> str:
    card = next(iter(found.values())).card
    near = f"{card['local']} of them for the constants searched for nearby"
    return f"{card['data']}, {card['images']} test images, {near}. {results.machine(card)}"
