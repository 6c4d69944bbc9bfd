"""Recipes: which network is trained how. A recipe is data; a profile says on which images and for how long.

sample  the embedded images, one or two minutes on two cores (the chapters' live training)
pocket  CIFAR-10, PocketNet, minutes to an hour on two cores, about a minute on a GPU (what the project ships)
"""

from __future__ import annotations

from dataclasses import dataclass

from tulip_lite.augmentation import Augmentation
from tulip_lite.models import PocketNet
from tulip_lite.objectives import CrossEntropy, GradientPenalty, Objective
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
    """data: the argument of `data.load`; schedule and augmentation: of `training.fit`, the same for every recipe."""

    name: str
    data: str
    schedule: Schedule
    augmentation: Augmentation


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("undefended", "relu", CrossEntropy()),
        Recipe("undefended-smooth", "smooth-relu", CrossEntropy()),
        Recipe("squared-l2-0.1", "relu", GradientPenalty("l2", 0.1)),
        Recipe("squared-l2-0.1-smooth", "smooth-relu", GradientPenalty("l2", 0.1)),
    )
}
PROFILES = {
    profile.name: profile
    for profile in (
        Profile("sample", "sample", Schedule(epochs=5, batch_size=64, learning_rate=0.1), Augmentation(pad=2)),
        Profile("pocket", "cifar10", Schedule(epochs=12), Augmentation(pad=2)),
    )
}


def get(name: str) -> Recipe:
    """The recipe called `name`. ValueError, naming the choices, for another name."""
    return _pick("recipe", name, RECIPES)


def profile(name: str) -> Profile:
    """The profile called `name`. ValueError, naming the choices, for another name."""
    return _pick("profile", name, PROFILES)


def _pick(kind: str, name: str, choices: dict):
    if name not in choices:
        raise ValueError(f"unknown {kind} {name!r}: choose one of {', '.join(choices)}")
    return choices[name]
