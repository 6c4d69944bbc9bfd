"""The kinds of lower bound that one table of measurements yields, and on how many images each is refuted by an attack.

A bound needs a constant. What is called a *kind* here is where the constant came from, and with it what the bound is worth: a
maximum over some images, or a search around the image, is an estimate, and the bound may fail; only `PROVED` cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tulip_lite.bounds import columns as names
from tulip_lite.bounds import formulas
from tulip_lite.bounds.columns import PROVED
from tulip_lite.intervals import share

# kind -> the constant: of all images ("test", "training") or of each image (a column of the table)
LIPSCHITZ = {
    "L, test images": "test",
    "L, training images": "training",
    "L, sampled nearby": names.LIPSCHITZ_SAMPLED,
    "L, CLEVER": names.LIPSCHITZ_CLEVER,
    "L, ascended nearby": names.LIPSCHITZ_ASCENDED,
}
CURVATURE = {
    "C, test images": "test",
    "C, training images": "training",
    "C, sampled nearby": names.CURVATURE_SAMPLED,
    "C, ascended nearby": names.CURVATURE_ASCENDED,
}


def lower_bounds(columns: Mapping[str, Tensor], constants: Mapping[str, Mapping[str, float]]) -> dict[str, Tensor]:
    """kind -> bound (N,) on the ℓ2 adversarial distance, pixel units; NaN where its constant was not measured.

    Args:
        columns: Of `columns.steepness` and `local_steepness` (NaN, or no column, where not measured), and `proved`.
        constants: {``"L"``: {``"test"``: …, ``"training"``: …}, ``"C"``: …}, the largest over those images; without
            ``"C"``, or without soft columns, there are no C-bounds.

    Raises:
        ValueError: From the formulas, for constants that are not positive.
    """
    found = {}
    for kind, source in LIPSCHITZ.items():
        found[kind] = _where_known(
            lambda constant, gap: formulas.lipschitz_bound(gap, constant),
            columns.get(source, constants["L"].get(source, torch.nan)), -columns[names.MARGIN],
        )  # fmt: skip
    if names.SOFT_MARGIN in columns and "C" in constants:
        for kind, source in CURVATURE.items():
            found[kind] = _where_known(
                lambda constant, gap, slope: formulas.curvature_bound(gap, slope, constant),
                columns.get(source, constants["C"].get(source, torch.nan)),
                -columns[names.SOFT_MARGIN], columns[names.SOFT_MARGIN_SLOPE],
            )  # fmt: skip
    found[PROVED] = columns[PROVED]
    return found


def _where_known(bound, constant: Tensor | float, gap: Tensor, *others: Tensor) -> Tensor:
    constant = torch.as_tensor(constant, dtype=gap.dtype).expand_as(gap)
    known = ~constant.isnan()
    found = torch.full_like(gap, torch.nan)
    found[known] = bound(constant[known], gap[known], *(values[known] for values in others))
    return found


@dataclass(frozen=True)
class Failures:
    """On how many images a bound exceeds the distance of a known adversarial image, which refutes it.

    The attack may have missed nearer images, so the true share is at least the measured one.

    Attributes:
        images: Those where the bound was computed and the network is right.
        refuted: Those among them where the bound exceeds the distance.
        low: Lower end of the exact 95 % confidence interval (Clopper & Pearson 1934) of the share, for images drawn like
            these.
        high: Its upper end.
        mean: Of the bound, pixel units.
    """

    images: int
    refuted: int
    low: float
    high: float
    mean: float


def failures(bound: Tensor, distance: Tensor) -> Failures:
    """On how many images bounds (N,), NaN where not computed, exceed the distances (N,) of the nearest images known.

    A distance is ∞ where no adversarial image was found.

    Images with distance 0 are left out: there is nothing to promise.

    Raises:
        ValueError: Where no image is left, or for distances that are negative or NaN.
        ImportError: Without scipy.
    """
    if not (distance >= 0).all():
        raise ValueError("distances must be ≥ 0 (∞ where no adversarial image was found), got NaN or a negative one")
    counted = (distance > 0) & ~bound.isnan()
    if not counted.any():
        raise ValueError("there is no image that the network gets right and whose bound was computed")
    # a bound is attained by some losses, so that equality up to float32's rounding refutes nothing
    refuted = int((bound > distance * (1 + 1e-6))[counted].sum())
    images = int(counted.sum())
    return Failures(images, refuted, *share(refuted, images), bound[counted].double().mean().item())
