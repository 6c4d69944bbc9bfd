"""The playground's plane: its square, and the data sets of points in it."""

from __future__ import annotations

import numpy
import torch
from torch import Tensor

EDGE = 1.4  # the picture is the square |x|, |y| ≤ EDGE, as in maths.mjs


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
    """Points of a data set. Some of the training labels are wrong (`DATA`).

    Args:
        data: a name in `DATA`.
        seed: of the random numbers.

    Returns:
        {"train": 120 points, "test": 200}, each [x, y, label] within ±1.05.

    Raises:
        ValueError: a name that is not in `DATA`.
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


def tensors(data: list[list[float]]) -> tuple[Tensor, Tensor]:
    """Points [x, y, label] as (B, 2) in float64 and labels (B,)."""
    table = torch.tensor(data, dtype=torch.float64)
    return table[:, :2], table[:, 2].long()
