"""From a recipe to a result folder: train, measure, store. What `python -m tulip_lite train` does."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import torch

from tulip_lite import data, measure, results
from tulip_lite.attacks.pgd import pgd
from tulip_lite.recipes import Profile, Recipe
from tulip_lite.training import fit

# pixel units; ℓ∞ radii as in Table 1, ℓ2 radii around Figure 2's
RADII = {"linf": (2 / 255, 8 / 255), "l2": (0.25, 0.5)}
PGD_STEPS = 20
PGD_IMAGES = 1000


def run(recipe: Recipe, profile: Profile, source: str | None, seed: int, device: str | None, runs: Path) -> Path:
    """Trains `recipe` under `profile` (resuming what lies in `runs`), measures it on the test images, stores the result.

    source: of the images, as for `data.load`; by default TULIP_DATA, else the profile's. Returns the result folder.
    """
    images = data.load(source or os.environ.get("TULIP_DATA") or profile.data)
    print(images)
    origin = results.provenance()
    torch.manual_seed(seed)
    model = recipe.model(len(images.classes))
    trained = fit(
        model, images.train, recipe.objective, profile.schedule, augmentation=profile.augmentation, seed=seed,
        device=device, test=images.test, run_folder=runs / profile.name / f"{recipe.name}-seed{seed}",
    )  # fmt: skip
    per_image = measure.per_image(model, images.test)
    wrong = (per_image["predicted"] != per_image["label"]).float().mean().item()
    card = {
        **results.describe(recipe, profile),
        "seed": seed,
        "data": images.name,
        "classes": list(images.classes),
        "train_images": len(images.train),
        "test_images": len(images.test),
        "parameters": sum(p.numel() for p in model.parameters()),
        "precision": trained.precision,
        **origin,
        "seconds": round(trained.seconds, 1),
        "cpu_seconds": round(sum(row["cpu_seconds"] for row in trained.history), 1),
        "clean_error": wrong,
        "pgd": _pgd_errors(model, images.test, seed),
    }
    return results.save(results.Result(model, card, trained.history, per_image), recipe.name, profile.name)


def _pgd_errors(model, test: data.Split, seed: int) -> dict:
    """Errors of 20-step PGD from one random start on 1 000 class-balanced test images."""
    subset = test.subset(min(PGD_IMAGES, len(test)), seed)
    start = torch.Generator(next(model.parameters()).device).manual_seed(seed)
    errors = {
        norm: {
            f"{radius:.6g}": measure.error_under_attack(
                functools.partial(pgd, norm=norm, radius=radius, steps=PGD_STEPS, generator=start), model, subset
            )
            for radius in radii
        }
        for norm, radii in RADII.items()
    }
    return {"steps": PGD_STEPS, "restarts": 1, "images": len(subset), "error": errors}
