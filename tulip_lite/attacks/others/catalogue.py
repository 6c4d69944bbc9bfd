"""foolbox's attacks as data: what each is called there, in which norms it works, what it needs, and its options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tulip_lite import norms

Option = int | float | str | None


@dataclass(frozen=True)
class LibraryAttack:
    """An attack of foolbox.

    Attributes:
        classes: norm → its class in `foolbox.attacks`.
        kind: ``"gradient"``, or ``"decision"`` where it sees only the predicted class.
        needs_start: Whether it begins at a misclassified image.
        defaults: Every option and its value unless another is given (the library's own, but for Carlini-Wagner's 1000
            steps, which are its authors').
        citation: A key of references.bib.
    """

    classes: Mapping[str, str]
    kind: str
    needs_start: bool
    defaults: Mapping[str, Option]
    citation: str

    @property
    def norms(self) -> tuple[str, ...]:
        return tuple(self.classes)


ATTACKS: Mapping[str, LibraryAttack] = MappingProxyType(
    {
        "carlini-wagner": LibraryAttack(
            {"l2": "L2CarliniWagnerAttack"},
            "gradient",
            False,
            {
                "binary_search_steps": 9,
                "steps": 1000,
                "stepsize": 1e-2,
                "confidence": 0.0,
                "initial_const": 1e-3,
                "abort_early": True,
            },
            "carlini2017",
        ),
        "boundary": LibraryAttack(
            {"l2": "BoundaryAttack"},
            "decision",
            True,
            {
                "steps": 25000,
                "spherical_step": 1e-2,
                "source_step": 1e-2,
                "source_step_convergance": 1e-7,
                "step_adaptation": 1.5,
                "update_stats_every_k": 10,
            },
            "brendel2018",
        ),
        "ddn": LibraryAttack(
            {"l2": "DDNAttack"}, "gradient", False, {"init_epsilon": 1.0, "steps": 100, "gamma": 0.05}, "rony2019"
        ),
        "fmn": LibraryAttack(
            {"linf": "LInfFMNAttack"},
            "gradient",
            False,
            {"steps": 100, "max_stepsize": 1.0, "min_stepsize": None, "gamma": 0.05},
            "pintor2021",
        ),
        "hopskipjump": LibraryAttack(
            {"l2": "HopSkipJumpAttack", "linf": "HopSkipJumpAttack"},
            "decision",
            True,
            {
                "steps": 64,
                "initial_gradient_eval_steps": 100,
                "max_gradient_eval_steps": 10000,
                "stepsize_search": "geometric_progression",
                "gamma": 1.0,
            },
            "chen2020",
        ),
        "deepfool": LibraryAttack(
            {"l2": "L2DeepFoolAttack", "linf": "LinfDeepFoolAttack"},
            "gradient",
            False,
            {"steps": 50, "candidates": 10, "overshoot": 0.02, "loss": "logits"},
            "moosavi2016",
        ),
        "brendel-bethge": LibraryAttack(
            {"l2": "L2BrendelBethgeAttack", "linf": "LinfinityBrendelBethgeAttack"},
            "gradient",
            True,
            {
                "overshoot": 1.1,
                "steps": 1000,
                "lr": 1e-3,
                "lr_decay": 0.5,
                "lr_num_decay": 20,
                "momentum": 0.8,
                "binary_search_steps": 10,
            },
            "brendel2019",
        ),
    }
)
_CHOICES = {"stepsize_search": ("geometric_progression", "grid_search"), "loss": ("logits", "crossentropy")}


def described(name: str, norm: str) -> LibraryAttack:
    """The attack of that name. ValueError, naming the choices, for an unknown one, or where it does not work in `norm`."""
    if name not in ATTACKS:
        raise ValueError(f"unknown attack {name!r}: choose one of {', '.join(map(repr, ATTACKS))}")
    norms.get(norm)
    if norm not in ATTACKS[name].norms:
        others = ", ".join(repr(other) for other, attack in ATTACKS.items() if norm in attack.norms)
        raise ValueError(f"{name} has no {norm}, only {', '.join(ATTACKS[name].norms)}: choose one of {others}")
    return ATTACKS[name]


def checked(name: str, options: Mapping[str, Option]) -> dict[str, Option]:
    """Defaults and given options together. Counts must be whole numbers ≥ 1, other numbers finite and ≥ 0."""
    defaults = ATTACKS[name].defaults
    for option, value in options.items():
        if option not in defaults:
            raise ValueError(f"{name} has no option {option!r}: choose among {', '.join(defaults)}")
        default = defaults[option]
        if default is None and value is None:
            continue
        if isinstance(default, bool):
            allowed, what = isinstance(value, bool), "True or False"
        elif isinstance(default, str):
            allowed, what = value in _CHOICES[option], f"one of {', '.join(map(repr, _CHOICES[option]))}"
        elif isinstance(default, int):
            allowed, what = isinstance(value, int) and not isinstance(value, bool) and value >= 1, "a whole number ≥ 1"
        else:
            allowed, what = isinstance(value, int | float) and 0 <= value < math.inf, "a finite number ≥ 0"
        if not allowed:
            raise ValueError(f"{option} of {name} must be {what}, got {value!r}")
    return {**defaults, **options}
