"""Certificates of smoothed networks as files: smoothing/sigma-<σ>.safetensors in a network's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tulip_lite.bounds.smoothing import ABSTAIN
from tulip_lite.results import networks
from tulip_lite.results.networks import check_weights
from tulip_lite.storage import tensors
from tulip_lite.storage.files import clear_leftovers
from tulip_lite.storage.places import RESULTS

RADII = (0.0, 0.1, 0.25, 0.5)


@dataclass(frozen=True)
class Smoothing:
    """What is certified of a smoothed network on some test images; all columns (N,), on the CPU.

    Attributes:
        index: Which test images, in the data set's order.
        label: True classes.
        predicted: The smoothed network's class, or ABSTAIN.
        radius: Float64, ℓ2 pixel units; 0 where abstained.
        count: How many of the n noisy copies got the picked class.
        lower: Lower confidence bound on its probability, see `bounds.smoothing.Certified`.
        card: Provenance, sigma, n0, n, alpha, seed, seconds, data set, hash of the weights, summary.
    """

    index: Tensor
    label: Tensor
    predicted: Tensor
    radius: Tensor
    count: Tensor
    lower: Tensor
    card: dict

    def accuracy(self, radii: Sequence[float]) -> list[float]:
        """Certified accuracy, in [0, 1], at each radius, ℓ2 pixel units: the share of images to which the smoothed network gives
        the right class, with a certificate that reaches farther. At 0 it is its clean accuracy, abstentions counted as wrong."""
        right = self.predicted == self.label
        return [(right & (self.radius > radius)).double().mean().item() for radius in radii]

    def summary(self) -> dict[str, Any]:
        """`images` and `abstained`, how many; `mean_radius`, 0 where wrong or abstained; `certified_accuracy` at RADII."""
        right = self.predicted == self.label
        return {
            "images": len(self.index),
            "abstained": int((self.predicted == ABSTAIN).sum()),
            "mean_radius": torch.where(right, self.radius, 0.0).mean().item(),
            "certified_accuracy": {f"{r:g}": share for r, share in zip(RADII, self.accuracy(RADII), strict=True)},
        }


def save(found: Smoothing, path: Path) -> Path:
    """Writes one file of certificates, whole or not at all, and returns its path.

    Raises:
        OSError: Saying what to do, where it cannot.
    """
    columns = {name: getattr(found, name) for name in ("index", "label", "predicted", "radius", "count", "lower")}
    clear_leftovers(path)
    tensors.save(path, columns, card=found.card)
    return path


def path_of(recipe_name: str, sigma: float, profile: str = "pocket", root: Path = RESULTS) -> Path:
    """Where the certificates of a network smoothed with σ are."""
    return root / profile / recipe_name / "smoothing" / f"sigma-{sigma:g}.safetensors"


def load(recipe_name: str, sigma: float, profile: str = "pocket", root: Path = RESULTS) -> Smoothing:
    """The certificates of a recipe's network, smoothed with σ.

    Raises:
        ValueError: For an unknown recipe or profile, a damaged file, or a network whose weights are no longer those
            certified.
        FileNotFoundError: Where it was not certified yet, with the command that does it.
    """
    model = networks.load(recipe_name, profile, root).model
    path = path_of(recipe_name, sigma, profile, root)
    command = f"python -m tulip_lite certify {recipe_name} --profile {profile} --sigma {sigma:g}"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: certify the network with `{command}`")
    columns, about = tensors.load(path)
    try:
        found = Smoothing(**columns, card=about["card"])
        found.card["weights"]
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path} lacks a column ({error}): restore it with git, or certify again with `{command}`"
        ) from error
    check_weights(found.card, model, path, recipe_name, f"certify again with `{command}`")
    return found
