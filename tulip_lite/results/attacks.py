"""Adversarial distances as files: attacks/<norm>-<suite>.safetensors in a network's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tulip_lite.results.networks import check_weights, load
from tulip_lite.storage import tensors
from tulip_lite.storage.files import clear_leftovers
from tulip_lite.storage.places import RESULTS


@dataclass(frozen=True)
class Attacks:
    """What a suite of attacks found on some test images; all columns (N,), on the CPU.

    Attributes:
        index: Which test images, in the data set's order.
        label: True classes.
        predicted: Classes given to the unperturbed images.
        distance: Of the nearest adversarial image, pixel units of the card's norm, 0 where the unperturbed image is
            misclassified, ∞ where none was found.
        attack: N names of the stages that found it, ``"clean"`` where the distance is 0, ``""`` where it is ∞.
        distances: Stage -> (N,), those it reached, with the help of the stages before it where the card's `warm` says so.
        card: Provenance, stages with their options, seconds, seed, data set, hash of the attacked weights.
    """

    index: Tensor
    label: Tensor
    predicted: Tensor
    distance: Tensor
    attack: tuple[str, ...]
    distances: dict[str, Tensor]
    card: dict


def attacks_path(
    recipe_name: str, norm: str, suite: str, profile: str = "pocket", *, warm: bool = True, root: Path = RESULTS
) -> Path:
    """Where the distances are that a suite found.

    Args:
        warm: Its attacks helped each other; else each stood alone.
    """
    alone = "" if warm else "-alone"
    return root / profile / recipe_name / "attacks" / f"{norm}-{suite}{alone}.safetensors"


def save_attacks(found: Attacks, path: Path) -> Path:
    """Writes one file of attacks, whole or not at all, and returns its path.

    Raises:
        OSError: Saying what to do, where it cannot.
    """
    names = list(dict.fromkeys(found.attack))
    columns = {"index": found.index, "label": found.label, "predicted": found.predicted, "distance": found.distance}
    columns["attack"] = torch.tensor([names.index(name) for name in found.attack])
    columns |= {f"distance/{name}": distance for name, distance in found.distances.items()}
    clear_leftovers(path)
    tensors.save(path, columns, attacks=names, stages=list(found.distances), card=found.card)
    return path


def load_attacks(
    recipe_name: str, norm: str, suite: str, profile: str = "pocket", *, warm: bool = True, root: Path = RESULTS
) -> Attacks:
    """The distances that `suite` found in `norm` on a recipe's network.

    Args:
        warm: Its attacks helped each other.

    Raises:
        ValueError: For an unknown recipe or profile, a damaged file, or a network whose weights are no longer those
            attacked.
        FileNotFoundError: Where it was not attacked yet, with the command that does it.
    """
    model = load(recipe_name, profile, root).model
    path = attacks_path(recipe_name, norm, suite, profile, warm=warm, root=root)
    command = f"python -m tulip_lite attack {recipe_name} --profile {profile} --norm {norm} --suite {suite}"
    command += "" if warm else " --no-warm"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: attack the network with `{command}`")
    columns, about = tensors.load(path)
    try:
        card, names = about["card"], about["attacks"]
        found = Attacks(
            attack=tuple(names[i] for i in columns.pop("attack").tolist()),
            distances={name: columns.pop(f"distance/{name}") for name in about["stages"]},
            card=card,
            **columns,
        )
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(
            f"{path} lacks a column ({error}): restore it with git, or attack again with `{command}`"
        ) from error
    check_weights(card, model, path, recipe_name, f"attack again with `{command}`")
    return found
