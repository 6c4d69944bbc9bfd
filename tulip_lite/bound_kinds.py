"""The kinds of lower bound that one table of measurements yields, and on how many images each is refuted by an attack.

A bound needs a constant. What is called a *kind* here is where the constant came from, and with it what the bound is worth: a
maximum over some images, or a search around the image, is an estimate, and the bound may fail; only `PROVED` cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tulip_lite import bounds

PROVED = "proved"
# kind -> the constant: of all images ("test", "training") or of each image (a column of the table)
LIPSCHITZ = {
    "L, test images": "test",
    "L, training images": "training",
    "L, sampled nearby": "lipschitz/sampled",
    "L, CLEVER": "lipschitz/clever",
    "L, ascended nearby": "lipschitz/ascended",
}
CURVATURE = {
    "C, test images": "test",
    "C, training images": "training",
    "C, sampled nearby": "curvature/sampled",
    "C, ascended nearby": "curvature/ascended",
}


def lower_bounds(columns: Mapping[str, Tensor], constants: Mapping[str, Mapping[str, float]]) -> dict[str, Tensor]:
    """kind -> bound (N,) on the ℓ2 adversarial distance, pixel units; NaN where its constant was not measured.

    columns: of `measure.steepness` and `local_steepness` (NaN, or no column, where not measured), and `proved`; constants: {"L":
    {"test": …, "training": …}, "C": …}, the largest over those images; without "C", or without soft columns, there are no
    C-bounds.
    ValueError, from the formulas, for constants that are not positive.
    """
    found = {}
    for kind, source in LIPSCHITZ.items():
        found[kind] = _where_known(
            lambda constant, gap: bounds.lipschitz_bound(gap, constant),
            columns.get(source, constants["L"].get(source, torch.nan)), -columns["margin"],
        )  # fmt: skip
    if "soft_margin" in columns and "C" in constants:
        for kind, source in CURVATURE.items():
            found[kind] = _where_known(
                lambda constant, gap, slope: bounds.curvature_bound(gap, slope, constant),
                columns.get(source, constants["C"].get(source, torch.nan)),
                -columns["soft_margin"], columns["soft_margin_gradient/l2"],
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

    images: those where the bound was computed and the network is right; refuted: among them; low, high: the exact 95 %
    confidence interval (Clopper & Pearson 1934) of the share, for images drawn like these; mean: of the bound, pixel units.
    The attack may have missed nearer images, so the true share is at least the measured one.
    """

    images: int
    refuted: int
    low: float
    high: float
    mean: float


def failures(bound: Tensor, distance: Tensor) -> Failures:
    """Of bounds (N,), NaN where not computed, against distances (N,) of the nearest known adversarial images, ∞ where none
    was found.

    Images with distance 0 are left out: there is nothing to promise. ValueError where no image is left, or for distances that
    are negative or NaN; ImportError without scipy.
    """
    try:
        from scipy.stats import binomtest
    except ImportError as error:
        raise ImportError("confidence intervals come from scipy: pip install 'tulip_lite[attacks]'") from error
    if not (distance >= 0).all():
        raise ValueError("distances must be ≥ 0 (∞ where no adversarial image was found), got NaN or a negative one")
    counted = (distance > 0) & ~bound.isnan()
    if not counted.any():
        raise ValueError("there is no image that the network gets right and whose bound was computed")
    # a bound is attained by some losses, so that equality up to float32's rounding refutes nothing
    refuted = int((bound > distance * (1 + 1e-6))[counted].sum())
    images = int(counted.sum())
    interval = binomtest(refuted, images).proportion_ci()
    return Failures(images, refuted, float(interval.low), float(interval.high), bound[counted].double().mean().item())
