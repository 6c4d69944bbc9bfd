"""What follows from the rows of a comparison of attacks: medians, wins, errors at a radius, and shares of time.

A row is what one attack found and took on one network in one norm: its distances, options, seconds, gradients and passes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from tulip_lite.attacks import distances

QUICK, BEST = "quick", "best of the libraries"
OURS, PUBLISHED = "logbarrier", "published logbarrier"
AUTOATTACK = "autoattack"


def against_libraries(rows: dict[str, dict]) -> dict:
    """Of `quick` and attacks of libraries: each attack summed up, the libraries' best, and ratios to it."""
    best = [
        min(values) for values in zip(*(row["distances"] for name, row in rows.items() if name != QUICK), strict=True)
    ]
    found = _summed_up(rows)
    nearest = distances.summary(torch.tensor(best))
    return {
        "attacks": found,
        BEST: {"median": nearest.median, "mean": nearest.mean, "unfooled": nearest.unfooled},
        "ratio of medians": found[QUICK]["median"] / nearest.median,
        "share of time": _share(rows, QUICK, "seconds"),
        "share of processor time": _share(rows, QUICK, "cpu_seconds"),
    }


def against_published(rows: dict[str, dict]) -> dict:
    """Of our LogBarrier and the published one: each summed up, how often ours is nearer, and what it takes of theirs."""
    found = _summed_up(rows)
    pairs = list(zip(rows[OURS]["distances"], rows[PUBLISHED]["distances"], strict=True))
    return {
        "attacks": found,
        "ratio of medians": found[OURS]["median"] / found[PUBLISHED]["median"],
        "nearer": sum(ours < theirs for ours, theirs in pairs) / len(pairs),
        "share of gradients": _share(rows, OURS, "gradients"),
        "share of time": _share(rows, OURS, "seconds"),
        "share of processor time": _share(rows, OURS, "cpu_seconds"),
    }


def at_radius(rows: dict[str, dict]) -> dict:
    """Of `quick` and AutoAttack at one radius: the error each shows, and how many images it alone fooled."""
    radius = rows[AUTOATTACK]["options"]["radius"]
    # AutoAttack's images may lie beyond the radius by as much as float32 rounds; then those of `quick` may too
    reach = radius * (1 + 1e-4)
    found = {name: torch.tensor(row["distances"]) for name, row in rows.items()}
    attacks = {}
    for name, other in ((QUICK, AUTOATTACK), (AUTOATTACK, QUICK)):
        attacks[name] = _told(rows[name]) | {
            "error": distances.error_at(found[name], [reach])[0],
            "alone": int(((found[name] <= reach) & (found[other] > reach)).sum()),
        }
    return {
        "radius": radius,
        "attacks": attacks,
        "share of time": _share(rows, QUICK, "seconds"),
        "share of processor time": _share(rows, QUICK, "cpu_seconds"),
    }


def _share(rows: Mapping[str, Mapping[str, float]], name: str, what: str) -> float:
    """What `name` takes in units of what all the others take together."""
    return rows[name][what] / sum(row[what] for other, row in rows.items() if other != name)


def _summed_up(rows: dict[str, dict]) -> dict[str, dict]:
    """Each attack's median, mean, failures (None among the distances), and of how many images it found the nearest, ties too."""
    nearest = [min(values) for values in zip(*(row["distances"] for row in rows.values()), strict=True)]
    found = {}
    for name, row in rows.items():
        summary = distances.summary(torch.tensor(row["distances"]))
        won = [math.isfinite(low) and d == low for d, low in zip(row["distances"], nearest, strict=True)]
        found[name] = _told(row) | {
            "median": summary.median, "mean": summary.mean, "unfooled": summary.unfooled, "wins": sum(won),
        }  # fmt: skip
    return found


def _told(row: dict) -> dict:
    """What is stored of every attack: its options, what it took, and its distances, None where it failed."""
    costs = {what: round(row[what], 2) for what in ("seconds", "cpu_seconds", "gradients", "passes")}
    stored = [float(f"{d:.6g}") if math.isfinite(d) else None for d in row["distances"]]
    return {"options": row["options"], **costs, "distances": stored}


def in_words(record: Mapping) -> list[str]:
    """The libraries' best, and the ratios and shares of a stored comparison, a line each."""
    lines = []
    for network, by_norm in record["networks"].items():
        for norm, result in by_norm.items():
            if BEST in result:
                lines.append(
                    f"{network}, {norm}: {BEST}, median {result[BEST]['median']:.4g}, mean {result[BEST]['mean']:.4g}"
                )
            shares = {what: value for what, value in result.items() if isinstance(value, float) and what != "radius"}
            lines += [f"{network}, {norm}: {what} {value:.3f}" for what, value in shares.items()]
    return lines
