"""The attacks by name, and the suites: which of them run after one another, with which options."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from tulip_lite import norms
from tulip_lite.attacks.adversarial import CLEAN, Adversarial
from tulip_lite.attacks.fmn import fmn
from tulip_lite.attacks.logbarrier import logbarrier
from tulip_lite.attacks.others import foolbox
from tulip_lite.attacks.pgd import smallest_radius


@dataclass(frozen=True)
class Attack:
    """An attack by name.

    Attributes:
        run: `(model, x, y, norm, *, start, seed, **options) -> Adversarial`.
        norms: Those it works in.
    """

    run: Callable[..., Adversarial]
    norms: tuple[str, ...] = tuple(norms.NORMS)


@dataclass(frozen=True)
class Stage:
    """One attack of a suite: its name in ATTACKS, its options, and what to call it in reports (by default the attack's name)."""

    attack: str
    options: Mapping[str, object] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self):
        object.__setattr__(self, "name", self.name or self.attack)


ATTACKS: dict[str, Attack] = {
    "pgd": Attack(smallest_radius),
    "fmn": Attack(fmn),
    "logbarrier": Attack(logbarrier),
} | {f"foolbox {name}": Attack(partial(foolbox.run, name), attack.norms) for name, attack in foolbox.ATTACKS.items()}

# a short LogBarrier first: where gradients vanish it tries noise, and what it finds is one more beginning for FMN
_QUICK = (Stage("logbarrier", {"outer": 3, "inner": 8}), Stage("fmn", {"steps": 100}))
_LONG = (
    Stage("fmn", {"steps": 1800, "targets": 9}, "fmn, long"),
    Stage("logbarrier", name="logbarrier, long"),
    Stage("pgd", {"restarts": 3}),
)
# its solver is compiled by numba, which not every Python has
_NEEDS_NUMBA = (Stage("foolbox brendel-bethge"),) if importlib.util.find_spec("numba") else ()

# quick: our own, at most 156 gradients an image, no library needed. paper: Sec. 4's attacks; Carlini-Wagner and Boundary
# minimise the ℓ2 distance and have no ℓ∞ form. thorough: everything strong
SUITES: dict[str, dict[str, tuple[Stage, ...]]] = {
    "quick": {"l2": _QUICK, "linf": _QUICK},
    "paper": {
        "l2": (Stage("pgd"), Stage("logbarrier"), Stage("foolbox carlini-wagner"), Stage("foolbox boundary")),
        "linf": (Stage("pgd"), Stage("logbarrier")),
    },
    "thorough": {
        "l2": (
            *_QUICK,
            *_LONG,
            Stage("foolbox ddn", {"steps": 1000}),
            Stage("foolbox carlini-wagner"),
            *_NEEDS_NUMBA,
            Stage("foolbox hopskipjump"),
        ),
        "linf": (*_QUICK, *_LONG, Stage("foolbox fmn", {"steps": 1000}), *_NEEDS_NUMBA, Stage("foolbox hopskipjump")),
    },
}


def stages_of(suite: str | Sequence[Stage], norm: str) -> tuple[Stage, ...]:
    """The stages of a suite, by name or as given.

    Raises:
        ValueError: Naming the choices, for unknown names, an attack that does not work in `norm`, no stages, or two of one
            name.
    """
    norms.get(norm)
    if isinstance(suite, str):
        if suite not in SUITES:
            raise ValueError(
                f"unknown suite {suite!r}: choose one of {', '.join(map(repr, SUITES))}, or give a tuple of stages"
            )
        suite = SUITES[suite][norm]
    stages = tuple(suite)
    if not stages:
        raise ValueError("a suite needs at least one stage")
    for stage in stages:
        if stage.attack not in ATTACKS:
            raise ValueError(f"unknown attack {stage.attack!r}: choose one of {', '.join(map(repr, ATTACKS))}")
        if norm not in ATTACKS[stage.attack].norms:
            able = [name for name, attack in ATTACKS.items() if norm in attack.norms]
            raise ValueError(f"{stage.attack} does not work in {norm!r}: choose one of {', '.join(map(repr, able))}")
    names = [stage.name for stage in stages]
    for name in names:
        if names.count(name) > 1 or name in (CLEAN, ""):
            raise ValueError(
                f"two stages cannot both be called {name!r}: give them names, Stage(attack, options, name)"
            )
    return stages
