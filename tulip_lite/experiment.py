"""From a recipe to a result folder: train, measure, store. What `python -m tulip_lite train` does."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from tulip_lite import data, examples, measure, results
from tulip_lite.recipes import Profile, Recipe
from tulip_lite.training import fit

# pixel units; ℓ∞ radii as in Table 1, ℓ2 radii over Figure 2's range
RADII = {"linf": (0.0, 1 / 255, 2 / 255, 4 / 255, 8 / 255), "l2": (0.0, 0.1, 0.25, 0.5, 1.0)}
PGD_STEPS = 20
PGD_IMAGES = 1000


def run(recipe: Recipe, profile: Profile, source: str | None, seed: int, device: str | None, runs: Path) -> Path:
    """Trains `recipe` under `profile` (resuming what lies in `runs`), measures it on the test images, stores it.

    source: of the images, as for `data.load`; by default TULIP_DATA, else the profile's. Returns the result folder.
    """
    images = data.load(source or os.environ.get("TULIP_DATA") or profile.data)
    print(images)
    origin = results.provenance()
    torch.manual_seed(seed)
    model = recipe.model(len(images.classes))
    trained = fit(
        model, images.train, recipe.objective, profile.schedule_for(recipe), augmentation=profile.augmentation, seed=seed,
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
    if images.classes == examples.CIFAR10_CLASSES:
        card["originals"] = _on_the_originals(model)
    return results.save(results.Result(model, card, trained.history, per_image), recipe.name, profile.name)


def _pgd_errors(model, test: data.Split, seed: int) -> dict:
    """Errors of PGD from one random start on class-balanced test images."""
    subset = test.subset(min(PGD_IMAGES, len(test)), seed)
    errors = {
        norm: measure.error_against_radius(model, subset, norm, radii, steps=PGD_STEPS, seed=seed)
        for norm, radii in RADII.items()
    }
    return {"steps": PGD_STEPS, "restarts": 1, "images": len(subset), "radii": RADII, "error": errors}


def _on_the_originals(model) -> dict:
    """What the network says of the twenty original images that foolbox ships: anyone can measure this again."""
    table = measure.per_image(model, examples.cifar10())
    return {
        "predicted": table["predicted"].tolist(),
        "margin": [round(m, 4) for m in table["margin"].tolist()],
        "margin_gradient": [round(g, 4) for g in table["margin_gradient"].tolist()],
    }
