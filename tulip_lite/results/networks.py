"""Trained networks as files: one folder a network, data/results/<profile>/<recipe>/, written whole or not at all.

- `weights.safetensors`: the trained network
- `per_image.safetensors`: a column for each measured quantity over the test images, see `measure.per_image`
- `card.json`: recipe, seed, commit, versions, processor, data set, seconds, errors; the history of training

Beside them lie what was measured of the network later: `attacks/`, `bounds.safetensors`, `smoothing/`.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from tulip_lite.models.pocket import PocketNet
from tulip_lite.storage import fingerprints, tensors
from tulip_lite.storage.places import RESULTS


@dataclass(frozen=True)
class Result:
    """A shipped network.

    Attributes:
        model: In eval mode, on the CPU.
        card: Its provenance and summary.
        history: A dict for each epoch.
        per_image: {quantity: (N,)} over the test images, in the data set's order.
    """

    model: PocketNet
    card: dict
    history: list[dict[str, float]]
    per_image: dict[str, Tensor]


def save(result: Result, recipe_name: str, profile: str, root: Path = RESULTS) -> Path:
    """Writes the folder of a network and returns it; an existing one is replaced as a whole, or not at all.

    That takes the attacks on it away too: they were on other weights, and say nothing of these.

    Raises:
        OSError: Saying what to do, where the disk is full or read-only.
    """
    target = root / profile / recipe_name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{recipe_name}-") as temporary:
            new = Path(temporary) / "new"
            new.mkdir()
            tensors.save(new / "weights.safetensors", result.model.state_dict())
            tensors.save(new / "per_image.safetensors", result.per_image)
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

    It is built from its card: classes and activation. Weights load without unpickling. Where it is not
    there, the error names the command that trains it.

    Raises:
        ValueError: For a recipe or profile that is not there while others are, naming them, or files that are damaged or of
            another model.
        FileNotFoundError: Where nothing was trained yet.
    """
    folder = _existing(root, profile, recipe_name)
    try:
        card = json.loads((folder / "card.json").read_text())
    except ValueError as error:
        raise ValueError(f"{folder / 'card.json'} is damaged ({error}): restore it with git, or train again") from error
    if missing := {"classes", "activation", "history"} - card.keys():
        raise ValueError(f"{folder / 'card.json'} lacks {min(missing)}: restore it with git, or train again")
    model = PocketNet(len(card["classes"]), card["activation"])
    weights, _ = tensors.load(folder / "weights.safetensors")
    tensors.load_weights(model, weights, folder / "weights.safetensors")
    per_image, _ = tensors.load(folder / "per_image.safetensors")
    return Result(model.eval(), card, card.pop("history"), per_image)


def check_weights(card: dict, model: PocketNet, path: Path, name: str, what_to_do: str) -> None:
    """What a card tells of must be the weights the network has now.

    Raises:
        ValueError: Saying so and `what_to_do`, otherwise.
    """
    if card.get("weights") != fingerprints.weights(model):
        raise ValueError(f"{path} is of other weights than {name} has now, so it says nothing of them: {what_to_do}")


def _existing(root: Path, profile: str, recipe_name: str) -> Path:
    """The folder of a network. Where it is not there, the error says how to train it, and which others there are."""
    wanted = root / profile / recipe_name
    if wanted.is_dir():
        return wanted
    missing = f"{wanted} is not there: train it with `python -m tulip_lite train {recipe_name} --profile {profile}`"
    profiles = sorted({card.parents[1].name for card in root.glob("*/*/card.json")})
    if profiles and profile not in profiles:
        raise ValueError(f"unknown profile {profile!r}: {missing}, or take one of {', '.join(profiles)}")
    others = sorted(card.parent.name for card in (root / profile).glob("*/card.json"))
    if others:
        raise ValueError(f"unknown recipe {recipe_name!r}: {missing}, or take one of {', '.join(others)}")
    raise FileNotFoundError(missing)
