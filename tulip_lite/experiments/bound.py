"""From a trained network to a per-image table of what its bounds need. What `python -m tulip_lite bound` does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tulip_lite import losses, measure, results
from tulip_lite.attacks import suite as suites
from tulip_lite.bounds.columns import CURVATURE_LARGEST, PROVED, PROVED_LIPSCHITZ, local_steepness, steepness
from tulip_lite.bounds.proved import Certifier
from tulip_lite.checks import check_not_negative
from tulip_lite.curvature import hessian_extremes
from tulip_lite.data import Split
from tulip_lite.experiments import setting
from tulip_lite.experiments.setting import Setting
from tulip_lite.gradients import gradient_norm
from tulip_lite.models import evaluating
from tulip_lite.results import bounds as stored
from tulip_lite.storage import fingerprints, unfinished

BATCH = 50

Columns = dict[str, Tensor]


def run(
    recipe: setting.RECIPE,
    /,
    *,
    profile: setting.PROFILE = setting.POCKET,
    images: setting.WHOLE = 1000,
    local: setting.WHOLE = 100,
    source: setting.SOURCE = None,
    seed: setting.WHOLE = 0,
    threads: setting.THREADS = None,
    runs: setting.RUNS = Path("runs"),
    root: setting.ROOT = results.RESULTS,
    progress: setting.PROGRESS = True,
) -> Path:
    """Measures what the bounds of a trained network need; a killed run goes on from its last finished batch.

    On the processor, in float32 and, for what is proved, in float64. The largest gradient is that over all training images.
    Prints the largest constants.

    Args:
        images: Of how many test images, those that are attacked too, and, where the network is smooth, of how many training
            images the curvature is taken.
        local: Around how many of the former, those that come first and are classified correctly, L and C are searched for.
        seed: Of the searches.

    Returns:
        The file.

    Raises:
        ValueError: For images of other classes than the network was trained on, or an unfinished run of other options.
        FileNotFoundError: Where no network is stored.
    """
    check_not_negative(local=local, seed=seed)
    setting.use(threads)
    here = Setting.of(recipe, profile, source, images, device="cpu", root=root)
    here.network.model.requires_grad_(False).to(memory_format=torch.contiguous_format)
    train, smooth = here.pictures.train, recipe.activation == "smooth-relu"
    for_curvature = setting.chosen(train, images) if smooth else None
    identity = {
        "weights": fingerprints.weights(here.network.model),
        "images": fingerprints.of({"x": here.x, "y": here.y}),
        "training_images": fingerprints.of({"x": train.images, "y": train.labels}),
        "local": local,
        "seed": seed,
    }
    folder = here.folder(runs, "bounds", f"{len(here.index)}-images-{local}-local-seed{seed}")
    measuring = _Measuring(folder, identity, progress)
    columns = _columns(here, measuring, smooth)
    columns |= _nearby(here, measuring, columns, local, seed, smooth)
    constants = _constants(here, measuring, columns, for_curvature)
    seconds = {name: round(taken, 2) for name, taken in measuring.seconds.items()}
    card = here.card(local=local, seed=seed, training_images=len(train), seconds=seconds, constants=constants)
    path = stored.bounds_path(recipe.name, profile.name, root)
    stored.save_bounds(stored.Bounds(columns, constants, card), path)
    shutil.rmtree(folder)
    print(constants)
    return path


@dataclass
class _Measuring:
    """Measures in batches that are stored as they finish, and notes the seconds each measurement took."""

    folder: Path
    identity: dict[str, Any]
    progress: bool
    seconds: dict[str, float] = field(default_factory=dict)

    def __call__(self, name: str, count: int, size: int, compute: Callable[[slice], Columns]) -> Columns:
        store = unfinished.Batches(self.folder / name, {**self.identity, "count": count, "batch_size": size})
        found, self.seconds[name] = unfinished.columns(count, size, compute, store, progress=self.progress, about=name)
        return found


def _columns(here: Setting, measured: _Measuring, smooth: bool) -> Columns:
    """What is measured at every image."""
    model, x, y = here.network.model, here.x, here.y
    predicted = torch.cat([measure.predict(model, part) for part in x.split(250)])
    columns = {"index": here.index, "label": y, "predicted": predicted}
    columns |= measured("steepness", len(y), BATCH, lambda part: steepness(model, x[part], y[part], smooth=smooth))
    certifier = Certifier(model, (x.shape[2], x.shape[3]))
    return columns | measured(PROVED, len(y), BATCH, lambda part: _proved(certifier, x[part], y[part]))


def _proved(certifier: Certifier, x: Tensor, y: Tensor) -> Columns:
    found = certifier.radius(x, y)
    return {PROVED: found.radius, PROVED_LIPSCHITZ: found.lipschitz}


def _nearby(here: Setting, measured: _Measuring, columns: Columns, local: int, seed: int, smooth: bool) -> Columns:
    """Constants searched for around the first `local` images that are classified correctly; NaN for all others."""
    model, x, y = here.network.model, here.x, here.y
    right = (columns["predicted"] == y).nonzero()[:local, 0]
    if not len(right):
        return {}
    near = measured("nearest", len(right), BATCH, lambda part: _attacked(model, x[right[part]], y[right[part]], seed))
    # where the attack found nothing there is no radius to search in
    able = near["local_radius"].isfinite() & (near["local_radius"] > 0)
    right, x_adv, radius = right[able], near["x_adv"][able], near["local_radius"][able]
    if not len(right):
        return {}
    nearby = measured("nearby", len(right), 10, lambda part: local_steepness(
        model, x[right[part]], y[right[part]], x_adv[part], smooth=smooth, seed=seed))  # fmt: skip
    found = {}
    for name, values in (nearby | {"local_radius": radius}).items():
        found[name] = torch.full((len(y),), torch.nan, dtype=values.dtype)
        found[name][right] = values
    return found


def _attacked(model: nn.Module, x: Tensor, y: Tensor, seed: int) -> Columns:
    nearest = suites.smallest(model, x, y, "l2", seed=seed)
    return {"x_adv": nearest.x_adv, "local_radius": nearest.distance}


def _constants(
    here: Setting, measured: _Measuring, columns: Columns, for_curvature: Tensor | None
) -> dict[str, dict[str, float]]:
    """The largest gradient of the margin, and curvature of the soft margin, over test and over training images;
    for_curvature: which of the latter, None for a network that is not smooth."""
    model, train = here.network.model, here.pictures.train

    def images(part: slice | Tensor) -> tuple[Tensor, Tensor]:
        return Split(train.images[part], train.labels[part]).tensors()

    def slopes(part: slice) -> Columns:
        return {"margin_gradient": gradient_norm(losses.of(model, losses.margin), *images(part))}

    with evaluating(model):
        gradients = measured("training gradients", len(train), 1000, slopes)["margin_gradient"]
        largest = here.network.per_image["margin_gradient"].max().item()
        found = {"L": {"test": largest, "training": gradients.max().item()}}
        if for_curvature is not None:
            soft = losses.of(model, losses.soft_margin, kind="logsumexp")

            def curvatures(part: slice) -> Columns:
                return {"largest": hessian_extremes(soft, *images(for_curvature[part])).largest}

            bent = measured("training curvature", len(for_curvature), BATCH, curvatures)["largest"]
            found["C"] = {"test": columns[CURVATURE_LARGEST].max().item(), "training": bent.max().item()}
    return found
