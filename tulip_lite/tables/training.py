"""Tables of trained networks, of what a training step costs, and of the errors of difference quotients."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from tulip_lite.objectives.difference_error import ORDERS, DifferenceErrors, best_step
from tulip_lite.results.networks import Result
from tulip_lite.tables.markdown import table


def networks(shipped: Mapping[str, Result], norm: str = "l2", radius: float = 0.5) -> str:
    """A row a network: activation, training, clean error, error under PGD at `radius`, mean ‖∇ margin‖₂ (Table 3's).

    Below it, what the numbers were measured on and with.

    Raises:
        ValueError: For a radius that was not measured.
    """
    rows = []
    for name, result in shipped.items():
        card, gradient = result.card, result.per_image["margin_gradient"].mean().item()
        pgd = card["pgd"]
        error = pgd["error"][norm][pgd["radii"][norm].index(radius)]
        minutes, clean = f"{card['seconds'] / 60:.1f}", f"{card['clean_error']:.1%}"
        rows.append([f"`{name}`", f"{len(result.history)}", minutes, clean, f"{error:.1%}", f"{gradient:.2f}"])
    return table(
        ["recipe", "epochs", "minutes", "clean error", f"error at {norm} {radius:g}", "mean ‖∇ margin‖₂"],
        "lrrrrr",
        rows,
        f"{card['data']}. Clean errors and gradients on {card['test_images']} test images, errors under {pgd['steps']}-step "
        f"PGD on {pgd['images']} of them. One seed each. {card['processor']}, {card['threads']} threads, torch {card['torch']}.",
    )


def costs(record: Mapping, derived: Mapping[str, float], counted: Mapping[str, float]) -> str:
    """A row an objective: the cost of its training step in forward passes as derived and as counted, and in time as measured.

    Times are ratios to the first row's, with their quartiles.

    Args:
        record: data/results/bench/objectives.json, of `experiments.costs.objectives`; its rows that `derived` and `counted`
            name are shown.
        derived: {row: forward passes}.
        counted: {row: forward passes}.

    Raises:
        ValueError: For a row that is missing from either, and where the first row is not the record's baseline, of ratio 1.
    """
    for where, there in (("record", record["rows"]), ("counts", counted)):
        if missing := [name for name in derived if name not in there]:
            raise ValueError(f"no row {missing[0]!r} in the {where}: there are {', '.join(map(repr, there))}")
    first = next(iter(derived))
    if (ratio := record["rows"][first]["ratio"]) != 1:
        raise ValueError(f"the first row, {first!r}, must be the record's baseline, of ratio 1; its ratio is {ratio:g}")
    rows = []
    for name, passes in derived.items():
        row = record["rows"][name]
        low, high = row["quartiles"]
        rows.append([
            name, f"{passes:g}", f"{counted[name]:.1f}", f"{counted[name] / counted[first]:.1f}", f"{row['ratio']:.1f}",
            f"{low:.1f} to {high:.1f}", f"{row['milliseconds']:.0f}",
        ])  # fmt: skip
    return table(
        [
            "objective",
            "passes, derived",
            "passes, counted",
            "ratio by count",
            "ratio in time",
            "quartiles",
            "ms a step",
        ],
        "lrrrrrr",
        rows,
        f"Time: medians of {record['rounds']} rounds, PocketNet, float32, batches of {record['batch']}. {record['processor']}, "
        f"{record['threads']} threads, GPU: {record['gpu'] or 'none'}, torch {record['torch']}.",
    )


def best_steps(errors: Mapping[str, DifferenceErrors], h: float = 0.01, method: str = "finite-difference") -> str:
    """A row a network and precision: the best step and its error by the formula, and the error measured at `h`.

    Medians over the images.

    Raises:
        ValueError: Where `h` is not among the steps measured.
    """
    rows = []
    for name, found in errors.items():
        at = torch.isclose(found.steps, torch.tensor(h, dtype=found.steps.dtype)).nonzero().flatten()
        if not len(at):
            raise ValueError(f"h = {h:g} is not among the steps measured: {found.steps.tolist()}")
        for precision in dict.fromkeys(precision for precision, _ in found.relative):
            best, least = best_step(*found.coefficients(precision, method), ORDERS[method])
            measured = found.median(precision, method)[at[0]].item()
            rows.append([f"`{name}`", precision, f"{best:.2g}", f"{100 * least:.2g} %", f"{100 * measured:.2g} %"])
    return table(["network", "precision", "best h", "error there", f"error measured at h = {h:g}"], "llrrr", rows)
