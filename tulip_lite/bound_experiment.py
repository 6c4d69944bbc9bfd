"""From a trained network to a per-image table of what its bounds need. What `python -m tulip_lite bound` does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from tulip_lite import batches, data, fingerprints, losses, measure, results
from tulip_lite.attack_experiment import check_classes, chosen
from tulip_lite.attacks import suite as suites
from tulip_lite.bound_kinds import PROVED
from tulip_lite.certified import Certifier
from tulip_lite.checks import check_not_negative
from tulip_lite.curvature import hessian_extremes
from tulip_lite.data import Split
from tulip_lite.local_constants import gradient_norm
from tulip_lite.models import evaluating
from tulip_lite.recipes import Profile, Recipe

BATCH = 50


def run(
    recipe: Recipe,
    profile: Profile,
    *,
    source: str | None = None,
    images: int = 1000,
    local: int = 100,
    seed: int = 0,
    runs: Path = Path("runs"),
    root: Path = results.RESULTS,
    progress: bool = True,
) -> Path:
    """Measures the stored network of `recipe` on test and training images, going on with what lies in `runs`, and stores the
    table.

    source: of the images, as for `data.load`; images: of how many test images, the same ones that `attack` attacks, and, where
    the network is smooth, of how many training images the curvature is taken; local: around how many of the former, those
    that come first and are classified correctly, the constants are
    searched for; the largest gradient is that over all training images. On the processor, in float32 and, for what is proved,
    in float64. Prints the largest constants; returns the file. Errors as in `attack_experiment.run`.
    """
    check_not_negative(local=local, seed=seed)
    network = results.load(recipe.name, profile.name, root)
    pictures = data.load(source or os.environ.get("TULIP_DATA") or profile.data)
    print(pictures)
    check_classes(pictures, network.card, recipe.name)
    index, for_curvature = chosen(pictures.test, images), chosen(pictures.train, images)
    model, smooth = network.model.requires_grad_(False), recipe.activation == "smooth-relu"
    x, y = Split(pictures.test.images[index], pictures.test.labels[index]).tensors()
    identity = {
        "weights": fingerprints.weights(model),
        "images": fingerprints.of({"x": x, "y": y}),
        "training_images": fingerprints.of({"x": pictures.train.images, "y": pictures.train.labels}),
        "local": local,
        "seed": seed,
    }
    path = results.bounds_path(recipe.name, profile.name, root)
    folder = runs / "bounds" / profile.name / f"{recipe.name}-{len(index)}-images-{local}-local-seed{seed}"
    seconds: dict[str, float] = {}

    def measured(name: str, count: int, size: int, compute: Callable[[slice], dict[str, Tensor]]) -> dict[str, Tensor]:
        store = batches.Batches(folder / name, {**identity, "count": count, "batch_size": size})
        found, seconds[name] = batches.columns(count, size, compute, store, progress=progress, about=name)
        return found

    columns = {
        "index": index,
        "label": y,
        "predicted": torch.cat([measure.predict(model, part) for part in x.split(250)]),
    }
    columns |= measured(
        "steepness", len(y), BATCH, lambda part: measure.steepness(model, x[part], y[part], smooth=smooth)
    )
    certifier = Certifier(model, tuple(x.shape[2:]))
    columns |= measured(PROVED, len(y), BATCH, lambda part: _proved(certifier, x[part], y[part]))
    right = (columns["predicted"] == y).nonzero()[:local, 0]
    if len(right):
        near = measured(
            "nearest", len(right), BATCH, lambda part: _attacked(model, x[right[part]], y[right[part]], seed)
        )
        # where the attack found nothing there is no radius to search in
        able = near["local_radius"].isfinite() & (near["local_radius"] > 0)
        right, x_adv, radius = right[able], near["x_adv"][able], near["local_radius"][able]
    if len(right):
        nearby = measured("nearby", len(right), 10, lambda part: measure.local_steepness(
            model, x[right[part]], y[right[part]], x_adv[part], smooth=smooth, seed=seed))  # fmt: skip
        for name, values in (nearby | {"local_radius": radius}).items():
            columns[name] = torch.full((len(y),), torch.nan, dtype=values.dtype)
            columns[name][right] = values
    constants = _constants(
        model, pictures.train, network.per_image, columns, for_curvature if smooth else None, measured
    )
    card = {
        **results.describe(recipe, profile),
        "images": len(index),
        "local": local,
        "seed": seed,
        "data": pictures.name,
        "training_images": len(pictures.train),
        "weights": identity["weights"],
        **results.provenance(),
        "seconds": {name: round(taken, 2) for name, taken in seconds.items()},
        "constants": constants,
    }
    results.save_bounds(results.Bounds(columns, constants, card), path)
    shutil.rmtree(folder)
    print(constants)
    return path


def _proved(certifier: Certifier, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    found = certifier.radius(x, y)
    return {PROVED: found.radius, "proved_lipschitz": found.lipschitz}


def _attacked(model: nn.Module, x: Tensor, y: Tensor, seed: int) -> dict[str, Tensor]:
    nearest = suites.smallest(model, x, y, "l2", seed=seed)
    return {"x_adv": nearest.x_adv, "local_radius": nearest.distance}


def _constants(
    model, train: Split, per_image, columns, for_curvature: Tensor | None, measured
) -> dict[str, dict[str, float]]:
    """The largest gradient of the margin, and curvature of the soft margin, over test and over training images;
    for_curvature: which of the latter, None for a network that is not smooth."""

    def images(part: slice | Tensor) -> tuple[Tensor, Tensor]:
        return Split(train.images[part], train.labels[part]).tensors()

    def slopes(part: slice) -> dict[str, Tensor]:
        return {"margin_gradient": gradient_norm(losses.of(model, losses.margin), *images(part))}

    def curvatures(part: slice) -> dict[str, Tensor]:
        soft = losses.of(model, losses.soft_margin, kind="logsumexp")
        return {"largest": hessian_extremes(soft, *images(for_curvature[part])).largest}

    with evaluating(model):
        gradients = measured("training gradients", len(train), 1000, slopes)["margin_gradient"]
        found = {"L": {"test": per_image["margin_gradient"].max().item(), "training": gradients.max().item()}}
        if for_curvature is not None:
            largest = measured("training curvature", len(for_curvature), BATCH, curvatures)["largest"]
            found["C"] = {"test": columns["curvature/largest"].max().item(), "training": largest.max().item()}
    return found
