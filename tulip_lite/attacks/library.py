"""Attacks of foolbox (Rauber et al. 2017, 2020) behind one wrapper that does not believe them.

foolbox gets contiguous float32 images that the network classifies correctly, and the network in eval mode without gradients of
its weights. Of what it hands back only the images are used: clamped, pulled to the boundary (`to_boundary`) and `judged`. Its
random numbers come from `seed`; the caller's random state and logging are left as they were.

Differences from calling foolbox 3.3.4:
- No attack is handed an image that is wrong already, nor, where it starts from a misclassified image, one without a start: a
  single bad start makes foolbox raise for the batch. Where it raises nevertheless, halves of the batch are tried.
- Starts come from earlier attacks or `starts.with_starts`, not from foolbox's noise, which often finds none.
- HopSkipJump divides its ℓ2 direction by the norm over the whole *batch*, so its steps shrink with the batch; here by each
  image's own. (Brendel-Bethge's trust region grows with the batch; that does no harm and is left.)
- An image on which Brendel-Bethge's solver fails stays where it is for that step, instead of ending the batch.
- foolbox's ℓ2-FMN is left out: its projection onto the ball does nothing.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType

import numpy as np
import torch
from torch import Tensor, nn

from tulip_lite import norms
from tulip_lite.attacks.adversarial import Adversarial, attacking, believed, judged, nearer, to_boundary
from tulip_lite.attacks.foreign import Seen, plain, sealed
from tulip_lite.attacks.starts import with_starts

Option = int | float | str | None


@dataclass(frozen=True)
class LibraryAttack:
    """An attack of foolbox.

    classes: norm → its class in `foolbox.attacks`; kind: "gradient", or "decision" where it sees only the predicted class;
    needs_start: whether it begins at a misclassified image; defaults: every option and its value unless another is given (the
    library's own, but for Carlini-Wagner's 1000 steps, which are its authors'); citation: a key of references.bib.
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
# HopSkipJump holds its random directions for all images at once: this many pixels of them (a quarter of a gigabyte) at a time
_HELD_PIXELS = 2**26


def run(
    name: str,
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str,
    *,
    start: Adversarial | None = None,
    seed: int = 0,
    **options: Option,
) -> Adversarial:
    """The nearest misclassified images that foolbox's attack `name` of `ATTACKS` finds, recomputed.

    x: (B, C, H, W) in [0, 1]; y: (B,); norm: one of `ATTACKS[name].norms`, of the perturbation; options: as in its `defaults`.
    start: earlier results for these images, in any norm. None is believed before it is tried; the nearer of both is returned.
    Attacks that need a start begin there, and look for one themselves where there is none: towards other images of the batch,
    noise, black, white and the negative. Where that fails the distance stays ∞ (a warning tells if that is true of all).
    Images on which the library raises keep what they had, with a warning.
    ValueError or TypeError for an unknown attack, norm or option, bad images or labels, or a model that returns NaN.
    ImportError, naming what to install, without foolbox or, for Brendel-Bethge, numba.
    """
    attack, options = _described(name, norm), _checked(name, options)
    library = _foolbox(name)
    with attacking(model, x, y) as (clean, wrong), torch.enable_grad():
        begin, todo = believed(model, clean, y, start, norm), ~wrong
        if attack.needs_start:
            begin = with_starts(model, clean, y, begin, norm, name, seed)
            todo &= begin.distance.isfinite()
            if not todo.any() and not wrong.all():
                warnings.warn(
                    f"{name}: no start found, nothing that was tried is misclassified; the distances stay ∞: "
                    "give start=, from an attack that needs none",
                    stacklevel=2,
                )
        if not todo.any():
            return begin

        seen = Seen(model, x.dtype).eval()
        images, starts, labels = plain(clean[todo]), plain(begin.x_adv[todo]), y[todo].long()
        if attack.needs_start:  # one on the boundary itself may not survive float32: push it out
            starts = to_boundary(seen, images, labels, starts, halvings=0)

        def attempt(images: Tensor, labels: Tensor, starts: Tensor) -> Tensor:
            criterion = library.criteria.Misclassification(labels)
            extra = {"starting_points": starts} if attack.needs_start else {}
            return built(network, images, criterion, epsilons=None, **extra)[0]

        with sealed(seed, x.device):
            network = library.PyTorchModel(seen, bounds=(0, 1), device=x.device)
            built = _built(library, name, norm, options)
            proposed, errors = _piecewise(attempt, images, labels, starts, _portion(name, options, clean))
        if errors:
            warnings.warn(
                f"foolbox's {name} raised on {len(errors)} of {len(x)} images ({errors[0]!r}): "
                "those keep the start they had, or ∞",
                stacklevel=2,
            )
        x_adv = clean.clone()
        x_adv[todo] = proposed.to(clean).clamp(0, 1)
        return nearer(begin, judged(model, clean, y, to_boundary(model, clean, y, x_adv), norm, name))


def _described(name: str, norm: str) -> LibraryAttack:
    if name not in ATTACKS:
        raise ValueError(f"unknown attack {name!r}: choose one of {', '.join(map(repr, ATTACKS))}")
    norms.get(norm)
    if norm not in ATTACKS[name].norms:
        others = ", ".join(repr(other) for other, attack in ATTACKS.items() if norm in attack.norms)
        raise ValueError(f"{name} has no {norm}, only {', '.join(ATTACKS[name].norms)}: choose one of {others}")
    return ATTACKS[name]


def _checked(name: str, options: Mapping[str, Option]) -> dict[str, Option]:
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


def _foolbox(name: str) -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that scipy 2 will not have
            import foolbox
    except ImportError as error:
        raise ImportError(f"{name} needs foolbox: pip install 'tulip_lite[attacks]'") from error
    if name == "brendel-bethge":
        try:
            import numba  # noqa: F401  foolbox imports it itself, and fails late without
        except ImportError as error:
            raise ImportError("brendel-bethge needs numba: pip install 'tulip_lite[brendel-bethge]'") from error
    return foolbox


def _built(library: ModuleType, name: str, norm: str, options: Mapping[str, Option]) -> Callable:
    """foolbox's attack, mended where it lets one image of a batch disturb the others."""
    make = getattr(library.attacks, ATTACKS[name].classes[norm])
    if name == "hopskipjump":

        class HopSkipJump(make):
            def approximate_gradients(self, *arguments):
                direction = super().approximate_gradients(*arguments)
                length = direction.flatten(start=1).square().sum(axis=1).sqrt() + 1e-12
                return direction / length.reshape((-1,) + (1,) * (direction.ndim - 1))

        return HopSkipJump(constraint=norm, **options)
    if name == "brendel-bethge":

        class BrendelBethge(make):
            def instantiate_optimizer(self):
                return _Patient(super().instantiate_optimizer())

        return BrendelBethge(**options)
    return make(**options)


class _Patient:
    """Brendel-Bethge's solver, one image a call; no step where it fails. On NaN it would search without end."""

    def __init__(self, solver):
        self.solver = solver

    def solve(self, x0, x, normal, low, high, change, radius):
        if np.isfinite(normal).all() and np.isfinite(change) and np.isfinite(x).all():
            with contextlib.suppress(ArithmeticError, ValueError, np.linalg.LinAlgError):
                return self.solver.solve(x0, x, normal, low, high, change, radius)
        return np.zeros_like(x0)


def _portion(name: str, options: Mapping[str, Option], clean: Tensor) -> int:
    """How many images a library may have at once."""
    if name != "hopskipjump":
        return len(clean)
    held = min(options["initial_gradient_eval_steps"] * math.sqrt(options["steps"]), options["max_gradient_eval_steps"])
    return max(1, int(_HELD_PIXELS / (held * clean[0].numel())))


def _piecewise(
    attempt: Callable[[Tensor, Tensor, Tensor], Tensor], images: Tensor, labels: Tensor, starts: Tensor, portion: int
) -> tuple[Tensor, list[Exception]]:
    """What `attempt` returns on portions; where it raises, on halves, down to single images, which then stay as they are."""
    done, errors = [], []
    for part in zip(images.split(portion), labels.split(portion), starts.split(portion), strict=True):
        try:
            result = attempt(*part)
        # what foolbox raises about single images; whatever else goes wrong is no image's fault
        except (AssertionError, ValueError, ArithmeticError) as error:
            if len(part[0]) == 1:
                result, problems = part[0], [error]
            else:
                result, problems = _piecewise(attempt, *part, portion=(len(part[0]) + 1) // 2)
            errors += problems
        done.append(result)
    return torch.cat(done), errors
