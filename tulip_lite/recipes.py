"""Recipes: which network is trained how. A recipe is data; a profile says on which images and for how long.

- "sample": the embedded images, one or two minutes on two cores (the chapters' live training)
- "pocket": CIFAR-10, PocketNet, minutes to an hour on two cores (what the project ships)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tulip_lite.data.augmentation import Augmentation
from tulip_lite.models import PocketNet
from tulip_lite.objectives import CrossEntropy, GaussianNoise, GradientPenalty, Objective
from tulip_lite.training import Schedule


@dataclass(frozen=True)
class Recipe:
    """One network: its name, its activation (`activations.ACTIVATIONS`) and what it minimises."""

    name: str
    activation: str
    objective: Objective

    def model(self, classes: int = 10) -> PocketNet:
        """A fresh, untrained network."""
        return PocketNet(classes, self.activation)


@dataclass(frozen=True)
class Profile:
    """On which images and for how long: `data` for `data.load`, `augmentation` and a schedule for `training.fit`.

    Attributes:
        schedule: Of every recipe, but for the epochs of those named in `epochs`.
    """

    name: str
    data: str
    schedule: Schedule
    augmentation: Augmentation | None
    epochs: Mapping[str, int] = field(default_factory=dict)

    def schedule_for(self, recipe: Recipe) -> Schedule:
        """The schedule that `recipe` is trained with in this profile."""
        return replace(self.schedule, epochs=self.epochs.get(recipe.name, self.schedule.epochs))


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("undefended", "relu", CrossEntropy()),
        Recipe("undefended-smooth", "smooth-relu", CrossEntropy()),
        Recipe("squared-l2-0.1", "relu", GradientPenalty("l2", 0.1)),
        Recipe("squared-l2-1", "relu", GradientPenalty("l2", 1.0)),
        Recipe("squared-l2-0.1-smooth", "smooth-relu", GradientPenalty("l2", 0.1)),
        Recipe("noise-0.25", "relu", GaussianNoise(0.25)),
    )
}
# the paper's, trained, measured and stored in data/results/pocket/; noise-0.25 is there too, for randomised smoothing
SHIPPED = ("undefended", "undefended-smooth", "squared-l2-0.1", "squared-l2-0.1-smooth")
PROFILES = {
    profile.name: profile
    for profile in (
        Profile("sample", "sample", Schedule(epochs=4, batch_size=64), Augmentation(pad=2)),
        Profile(
            "pocket",
            "cifar10",
            Schedule(epochs=40, learning_rate=0.2),
            Augmentation(pad=4),
            # a penalised epoch in float32 takes about four times as long as a plain one in bfloat16: this is what each
            # recipe gets done in about a quarter of an hour on two cores (noise in a few minutes)
            epochs={name: 10 for name in ("squared-l2-0.1", "squared-l2-1", "squared-l2-0.1-smooth")}
            | {"noise-0.25": 12},
        ),
    )
}


def get(name: str) -> Recipe:
    """The recipe called `name`.

    Raises:
        ValueError: Naming the choices, for another name.
    """
    return _pick("recipe", name, RECIPES)


def profile(name: str) -> Profile:
    """The profile called `name`.

    Raises:
        ValueError: Naming the choices, for another name.
    """
    return _pick("profile", name, PROFILES)


def _pick(kind: str, name: str, choices: dict):
    if name not in choices:
        raise ValueError(f"unknown {kind} {name!r}: choose one of {', '.join(choices)}")
    return choices[name]
