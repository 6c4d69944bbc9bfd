"""From a recipe to a result folder: train, measure, store. What `python -m tulip_lite train` does."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from tulip_lite import measure, results
from tulip_lite.data import Split, originals
from tulip_lite.experiments import setting
from tulip_lite.results import networks, provenance
from tulip_lite.training import fit

# pixel units; ℓ∞ radii as in Table 1, ℓ2 radii over Figure 2's range
RADII = {"linf": (0.0, 1 / 255, 2 / 255, 4 / 255, 8 / 255), "l2": (0.0, 0.1, 0.25, 0.5, 1.0)}
PGD_STEPS = 20
PGD_IMAGES = 1000


def run(
    recipe: setting.RECIPE,
    /,
    *,
    profile: setting.PROFILE = setting.POCKET,
    source: setting.SOURCE = None,
    seed: setting.WHOLE = 0,
    threads: setting.THREADS = None,
    device: setting.DEVICE = None,
    runs: setting.RUNS = Path("runs"),
    root: setting.ROOT = results.RESULTS,
) -> Path:
    """Trains, measures and stores one network; a killed run goes on from its last finished epoch.

    Args:
        seed: Of the weights and of everything drawn in training.

    Returns:
        The result folder.
    """
    setting.use(threads)
    pictures = setting.images(source, profile.data)
    origin = provenance.origin()
    torch.manual_seed(seed)
    model = recipe.model(len(pictures.classes))
    trained = fit(
        model, pictures.train, recipe.objective, profile.schedule_for(recipe), augmentation=profile.augmentation, seed=seed,
        device=device, test=pictures.test, run_folder=runs / profile.name / f"{recipe.name}-seed{seed}",
    )  # fmt: skip
    per_image = measure.per_image(model, pictures.test)
    wrong = (per_image["predicted"] != per_image["label"]).float().mean().item()
    card = {
        **setting.describe(recipe, profile),
        "seed": seed,
        "data": pictures.name,
        "classes": list(pictures.classes),
        "train_images": len(pictures.train),
        "test_images": len(pictures.test),
        "parameters": sum(p.numel() for p in model.parameters()),
        "precision": trained.precision,
        **origin,
        "seconds": round(trained.seconds, 1),
        "cpu_seconds": round(sum(row["cpu_seconds"] for row in trained.history), 1),
        "clean_error": wrong,
        "pgd": _pgd_errors(model, pictures.test, seed),
    }
    if pictures.classes == originals.CIFAR10_CLASSES:
        card["originals"] = _on_the_originals(model)
    stored = results.Result(model, card, trained.history, per_image)
    return networks.save(stored, recipe.name, profile.name, root)


def _pgd_errors(model: nn.Module, test: Split, seed: int) -> dict:
    """Errors of PGD from one random start on class-balanced test images."""
    subset = test.subset(min(PGD_IMAGES, len(test)), seed)
    errors = {
        norm: measure.error_against_radius(model, subset, norm, radii, steps=PGD_STEPS, seed=seed)
        for norm, radii in RADII.items()
    }
    return {"steps": PGD_STEPS, "restarts": 1, "images": len(subset), "radii": RADII, "error": errors}


def _on_the_originals(model: nn.Module) -> dict:
    """What the network says of the twenty original images that foolbox ships: anyone can measure this again."""
    table = measure.per_image(model, originals.cifar10())
    return {
        "predicted": table["predicted"].tolist(),
        "margin": [round(m, 4) for m in table["margin"].tolist()],
        "margin_gradient": [round(g, 4) for g in table["margin_gradient"].tolist()],
    }
