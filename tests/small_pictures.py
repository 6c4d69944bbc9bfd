"""An image folder of two classes and an untrained network for it, for the tests of whole commands."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tulip_lite import recipes
from tulip_lite.results import Result, networks

CLASSES = ("dark", "light")


def squares(folder: Path, each: int) -> Path:
    """`each` dark and light squares of noise, 16×16, for training and as many for testing."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for k, name in enumerate(CLASSES):
            (folder / part / name).mkdir(parents=True)
            for i in range(each):
                pixels = rng.integers(60 * k, 60 * k + 160, (16, 16, 3), np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{i}.png")
    return folder


def untrained(folder: Path, monkeypatch) -> Path:
    """Results of our own: an untrained network of the recipe "undefended", whose two answers lie close together."""
    monkeypatch.setattr("tulip_lite.storage.places.FOLDER", folder / "data")
    (folder / "data").mkdir()
    torch.manual_seed(0)
    recipe = recipes.get("undefended")
    card = {"classes": list(CLASSES), "data": "two", "activation": recipe.activation}
    stored = Result(recipe.model(2), card, [], {"margin": torch.zeros(1)})
    networks.save(stored, recipe.name, "pocket", folder / "results")
    return folder / "results"
