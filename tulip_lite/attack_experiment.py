"""From a trained network to a file of adversarial distances. What `python -m tulip_lite attack` does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch

from tulip_lite import data, distances, fingerprints, measure, results
from tulip_lite.attacks import suite as suites
from tulip_lite.data import Dataset, Split
from tulip_lite.recipes import Profile, Recipe
from tulip_lite.training import default_device


def run(
    recipe: Recipe,
    profile: Profile,
    norm: str,
    suite: str,
    *,
    source: str | None = None,
    images: int = 1000,
    seed: int = 0,
    warm: bool = True,
    batch_size: int = 250,
    device: str | None = None,
    runs: Path = Path("runs"),
    root: Path = results.RESULTS,
    progress: bool = True,
) -> Path:
    """Attacks the stored network of `recipe` on test images, going on with what lies in `runs`, and stores the distances.

    source: of the images, as for `data.load`; by default TULIP_DATA, else the profile's. images: how many of them, see `chosen`.
    The other arguments are those of `suite.run` and `results.save_attacks`. Prints what was found; returns the file.
    ValueError, besides theirs, for images of other classes than the network was trained on.
    """
    network = results.load(recipe.name, profile.name, root)
    pictures = data.load(source or os.environ.get("TULIP_DATA") or profile.data)
    print(pictures)
    check_classes(pictures, network.card, recipe.name)
    index = chosen(pictures.test, images)
    origin = results.provenance()
    device = torch.device(device) if device else default_device()
    model = network.model.to(device=device, memory_format=torch.channels_last)
    x, y = Split(pictures.test.images[index], pictures.test.labels[index]).to(device).tensors()
    path = results.attacks_path(recipe.name, norm, suite, profile.name, warm=warm, root=root)
    folder = runs / "attacks" / profile.name / f"{recipe.name}-{path.stem}-{len(index)}-images-seed{seed}"
    report = suites.run(
        model, x, y, norm, suite, warm=warm, batch_size=batch_size, seed=seed, folder=folder, progress=progress
    )
    found = distances.summary(report.best.distance)
    card = {
        **results.describe(recipe, profile),
        "norm": norm,
        "suite": suite,
        "stages": [
            {"name": s.name, "attack": s.attack, "options": dict(s.options)} for s in suites.stages_of(suite, norm)
        ],
        "warm": warm,
        "seed": seed,
        "batch_size": batch_size,
        "images": len(index),
        "data": pictures.name,
        "weights": fingerprints.weights(model),
        **origin,
        "seconds": {name: round(seconds, 2) for name, seconds in report.seconds.items()},
        "wins": report.wins(),
        "summary": vars(found),
    }
    predicted = torch.cat([measure.predict(model, part) for part in x.split(batch_size)])
    stored = results.Attacks(
        index, y.cpu(), predicted.cpu(), report.best.distance.cpu(), report.best.attack,
        {name: values.cpu() for name, values in report.distances.items()}, card,
    )  # fmt: skip
    results.save_attacks(stored, path)
    # a finished run has nothing to go on with: the same command is to measure again, with the code as it is then
    shutil.rmtree(folder)
    print(describe(report))
    return path


def chosen(test: Split, count: int) -> torch.Tensor:
    """Which `count` of the test images (N,) are attacked: always the same ones, of each class as many up to one.

    All of them, in their order, where there are not more. Not the first ones: an image folder is sorted by class.
    ValueError for a count below 1, and where a class has too few.
    """
    if count < 1:
        raise ValueError(f"at least one image must be attacked, got {count}")
    everything = torch.arange(len(test))
    return everything if count >= len(test) else Split(everything, test.labels.cpu()).subset(count).images


def describe(report: suites.Report) -> str:
    """What a run found, a line an attack: its median distance, how often it found the nearest image, its seconds an image."""
    wins, count = report.wins(), len(report.best.distance)
    width = max(map(len, report.distances))
    lines = [
        f"{name:{width}}  median {distances.summary(distance).median:.4g}  nearest for {wins[name]}"
        f"  {report.seconds[name] / count:.3f} s an image"
        for name, distance in report.distances.items()
    ]
    return "\n".join([*lines, f"together: {distances.summary(report.best.distance)}"])


def check_classes(pictures: Dataset, card: dict, name: str) -> None:
    """The images must be of the classes that the network called `name`, with that card, was trained on. ValueError otherwise."""
    if list(pictures.classes) != card["classes"]:
        raise ValueError(
            f"{name} was trained on {card['data']} with the classes {', '.join(card['classes'])}; {pictures.name} has "
            f"{', '.join(pictures.classes)}: name its images with --data or TULIP_DATA"
        )
