"""What this project measured: one folder a network, data/results/<profile>/<recipe>/, each file written whole.

- `weights.safetensors`: the trained network
- `per_image.safetensors`: a column for each measured quantity over the test images, see `measure.per_image`
- `card.json`: recipe, seed, commit, versions, processor, data set, seconds, errors; the history of training
- `attacks/<norm>-<suite>.safetensors`: adversarial distances of test images, see `Attacks`
- `bounds.safetensors`: for test images what their lower bounds need, see `Bounds`
- `smoothing/sigma-<σ>.safetensors`: certificates of the smoothed network, see `smoothing_experiment`
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from tulip_lite import checkpoints, fingerprints, recipes
from tulip_lite.data import FOLDER
from tulip_lite.files import clear_leftovers
from tulip_lite.models import PocketNet
from tulip_lite.norms import NORMS

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

    That takes the attacks on it away too: they were on other weights, and say nothing of these.
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


@dataclass(frozen=True)
class Attacks:
    """What a suite of attacks found on some test images; all columns (N,), on the CPU.

    index: which test images, in the data set's order; label, predicted: classes, the latter unperturbed; distance: of the
    nearest adversarial image, pixel units of the card's norm, 0 where the unperturbed image is misclassified, ∞ where none
    was found; attack: N names of the stages that found it, "clean" where the distance is 0, "" where it is ∞; distances:
    stage -> those it reached, with the help of the stages before it where the card's `warm` says so; card: provenance, stages
    with their options, seconds, seed, data set, hash of the attacked weights.
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
    """Where the distances are that a suite found. warm: its attacks helped each other; else each stood alone."""
    alone = "" if warm else "-alone"
    return root / profile / recipe_name / "attacks" / f"{norm}-{suite}{alone}.safetensors"


def save_attacks(found: Attacks, path: Path) -> Path:
    """Writes one file of attacks, whole or not at all, and returns its path. OSError, saying what to do, where it cannot."""
    names = list(dict.fromkeys(found.attack))
    columns = {"index": found.index, "label": found.label, "predicted": found.predicted, "distance": found.distance}
    columns["attack"] = torch.tensor([names.index(name) for name in found.attack])
    columns |= {f"distance/{name}": distance for name, distance in found.distances.items()}
    clear_leftovers(path)
    checkpoints.save(path, columns, attacks=names, stages=list(found.distances), card=found.card)
    return path


def load_attacks(
    recipe_name: str, norm: str, suite: str, profile: str = "pocket", *, warm: bool = True, root: Path = RESULTS
) -> Attacks:
    """The distances that `suite` found in `norm` on a recipe's network; warm: its attacks helped each other.

    ValueError for an unknown recipe or profile, a damaged file, or a network whose weights are no longer those attacked;
    FileNotFoundError where it was not attacked yet, with the command that does it.
    """
    model = load(recipe_name, profile, root).model
    path = attacks_path(recipe_name, norm, suite, profile, warm=warm, root=root)
    command = f"python -m tulip_lite attack {recipe_name} --profile {profile} --norm {norm} --suite {suite}"
    command += "" if warm else " --no-warm"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: attack the network with `{command}`")
    columns, about = checkpoints.load(path)
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


@dataclass(frozen=True)
class Bounds:
    """What the lower bounds of some test images need. columns: name -> (N,), those of `measure.steepness` and
    `local_steepness`, NaN where not measured, `index` (which test images), `label`, `predicted`, `proved` and
    `proved_lipschitz` (see `certified`); constants: {"L": {"test", "training"}, "C": …}, the largest over those images; card:
    provenance, seconds."""

    columns: dict[str, Tensor]
    constants: dict[str, dict[str, float]]
    card: dict


def bounds_path(recipe_name: str, profile: str = "pocket", root: Path = RESULTS) -> Path:
    """Where the table of a network's bounds is."""
    return root / profile / recipe_name / "bounds.safetensors"


def save_bounds(found: Bounds, path: Path) -> Path:
    """Writes a table of bounds, whole or not at all, and returns its path. OSError, saying what to do, where it cannot."""
    clear_leftovers(path)
    checkpoints.save(path, found.columns, constants=found.constants, card=found.card)
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
    columns, about = checkpoints.load(path)
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


def check_weights(card: dict, model: PocketNet, path: Path, name: str, what_to_do: str) -> None:
    """What a card tells of must be the weights the network has now. ValueError, saying so and `what_to_do`, otherwise."""
    if card.get("weights") != fingerprints.weights(model):
        raise ValueError(f"{path} is of other weights than {name} has now, so it says nothing of them: {what_to_do}")


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


def machine(card: Mapping) -> str:
    """Where something was measured, a sentence for below a table. card: anything with what `provenance` gives."""
    return f"{card['processor']}, threads: {card['threads']}, GPU: {card['gpu'] or 'none'}, torch {card['torch']}."


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
    """The commit of the code, with "-dirty" where tracked files differ from it: all but results, which measuring overwrites."""
    if not shutil.which("git"):
        return "unknown"

    def git(*command: str) -> str:
        return subprocess.run(["git", "-C", str(FOLDER), *command], capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":(top)", f":(exclude){RESULTS.name}")
    return git("rev-parse", "--short=12", "HEAD") + ("-dirty" if changed else "") or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
