"""The finished batches of a suite's run on disk."""

from __future__ import annotations

import torch
from torch import Tensor

from tulip_lite.attacks.adversarial import Adversarial
from tulip_lite.batches import Batches


class Store(Batches):
    """Batches of what a suite found: the nearest images, each stage's distances, and the seconds it took."""

    def put(self, batch: int, best: Adversarial, distances: dict[str, Tensor], seconds: dict[str, float]) -> None:
        """Writes what was found for a batch, whole or not at all. OSError, saying what to do, where that is impossible."""
        tensors = {"x_adv": best.x_adv, "distance": best.distance}
        tensors |= {f"distance/{name}": values for name, values in distances.items()}
        self.save(batch, tensors, attack=best.attack, seconds=seconds)

    def taken(self, device: torch.device) -> dict[int, tuple[Adversarial, dict[str, Tensor], dict[str, float]]]:
        """What `put` was given, batch by batch, on `device`. ValueError as from `finished`."""
        found = {}
        for batch, (tensors, about) in self.finished().items():
            tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
            best = Adversarial(tensors["x_adv"], tensors["distance"], tuple(about["attack"]))
            # in the order of the stages, which a file of tensors does not keep
            distances = {name: tensors[f"distance/{name}"] for name in about["seconds"]}
            found[batch] = (best, distances, about["seconds"])
        return found
