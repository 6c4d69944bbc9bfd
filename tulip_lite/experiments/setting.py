"""What experiments have in common: their options, and, where one is on a trained network, that network and its images.

The names in capitals annotate options: what is said of an option here, `--help` says of it for every command.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import Parameter, Token
from torch import Tensor

from tulip_lite import data, recipes, results
from tulip_lite.data import Dataset, Split
from tulip_lite.models import placed
from tulip_lite.recipes import Profile, Recipe
from tulip_lite.results import Result, provenance
from tulip_lite.storage import fingerprints
from tulip_lite.training import default_device


def _whole(_: object, tokens: Sequence[Token]) -> int:
    """A whole number, as written: cyclopts would round a fraction. ValueError for anything else."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is not a whole number") from None


WHOLE = Annotated[int, Parameter(converter=_whole)]
RECIPE = Annotated[
    Recipe,
    Parameter(
        accepts_keys=False,
        n_tokens=1,
        converter=lambda _, tokens: recipes.get(tokens[0].value),
        help=f"Which network: {', '.join(recipes.RECIPES)}.",
    ),
]
PROFILE = Annotated[
    Profile,
    Parameter(
        accepts_keys=False,
        n_tokens=1,
        converter=lambda _, tokens: recipes.profile(tokens[0].value),
        show_default=lambda profile: profile.name,
        help=f"On which images and for how long: {', '.join(recipes.PROFILES)}.",
    ),
]
SOURCE = Annotated[
    str | None, Parameter("--data", help="What TULIP_DATA may be; by default TULIP_DATA, else the profile's data set.")
]
THREADS = Annotated[int | None, Parameter(converter=_whole, help="CPU threads; by default as many as there are cores.")]
DEVICE = Annotated[str | None, Parameter(help="cpu or cuda; by default a GPU if there is one.")]
RUNS = Annotated[Path, Parameter(help="Folder of unfinished runs.")]
# arguments that are none of the command line's
ROOT = Annotated[Path, Parameter(parse=False)]
PROGRESS = Annotated[bool, Parameter(parse=False)]
POCKET = recipes.PROFILES["pocket"]


def use(threads: int | None) -> None:
    """Sets how many threads torch computes with; None leaves it.

    Raises:
        ValueError: For a number below 1.
    """
    if threads is not None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        torch.set_num_threads(threads)


def images(source: str | None, default: str) -> Dataset:
    """The images to work with, and says which.

    Args:
        source: As for `data.load`; by default TULIP_DATA, else `default`.
    """
    found = data.load(source or os.environ.get("TULIP_DATA") or default)
    print(found)
    return found


@dataclass(frozen=True)
class Setting:
    """A stored network before an experiment, and test images of the classes it was trained on.

    Attributes:
        recipe: Which network.
        profile: How it was trained.
        network: It, as stored.
        pictures: The data set.
        index: Which of its test images.
        x: (N, C, H, W) in [0, 1].
        y: (N,).
        device: Where network and images are.
        origin: Commit, versions and machine when it began.
    """

    recipe: Recipe
    profile: Profile
    network: Result
    pictures: Dataset
    index: Tensor
    x: Tensor
    y: Tensor
    device: torch.device
    origin: dict[str, Any]

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        profile: Profile,
        source: str | None,
        count: int,
        *,
        device: str | None = None,
        root: Path = results.RESULTS,
    ) -> Setting:
        """Loads the network of `recipe` and `count` test images, see `chosen`, and puts both on `device`.

        Args:
            root: The folder of the results.

        Raises:
            FileNotFoundError, ValueError: Where no network is stored, for images that cannot be loaded, and for images of
                other classes than the network was trained on.
        """
        network = results.load(recipe.name, profile.name, root)
        pictures = images(source, profile.data)
        check_classes(pictures, network.card, recipe.name)
        index = chosen(pictures.test, count)
        origin = provenance.origin()
        where = torch.device(device) if device else default_device()
        placed(network.model, where)
        x, y = Split(pictures.test.images[index], pictures.test.labels[index]).to(where).tensors()
        return cls(recipe, profile, network, pictures, index, x, y, where, origin)

    def folder(self, runs: Path, kind: str, *parts: str) -> Path:
        """Where an unfinished run of this kind lies.

        Args:
            parts: What else tells it from others.
        """
        return runs / kind / self.profile.name / "-".join([self.recipe.name, *parts])

    def card(self, **measured: object) -> dict[str, Any]:
        """The record of an experiment: recipe, data, weights and machine, with what was `measured`."""
        return {
            **describe(self.recipe, self.profile),
            "images": len(self.index),
            "data": self.pictures.name,
            "weights": fingerprints.weights(self.network.model),
            **self.origin,
            **measured,
        }


def describe(recipe: Recipe, profile: Profile) -> dict[str, Any]:
    """A recipe and its profile as plain values, for a card."""
    return {
        "recipe": recipe.name,
        "profile": profile.name,
        "activation": recipe.activation,
        "objective": repr(recipe.objective),
        "schedule": asdict(profile.schedule_for(recipe)),
        "augmentation": repr(profile.augmentation),
    }


def chosen(test: Split, count: int) -> Tensor:
    """Which `count` of the test images (N,) are taken: always the same ones, of each class as many up to one.

    All of them, in their order, where there are not more. Not the first ones: an image folder is sorted by class.

    Raises:
        ValueError: For a count below 1, and where a class has too few.
    """
    if count < 1:
        raise ValueError(f"at least one image must be attacked, got {count}")
    everything = torch.arange(len(test))
    return everything if count >= len(test) else Split(everything, test.labels.cpu()).subset(count).images


def check_classes(pictures: Dataset, card: dict, name: str) -> None:
    """The images must be of the classes that the network called `name`, with that card, was trained on.

    Raises:
        ValueError: Otherwise.
    """
    if list(pictures.classes) != card["classes"]:
        raise ValueError(
            f"{name} was trained on {card['data']} with the classes {', '.join(card['classes'])}; {pictures.name} has "
            f"{', '.join(pictures.classes)}: name its images with --data or TULIP_DATA"
        )
