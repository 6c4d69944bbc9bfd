"""Long runs that go on after they were stopped: a training's checkpoint, and measurements batch by batch.

What is stored says what run it belongs to, its identity; another run leaves it alone and says what differs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from tulip_lite.checks import check_counts
from tulip_lite.storage.files import clear_leftovers
from tulip_lite.storage.tensors import load, load_weights, save


def difference(theirs: Mapping, ours: Mapping) -> str | None:
    """What tells a stored run from the present one, in words; None where it is the same. Both: identities."""
    for key, value in ours.items():
        if theirs.get(key) != value:
            return f"its {key} was {theirs.get(key)}, now it is {value}"
    return None


def _check_same(path: Path, theirs: Mapping, ours: Mapping, remedy: str) -> None:
    if differs := difference(theirs, ours):
        raise ValueError(f"{path} belongs to another run: {differs}. {remedy} to start again")


class Checkpoint:
    """The checkpoint of one training run: weights, momentum, schedule, history, and what run it belongs to."""

    def __init__(self, folder: Path, identity: dict):
        self.path = Path(folder) / "checkpoint.safetensors"
        self.identity = identity

    def save(self, model: nn.Module, optimizer: torch.optim.SGD, rate, history: list[dict]) -> None:
        """Writes the state after an epoch, whole or not at all.

        Args:
            rate: The scheduler.
        """
        state = {f"model.{name}": value for name, value in model.state_dict().items()}
        for name, parameter in model.named_parameters():
            momentum = optimizer.state[parameter].get("momentum_buffer")
            if momentum is not None:
                state[f"momentum.{name}"] = momentum
        save(self.path, state, identity=self.identity, history=history, rate=rate.state_dict())

    def restore(self, model: nn.Module, optimizer: torch.optim.SGD, rate) -> list[dict]:
        """Puts the stored state into the three and returns the history; [] where nothing is stored."""
        clear_leftovers(self.path)
        if not self.path.exists():
            return []
        state, about = load(self.path)
        _check_same(
            self.path, about.get("identity", {}), self.identity, "Choose another run folder, or delete this one"
        )
        weights = {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")}
        load_weights(model, weights, self.path)
        rate.load_state_dict(about["rate"])
        # SGD steps in the scheduler's rate from here on; loading a scheduler does not set it
        optimizer.param_groups[0]["lr"] = about["rate"]["_last_lr"][0]
        for name, parameter in model.named_parameters():
            if f"momentum.{name}" in state:
                momentum = state[f"momentum.{name}"].to(parameter.device)
                optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(momentum)
        return about["history"]


class Batches:
    """The finished batches of one measurement, each in a file of its own.

    Args:
        folder: Of one run, made where it is missing.
        identity: JSON-able; what the run is, so that no other is taken for it.
    """

    def __init__(self, folder: Path | str, identity: dict):
        self.folder = Path(folder)
        # as it will be read back: tuples as lists; an option that JSON does not know as its text
        self.identity = json.loads(json.dumps(identity, default=repr))

    def path(self, batch: int) -> Path:
        """Where a batch is stored."""
        return self.folder / f"batch-{batch:05}.safetensors"

    def save(self, batch: int, columns: dict[str, Tensor], **about) -> None:
        """Writes columns and JSON-able facts, whole or not at all.

        Raises:
            OSError: Saying what to do, where that is impossible.
        """
        save(self.path(batch), columns, identity=self.identity, **about)

    def finished(self) -> dict[int, tuple[dict[str, Tensor], dict]]:
        """What `save` was given, batch by batch; {} where nothing is stored.

        Raises:
            ValueError: Naming what differs, where the folder belongs to another run, and for a damaged file; both are left
                alone.
        """
        found = {}
        for path in sorted(self.folder.glob("batch-*.safetensors")):
            stored, about = load(path)
            remedy = f"Choose another folder, or delete {self.folder}"
            _check_same(path, about.get("identity", {}), self.identity, remedy)
            found[int(path.stem.removeprefix("batch-"))] = (stored, about)
        # batches are finished in order; a writer can be killed before its file is in place, and just after
        for batch in range(len(found) + 1):
            clear_leftovers(self.path(batch))
        return found


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

    What decides the batches, count and batch_size, belongs into the store's identity.

    Args:
        compute: Which items -> a column for each name, the same names each time.
        about: What the progress bar says.

    Raises:
        ValueError: Where either is below 1, and as from `Batches.finished`.
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
