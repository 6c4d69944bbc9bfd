"""Six small images with attacks and bounds that hold every case: misclassified, never fooled, refuted, not computed, zero."""

import math

import torch

from tulip_lite.attacks.adversarial import Adversarial
from tulip_lite.widgets.promises import PromisesExplorer

CLASSES = ("red", "green", "blue", "grey")
DISTANCES = {
    "first": (0.31, math.inf, 0.12, 0.0, 0.55, 0.2),
    "second": (0.9, 0.7, 1.5, 0.6, 1.1, 0.8),
}
LOWER = {
    "first": {
        "bold": (0.3, 0.8, 0.24, 0.0, 0.56, 0.2),  # refuted on images 2 and 4; on 5 it equals the distance
        "sampled": (0.1, 0.3, math.nan, 0.0, 0.6, 0.1),  # refuted on image 4
        "proof": (0.002, 0.005, 0.001, 0.0, 0.004, 0.0),
    },
    "second": {
        "bold": (0.5, 0.6, 0.7, 0.5, 0.6, 0.7),
        "proof": (0.02, 0.03, 0.04, 0.05, 0.06, 0.07),
        "slope": (1.0, 0.2, 0.3, 0.4, 0.5, 0.6),  # refuted on image 0
    },
}
PROOFS = ("proof",)


def ingredients(size: int = 8) -> dict:
    """What `PromisesExplorer.of` takes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(6, 3, size, size, generator=generator)
    y = torch.tensor([0, 1, 2, 3, 0, 1])
    found, predicted = {}, {}
    for name, distances in DISTANCES.items():
        distance = torch.tensor(distances)
        x_adv = (x + 0.1 * torch.randn(x.shape, generator=generator)).clamp(0, 1)
        untouched = (distance == 0) | distance.isinf()
        x_adv[untouched] = x[untouched]
        attack = tuple("clean" if d == 0 else "" if math.isinf(d) else f"{name} attack" for d in distances)
        found[name] = Adversarial(x_adv, distance, attack)
        predicted[name] = torch.where(distance.isinf(), y, (y + 1) % len(CLASSES))
    lower = {name: {kind: torch.tensor(values) for kind, values in kinds.items()} for name, kinds in LOWER.items()}
    return {
        "x": x,
        "y": y,
        "classes": CLASSES,
        "found": found,
        "lower": lower,
        "proofs": PROOFS,
        "predicted": predicted,
    }


def small_promises(**options: object) -> PromisesExplorer:
    return PromisesExplorer.of(**(ingredients() | options))
