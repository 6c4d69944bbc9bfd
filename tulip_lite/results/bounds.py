"""What the lower bounds need, as files: bounds.safetensors in a network's folder, a table with a row an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from tulip_lite.norms import NORMS
from tulip_lite.results.attacks import attacks_path, load_attacks
from tulip_lite.results.networks import check_weights, load
from tulip_lite.storage import tensors
from tulip_lite.storage.files import clear_leftovers
from tulip_lite.storage.places import RESULTS


@dataclass(frozen=True)
class Bounds:
    """What the lower bounds of some test images need.

    Attributes:
        columns: name -> (N,), those of `bounds.columns.steepness` and `local_steepness`, NaN where not measured, `index` (which
            test images), `label`, `predicted`, `proved` and `proved_lipschitz` (see `bounds.proved`).
        constants: {``"L"``: {``"test"``, ``"training"``}, ``"C"``: …}, the largest over those images.
        card: Provenance, seconds.
    """

    columns: dict[str, Tensor]
    constants: dict[str, dict[str, float]]
    card: dict


def bounds_path(recipe_name: str, profile: str = "pocket", root: Path = RESULTS) -> Path:
    """Where the table of a network's bounds is."""
    return root / profile / recipe_name / "bounds.safetensors"


def save_bounds(found: Bounds, path: Path) -> Path:
    """Writes a table of bounds, whole or not at all, and returns its path.

    Raises:
        OSError: Saying what to do, where it cannot.
    """
    clear_leftovers(path)
    tensors.save(path, found.columns, constants=found.constants, card=found.card)
    return path


def load_bounds(recipe_name: str, profile: str = "pocket", root: Path = RESULTS) -> Bounds:
    """The table of a recipe's network, with a column `attack/<norm>-<suite>` more for each stored run of attacks on the same
    data that covers its images: the distance it found.

    Errors as from `load_attacks`.
    """
    model = load(recipe_name, profile, root).model
    path = bounds_path(recipe_name, profile, root)
    command = f"python -m tulip_lite bound {recipe_name} --profile {profile}"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: measure it with `{command}`")
    columns, about = tensors.load(path)
    if missing := {"constants", "card"} - about.keys() or {"index", "label", "margin", "proved"} - columns.keys():
        raise ValueError(f"{path} lacks {min(missing)}: restore it with git, or measure it again with `{command}`")
    found = Bounds(columns, about["constants"], about["card"])
    check_weights(found.card, model, path, recipe_name, f"measure them again with `{command}`")
    for norm in NORMS:
        for file in sorted(
            attacks_path(recipe_name, norm, "*", profile, root=root).parent.glob(f"{norm}-*.safetensors")
        ):
            name = file.stem.removeprefix(f"{norm}-")
            warm = not name.endswith("-alone")
            attacks = load_attacks(recipe_name, norm, name.removesuffix("-alone"), profile, warm=warm, root=root)
            # where each image stands among those attacked: a larger choice of them holds a smaller one, in another order
            place = {image: i for i, image in enumerate(attacks.index.tolist())}
            wanted = columns["index"].tolist()
            if attacks.card.get("data") == found.card.get("data") and place.keys() >= set(wanted):
                columns[f"attack/{norm}-{name}"] = attacks.distance[[place[image] for image in wanted]]
    return found
