"""From a trained network to a file of randomised-smoothing certificates. What `python -m tulip_lite certify` does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tulip_lite import results
from tulip_lite.bounds.smoothing import certify
from tulip_lite.checks import check_positive
from tulip_lite.experiments import setting
from tulip_lite.experiments.setting import Setting
from tulip_lite.results import certificates
from tulip_lite.results.certificates import Smoothing
from tulip_lite.storage import fingerprints, unfinished


def run(
    recipe: setting.RECIPE,
    /,
    *,
    profile: setting.PROFILE = setting.POCKET,
    sigma: float = 0.25,
    images: setting.WHOLE = 500,
    n0: setting.WHOLE = 100,
    n: setting.WHOLE = 1000,
    alpha: float = 0.001,
    seed: setting.WHOLE = 0,
    batch_size: setting.WHOLE = 10,
    source: setting.SOURCE = None,
    device: setting.DEVICE = None,
    threads: setting.THREADS = None,
    runs: setting.RUNS = Path("runs"),
    root: setting.ROOT = results.RESULTS,
    progress: setting.PROGRESS = True,
) -> Path:
    """Certifies a trained network by randomised smoothing; a killed run goes on from its last finished batch.

    Prints what was found. An image's noise goes by its place in the test set.

    Args:
        sigma: Of the noise, pixel units.
        images: How many test images, those that are attacked too.
        n0: Noisy copies that pick the class.
        n: Noisy copies that bound its probability.
        alpha: Chance of an error, an image.
        seed: Of the noise.
        batch_size: Images stored at a time, which changes no result.

    Returns:
        The file.

    Raises:
        ValueError: For images of other classes than those of training, bad options, and an unfinished run with others.
        FileNotFoundError: Where no network is stored.
        ImportError: Without scipy.
    """
    check_positive(sigma=sigma, batch_size=batch_size)
    setting.use(threads)
    here = Setting.of(recipe, profile, source, images, device=device, root=root)
    options: dict[str, Any] = {"n0": n0, "n": n, "alpha": alpha, "seed": seed}
    path = certificates.path_of(recipe.name, sigma, profile.name, root)
    folder = here.folder(runs, "certify", path.stem, f"{len(here.index)}-images-seed{seed}")
    columns, seconds = unfinished.columns(
        len(here.index), batch_size,
        lambda part: certify(here.network.model, here.x[part], sigma, index=here.index[part], **options)._asdict(),
        unfinished.Batches(folder, _identity(here, sigma, batch_size, options)),
        progress=progress, about=f"σ = {sigma:g}",
    )  # fmt: skip
    card = here.card(sigma=sigma, **options, seconds=round(seconds, 2))
    found = Smoothing(here.index, here.y.cpu(), **columns, card=card)
    card["summary"] = found.summary()
    certificates.save(found, path)
    # a finished run has nothing to go on with: the same command is to certify again, with the code as it is then
    shutil.rmtree(folder)
    print(describe(found))
    return path


def _identity(here: Setting, sigma: float, batch_size: int, options: dict[str, Any]) -> dict[str, object]:
    """What must be the same for a run to be continued."""
    return {
        **options,
        "sigma": sigma,
        "batch_size": batch_size,
        "weights": fingerprints.weights(here.network.model),
        "architecture": fingerprints.architecture(here.network.model),
        "images": fingerprints.of({"x": here.x, "index": here.index}),
    }


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
