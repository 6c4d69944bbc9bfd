"""From a trained network to a file of adversarial distances. What `python -m tulip_lite attack` does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import torch

from tulip_lite import measure, results
from tulip_lite.attacks import distances
from tulip_lite.attacks import suite as suites
from tulip_lite.experiments import setting
from tulip_lite.experiments.setting import Setting
from tulip_lite.results import attacks as stored


def run(
    recipe: setting.RECIPE,
    /,
    *,
    profile: setting.PROFILE = setting.POCKET,
    norm: Literal["l2", "linf"] = "l2",
    suite: Literal["quick", "paper", "thorough"] = "quick",
    images: setting.WHOLE = 1000,
    source: setting.SOURCE = None,
    seed: setting.WHOLE = 0,
    warm: bool = True,
    batch_size: setting.WHOLE = 250,
    threads: setting.THREADS = None,
    device: setting.DEVICE = None,
    runs: setting.RUNS = Path("runs"),
    root: setting.ROOT = results.RESULTS,
    progress: setting.PROGRESS = True,
) -> Path:
    """Finds the nearest adversarial images of a trained network; a killed run goes on from its last finished batch.

    Prints what was found.

    Args:
        norm: Of the perturbation.
        suite: Which attacks run, one after another.
        images: How many test images, the same number of each class up to one.
        seed: Of the attacks; which images are attacked does not depend on it.
        warm: Whether attacks begin at the nearest image found so far; else each stands alone.
        batch_size: Images stored at a time.

    Returns:
        The file.

    Raises:
        ValueError: For images of other classes than the network was trained on, and as from `attacks.suite.run`.
        FileNotFoundError: Where no network is stored.
    """
    setting.use(threads)
    here = Setting.of(recipe, profile, source, images, device=device, root=root)
    model = here.network.model
    path = stored.attacks_path(recipe.name, norm, suite, profile.name, warm=warm, root=root)
    folder = here.folder(runs, "attacks", path.stem, f"{len(here.index)}-images-seed{seed}")
    report = suites.run(
        model, here.x, here.y, norm, suite, warm=warm, batch_size=batch_size, seed=seed, folder=folder, progress=progress
    )  # fmt: skip
    options = {"norm": norm, "suite": suite, "warm": warm, "seed": seed, "batch_size": batch_size}
    predicted = torch.cat([measure.predict(model, part) for part in here.x.split(batch_size)]).cpu()
    found = stored.Attacks(
        here.index, here.y.cpu(), predicted, report.best.distance.cpu(), report.best.attack,
        {name: values.cpu() for name, values in report.distances.items()}, here.card(**options, **_measured(report, norm, suite)),
    )  # fmt: skip
    stored.save_attacks(found, path)
    # a finished run has nothing to go on with: the same command is to measure again, with the code as it is then
    shutil.rmtree(folder)
    print(describe(report))
    return path


def _measured(report: suites.Report, norm: str, suite: str) -> dict[str, object]:
    """What a card tells of a run: its stages, what each took and won, and what was found."""
    stages = suites.stages_of(suite, norm)
    return {
        "stages": [{"name": s.name, "attack": s.attack, "options": dict(s.options)} for s in stages],
        "seconds": {name: round(seconds, 2) for name, seconds in report.seconds.items()},
        "wins": report.wins(),
        "summary": vars(distances.summary(report.best.distance)),
    }


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
