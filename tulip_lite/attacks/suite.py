"""Several attacks, one after another, and for each image the nearest of what they found.

Cheap attacks come first; those that can begin at a known adversarial image begin at the nearest one found so far. Every batch
draws from seeds of its own and is stored when it is finished, so a killed run ends where the unbroken one would have.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from tulip_lite.attacks.adversarial import CLEAN, Adversarial, attacking, judged, nearer
from tulip_lite.attacks.stages import ATTACKS, Stage, stages_of
from tulip_lite.attacks.stages import SUITES as SUITES
from tulip_lite.attacks.stages import Attack as Attack
from tulip_lite.checks import check_images
from tulip_lite.storage import fingerprints
from tulip_lite.storage.unfinished import Batches


@dataclass(frozen=True)
class Report:
    """What a suite found.

    Attributes:
        best: For each image the nearest of all; its `attack` names the stage that found it.
        distances: stage -> (N,), ∞ where it failed; where attacks help each other, of the nearest image found by then.
        seconds: stage -> wall time.
    """

    best: Adversarial
    distances: dict[str, Tensor]
    seconds: dict[str, float]

    def wins(self) -> dict[str, int]:
        """Of how many images each stage found the nearest; ``"clean"``: wrong unperturbed, ``""``: never fooled."""
        return {name: self.best.attack.count(name) for name in (*self.distances, CLEAN, "")}


class Store(Batches):
    """The finished batches of a suite's run on disk."""

    def put(self, batch: int, report: Report) -> None:
        """Writes what was found for a batch, whole or not at all.

        Raises:
            OSError: Saying what to do, where that is impossible.
        """
        columns = {"x_adv": report.best.x_adv, "distance": report.best.distance}
        columns |= {f"distance/{name}": values for name, values in report.distances.items()}
        self.save(batch, columns, attack=report.best.attack, seconds=report.seconds)

    def taken(self, device: torch.device) -> dict[int, Report]:
        """What `put` was given, batch by batch, on `device`.

        Raises:
            ValueError: As from `finished`.
        """
        found = {}
        for batch, (columns, about) in self.finished().items():
            columns = {name: column.to(device) for name, column in columns.items()}
            best = Adversarial(columns["x_adv"], columns["distance"], tuple(about["attack"]))
            # in the order of the stages, which a file of tensors does not keep
            distances = {name: columns[f"distance/{name}"] for name in about["seconds"]}
            found[batch] = Report(best, distances, about["seconds"])
        return found


def smallest(model: nn.Module, x: Tensor, y: Tensor, norm: str = "l2", suite: str | Sequence[Stage] = "quick", **how):
    """The nearest adversarial image that a suite finds for each image: `run(…).best`, with the same arguments."""
    return run(model, x, y, norm, suite, **how).best


def run(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str = "l2",
    suite: str | Sequence[Stage] = "quick",
    *,
    warm: bool = True,
    batch_size: int = 250,
    seed: int = 0,
    folder: Path | str | None = None,
    progress: bool = False,
) -> Report:
    """Attacks every image with every stage of a suite.

    Args:
        x: (N, C, H, W) in [0, 1].
        y: (N,).
        norm: ``"l2"`` or ``"linf"``.
        suite: A name in SUITES or stages.
        warm: Each stage begins at the nearest image found so far (else it stands alone, and its distances are its own).
        seed: With the batch and the stage's name it decides every random number.
        folder: Each finished batch is written there, and a run that was stopped goes on.

    Returns:
        A `Report` on x's device, in x's type.

    Raises:
        ValueError, TypeError: For bad images, labels, norm, suite or model.
        ValueError: Where the folder belongs to another run (it is left alone).
    """
    stages = stages_of(suite, norm)
    if batch_size < 1 or seed < 0:
        raise ValueError(f"batch_size must be at least 1 and seed at least 0, got {batch_size} and {seed}")
    check_images(x)
    if len(y) != len(x):
        raise ValueError(f"labels must have shape ({len(x)},), got {tuple(y.shape)}")
    batches = list(zip(x.split(batch_size), y.split(batch_size), strict=True))
    # before any attack: a bad label in the last batch is not to be found out after an hour
    unperturbed = [_unperturbed(model, *batch, norm) for batch in batches]
    store = Store(folder, _identity(model, x, y, norm, stages, warm, batch_size, seed)) if folder is not None else None
    parts = store.taken(x.device) if store else {}
    with tqdm(total=len(batches) * len(stages), disable=not progress, unit="attack") as bar:
        bar.update(len(parts) * len(stages))
        for i, batch in enumerate(batches):
            if i not in parts:
                parts[i] = _attack(model, *batch, norm, stages, warm, (seed, i), unperturbed[i], bar)
                if store:
                    store.put(i, parts[i])
    return _joined([parts[i] for i in range(len(batches))])


def _unperturbed(model: nn.Module, x: Tensor, y: Tensor, norm: str) -> Adversarial:
    with attacking(model, x, y) as (clean, _):
        return judged(model, clean, y, clean, norm, "")


def _attack(model, x, y, norm, stages, warm, seed, best, bar) -> Report:
    distances, seconds = {}, {}
    for stage in stages:
        bar.set_postfix_str(stage.name)
        began = time.perf_counter()
        found = ATTACKS[stage.attack].run(
            model, x, y, norm, start=best if warm else None, seed=_seed(seed[0], seed[1], stage.name), **stage.options
        )
        seconds[stage.name] = time.perf_counter() - began
        names = tuple(stage.name if name not in (CLEAN, "") else name for name in found.attack)
        best = nearer(best, found._replace(attack=names))
        distances[stage.name] = (best if warm else found).distance.clone()
        bar.update()
    return Report(best, distances, seconds)


def _seed(seed: int, batch: int, name: str) -> int:
    # by name, so that what comes before a stage does not change its draws; 32 bits, which is what numpy's generators take
    return int(np.random.SeedSequence([seed, batch, zlib.crc32(name.encode())]).generate_state(1)[0])


def _identity(model, x, y, norm, stages, warm, batch_size, seed) -> dict:
    """What must be the same for a run to be continued."""
    return {
        "stages": [[stage.name, stage.attack, dict(stage.options)] for stage in stages],
        "norm": norm,
        "warm": warm,
        "batch_size": batch_size,
        "seed": seed,
        "weights": fingerprints.weights(model),
        "architecture": fingerprints.architecture(model),
        "images": fingerprints.of({"x": x, "y": y}),
    }


def _joined(parts: Sequence[Report]) -> Report:
    best = Adversarial(
        torch.cat([part.best.x_adv for part in parts]),
        torch.cat([part.best.distance for part in parts]),
        tuple(name for part in parts for name in part.best.attack),
    )
    return Report(
        best,
        {name: torch.cat([part.distances[name] for part in parts]) for name in parts[0].distances},
        {name: sum(part.seconds[name] for part in parts) for name in parts[0].seconds},
    )
