"""Long measurements in batches, each finished one written whole to disk, so that a killed run loses the batch it was in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from tulip_lite import checkpoints
from tulip_lite.checks import check_counts
from tulip_lite.files import clear_leftovers


class Batches:
    """folder: of one run, made where it is missing. identity: JSON-able; what the run is, so that no other is taken for it."""

    def __init__(self, folder: Path | str, identity: dict):
        self.folder = Path(folder)
        # as it will be read back: tuples as lists; an option that JSON does not know as its text
        self.identity = json.loads(json.dumps(identity, default=repr))

    def path(self, batch: int) -> Path:
        """Where a batch is stored."""
        return self.folder / f"batch-{batch:05}.safetensors"

    def save(self, batch: int, tensors: dict[str, Tensor], **about) -> None:
        """Writes tensors and JSON-able facts, whole or not at all. OSError, saying what to do, where that is impossible."""
        checkpoints.save(self.path(batch), tensors, identity=self.identity, **about)

    def finished(self) -> dict[int, tuple[dict[str, Tensor], dict]]:
        """What `save` was given, batch by batch; {} where nothing is stored.

        ValueError, naming what differs, where the folder belongs to another run, and for a damaged file; both are left alone.
        """
        found = {}
        for path in sorted(self.folder.glob("batch-*.safetensors")):
            tensors, about = checkpoints.load(path)
            self._check(path, about.get("identity", {}))
            found[int(path.stem.removeprefix("batch-"))] = (tensors, about)
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


def columns(
    count: int,
    batch_size: int,
    compute: Callable[[slice], dict[str, Tensor]],
    store: Batches,
    *,
    progress: bool = False,
    about: str = "",
) -> tuple[dict[str, Tensor], float]:
    """The columns (count, …) that `compute` gives batch by batch, on the CPU, and the seconds that took; finished batches,
    with the seconds they took, are read from `store` instead.

    compute: which items -> a column for each name, the same names each time. about: what the progress bar says. What decides
    the batches, count and batch_size, belongs into the store's identity. ValueError where either is below 1, and as from
    `Batches.finished`.
    """
    check_counts(count=count, batch_size=batch_size)
    finished = store.finished()
    with tqdm(total=count, desc=about, disable=not progress, unit="image") as bar:
        for batch, start in enumerate(range(0, count, batch_size)):
            items = slice(start, min(start + batch_size, count))
            if batch not in finished:
                began = time.perf_counter()
                found = {name: value.detach().cpu() for name, value in compute(items).items()}
                finished[batch] = found, {"seconds": time.perf_counter() - began}
                store.save(batch, found, **finished[batch][1])
            bar.update(items.stop - items.start)
    parts = [finished[batch] for batch in sorted(finished)]
    together = {name: torch.cat([part[name] for part, _ in parts]) for name in parts[0][0]}
    return together, sum(facts["seconds"] for _, facts in parts)
