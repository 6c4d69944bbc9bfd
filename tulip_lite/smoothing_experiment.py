"""From a trained network to a file of randomised-smoothing certificates, and back. What `python -m tulip_lite certify` does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tulip_lite import attack_experiment, batches, checkpoints, data, fingerprints, results
from tulip_lite.checks import check_positive
from tulip_lite.data import Split
from tulip_lite.files import clear_leftovers
from tulip_lite.recipes import Profile, Recipe
from tulip_lite.smoothing import ABSTAIN, certify
from tulip_lite.training import default_device

RADII = (0.0, 0.1, 0.25, 0.5)


@dataclass(frozen=True)
class Smoothing:
    """What is certified of a smoothed network on some test images; all columns (N,), on the CPU.

    index: which test images, in the data set's order; label: classes; predicted, radius, count, lower: as in
    `smoothing.Certified`; card: provenance, sigma, n0, n, alpha, seed, seconds, data set, hash of the weights, summary.
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

    def summary(self) -> dict[str, int | float | dict[str, float]]:
        """`images` and `abstained`, how many; `mean_radius`, 0 where wrong or abstained; `certified_accuracy` at RADII."""
        right = self.predicted == self.label
        return {
            "images": len(self.index),
            "abstained": int((self.predicted == ABSTAIN).sum()),
            "mean_radius": torch.where(right, self.radius, 0.0).mean().item(),
            "certified_accuracy": {f"{r:g}": share for r, share in zip(RADII, self.accuracy(RADII), strict=True)},
        }


def run(
    recipe: Recipe,
    profile: Profile,
    sigma: float,
    *,
    source: str | None = None,
    images: int = 500,
    n0: int = 100,
    n: int = 1000,
    alpha: float = 0.001,
    seed: int = 0,
    batch_size: int = 10,
    device: str | None = None,
    runs: Path = Path("runs"),
    root: Path = results.RESULTS,
    progress: bool = True,
) -> Path:
    """Certifies the stored network of `recipe` on test images, going on with what lies in `runs`, and stores the certificates.

    Prints what was found; returns the file. An image's noise goes by its place in the test set.

    source: of the images, as for `data.load`; by default TULIP_DATA, else the profile's. images: how many of them, those that
    are attacked too, see `attack_experiment.chosen`. batch_size: images that are stored at a time, which changes no result.
    sigma, n0, n, alpha, seed: of `smoothing.certify`. ValueError for images of other classes than the network was trained on, bad
    options, and an unfinished run with other ones (it is left alone); FileNotFoundError where no network is stored;
    ImportError without scipy.
    """
    check_positive(sigma=sigma, batch_size=batch_size)
    network = results.load(recipe.name, profile.name, root)
    pictures = data.load(source or os.environ.get("TULIP_DATA") or profile.data)
    print(pictures)
    attack_experiment.check_classes(pictures, network.card, recipe.name)
    index = attack_experiment.chosen(pictures.test, images)
    origin = results.provenance()
    device = torch.device(device) if device else default_device()
    model = network.model.to(device=device, memory_format=torch.channels_last)
    x, y = Split(pictures.test.images[index], pictures.test.labels[index]).to(device).tensors()
    options = {"n0": n0, "n": n, "alpha": alpha, "seed": seed}
    path = path_of(recipe.name, sigma, profile.name, root)
    folder = runs / "certify" / profile.name / f"{recipe.name}-{path.stem}-{len(index)}-images-seed{seed}"
    identity = {
        **options,
        "sigma": sigma,
        "batch_size": batch_size,
        "weights": fingerprints.weights(model),
        "architecture": fingerprints.architecture(model),
        "images": fingerprints.of({"x": x, "index": index}),
    }
    columns, seconds = batches.columns(
        len(index), batch_size,
        lambda part: certify(model, x[part], sigma, index=index[part], **options)._asdict(),
        batches.Batches(folder, identity), progress=progress, about=f"σ = {sigma:g}",
    )  # fmt: skip
    card = {
        **results.describe(recipe, profile),
        "sigma": sigma,
        **options,
        "images": len(index),
        "data": pictures.name,
        "weights": identity["weights"],
        **origin,
        "seconds": round(seconds, 2),
    }
    stored = Smoothing(index, y.cpu(), **columns, card=card)
    card["summary"] = stored.summary()
    clear_leftovers(path)
    checkpoints.save(path, {"index": stored.index, "label": stored.label, **columns}, card=card)
    # a finished run has nothing to go on with: the same command is to certify again, with the code as it is then
    shutil.rmtree(folder)
    print(describe(stored))
    return path


def describe(found: Smoothing) -> str:
    """What was certified, in three lines."""
    summary = found.summary()
    shares = ", ".join(f"{share:.1%} at {radius}" for radius, share in summary["certified_accuracy"].items())
    return (
        f"smoothed with σ = {found.card['sigma']:g}: certified accuracy {shares} (ℓ2)\n"
        f"mean certified radius {summary['mean_radius']:.4g}, wrong and abstained ones counted as 0; "
        f"abstained on {summary['abstained']} of {summary['images']} images\n"
        f"{found.card['seconds'] / summary['images']:.3f} s an image"
    )


def path_of(recipe_name: str, sigma: float, profile: str = "pocket", root: Path = results.RESULTS) -> Path:
    """Where the certificates of a network smoothed with σ are."""
    return root / profile / recipe_name / "smoothing" / f"sigma-{sigma:g}.safetensors"


def load(recipe_name: str, sigma: float, profile: str = "pocket", root: Path = results.RESULTS) -> Smoothing:
    """The certificates of a recipe's network, smoothed with σ.

    ValueError for an unknown recipe or profile, a damaged file, or a network whose weights are no longer those certified;
    FileNotFoundError where it was not certified yet, with the command that does it.
    """
    model = results.load(recipe_name, profile, root).model
    path = path_of(recipe_name, sigma, profile, root)
    command = f"python -m tulip_lite certify {recipe_name} --profile {profile} --sigma {sigma:g}"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: certify the network with `{command}`")
    columns, about = checkpoints.load(path)
    try:
        found = Smoothing(**columns, card=about["card"])
        found.card["weights"]
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path} lacks a column ({error}): restore it with git, or certify again with `{command}`"
        ) from error
    results.check_weights(found.card, model, path, recipe_name, f"certify again with `{command}`")
    return found
