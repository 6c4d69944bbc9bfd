"""What this project measured: one folder a network, data/results/<profile>/<recipe>/, each file written whole.

- `weights.safetensors`: the trained network
- `per_image.safetensors`: a column for each measured quantity over the test images, see `measure.per_image`
- `card.json`: recipe, seed, commit, versions, processor, data set, seconds, errors; the history of training
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from tulip_lite import checkpoints, recipes
from tulip_lite.data import FOLDER
from tulip_lite.models import PocketNet

RESULTS = FOLDER / "results"


@dataclass(frozen=True)
class Result:
    """A shipped network. model: in eval mode, on the CPU; card: its provenance and summary; history: a dict for each
    epoch; per_image: {quantity: (N,)} over the test images, in the data set's order."""

    model: PocketNet
    card: dict
    history: list[dict[str, float]]
    per_image: dict[str, Tensor]


def save(result: Result, recipe_name: str, profile: str, root: Path = RESULTS) -> Path:
    """Writes the folder of a network and returns it; an existing one is replaced as a whole, or not at all.

    OSError, saying what to do, where the disk is full or read-only.
    """
    target = root / profile / recipe_name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{recipe_name}-") as temporary:
            new = Path(temporary) / "new"
            new.mkdir()
            checkpoints.save(new / "weights.safetensors", result.model.state_dict())
            checkpoints.save(new / "per_image.safetensors", result.per_image)
            text = json.dumps(result.card | {"history": result.history}, indent=2, ensure_ascii=False)
            (new / "card.json").write_text(text + "\n")
            if target.exists():
                os.replace(target, Path(temporary) / "old")
            os.replace(new, target)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {target}: {error.strerror or error}") from error
    return target


def load(recipe_name: str, profile: str = "pocket", root: Path = RESULTS) -> Result:
    """The network of a recipe, as this project trained and measured it.

    ValueError for an unknown recipe or profile, or files that are damaged or of another model; FileNotFoundError where it was
    not trained yet, with the command that trains it. Weights load without unpickling.
    """
    recipe, _ = recipes.get(recipe_name), recipes.profile(profile)
    folder = root / profile / recipe_name
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is not there: train it with `python -m tulip_lite train {recipe_name} --profile {profile}`"
        )
    try:
        card = json.loads((folder / "card.json").read_text())
    except ValueError as error:
        raise ValueError(f"{folder / 'card.json'} is damaged ({error}): restore it with git, or train again") from error
    model = recipe.model(len(card["classes"]))
    weights, _ = checkpoints.load(folder / "weights.safetensors")
    checkpoints.load_weights(model, weights, folder / "weights.safetensors")
    per_image, _ = checkpoints.load(folder / "per_image.safetensors")
    return Result(model.eval(), card, card.pop("history"), per_image)


def provenance() -> dict:
    """Where and with what something is measured: commit, versions, processor, threads, GPU."""
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def describe(recipe: recipes.Recipe, profile: recipes.Profile) -> dict:
    """A recipe and its profile as plain values, for a card."""
    return {
        "recipe": recipe.name,
        "profile": profile.name,
        "activation": recipe.activation,
        "objective": repr(recipe.objective),
        "schedule": asdict(profile.schedule_for(recipe)),
        "augmentation": repr(profile.augmentation),
    }


def _commit() -> str:
    if not shutil.which("git"):
        return "unknown"
    command = ["git", "-C", str(FOLDER), "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    answer = subprocess.run(command, capture_output=True, text=True)
    return answer.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
