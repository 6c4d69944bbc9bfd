"""The finished batches of a suite's run on disk, each written whole, so that a killed run loses the batch it was in."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from tulip_lite import checkpoints
from tulip_lite.attacks.adversarial import Adversarial
from tulip_lite.files import clear_leftovers


class Store:
    """folder: of one run, made where it is missing. identity: JSON-able; what the run is, so that no other is taken for it."""

    def __init__(self, folder: Path | str, identity: dict):
        self.folder = Path(folder)
        # as it will be read back: tuples as lists; an option that JSON does not know as its text
        self.identity = json.loads(json.dumps(identity, default=repr))

    def path(self, batch: int) -> Path:
        """Where a batch is stored."""
        return self.folder / f"batch-{batch:05}.safetensors"

    def save(self, batch: int, best: Adversarial, distances: dict[str, Tensor], seconds: dict[str, float]) -> None:
        """Writes what was found for a batch, whole or not at all. OSError, saying what to do, where that is impossible."""
        tensors = {"x_adv": best.x_adv, "distance": best.distance}
        tensors |= {f"distance/{name}": values for name, values in distances.items()}
        checkpoints.save(self.path(batch), tensors, identity=self.identity, attack=best.attack, seconds=seconds)

    def finished(self, device: torch.device) -> dict[int, tuple[Adversarial, dict[str, Tensor], dict[str, float]]]:
        """What `save` was given, batch by batch, on `device`; {} where nothing is stored.

        ValueError, naming what differs, where the folder belongs to another run, and for a damaged file; both are left alone.
        """
        found = {}
        for path in sorted(self.folder.glob("batch-*.safetensors")):
            tensors, about = checkpoints.load(path)
            self._check(path, about.get("identity", {}))
            tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
            best = Adversarial(tensors["x_adv"], tensors["distance"], tuple(about["attack"]))
            # in the order of the stages, which a file of tensors does not keep
            distances = {name: tensors[f"distance/{name}"] for name in about["seconds"]}
            batch = int(path.stem.removeprefix("batch-"))
            found[batch] = (best, distances, about["seconds"])
        # batches are finished in order; a writer can be killed before its file is in place, and just after
        for batch in range(len(found) + 1):
            clear_leftovers(self.path(batch))
        return found

    def _check(self, path: Path, theirs: dict) -> None:
        for key, value in self.identity.items():
            if theirs.get(key) != value:
                raise ValueError(
                    f"{path} belongs to another run: its {key} was {theirs.get(key)}, now it is {value}. Choose another "
                    f"folder, or delete {self.folder} to start again"
                )
