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
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tulip_lite.attacks.adversarial import Adversarial, attacking, believed, judged, nearer, to_boundary
from tulip_lite.attacks.others.catalogue import ATTACKS, Option, checked, described
from tulip_lite.attacks.others.sealed import Seen, plain, sealed
from tulip_lite.attacks.others.starts import with_starts

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

    Attacks that need a start begin at `start`, and look for one themselves where there is none: towards other images of the
    batch, noise, black, white and the negative. Where that fails the distance stays ∞ (a warning tells if that is true of
    all). Images on which the library raises keep what they had, with a warning.

    Args:
        x: (B, C, H, W) in [0, 1].
        y: (B,).
        norm: One of `ATTACKS[name].norms`, of the perturbation.
        start: Earlier results for these images, in any norm. None is believed before it is tried; the nearer of both is
            returned.
        options: Those of `ATTACKS[name].defaults`.

    Raises:
        ValueError, TypeError: For an unknown attack, norm or option, bad images or labels, or a model that returns NaN.
        ImportError: Naming what to install, without foolbox or, for Brendel-Bethge, numba.
    """
    attack, options = described(name, norm), checked(name, options)
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

        proposed, errors = _proposed(library, name, norm, options, model, clean[todo], y[todo], begin.x_adv[todo], seed)
        if errors:
            warnings.warn(
                f"foolbox's {name} raised on {len(errors)} of {len(x)} images ({errors[0]!r}): "
                "those keep the start they had, or ∞",
                stacklevel=2,
            )
        x_adv = clean.clone()
        x_adv[todo] = proposed.to(clean).clamp(0, 1)
        return nearer(begin, judged(model, clean, y, to_boundary(model, clean, y, x_adv), norm, name))


def _proposed(
    library: ModuleType,
    name: str,
    norm: str,
    options: Mapping[str, Option],
    model: nn.Module,
    clean: Tensor,
    y: Tensor,
    starts: Tensor,
    seed: int,
) -> tuple[Tensor, list[Exception]]:
    """The images that foolbox's attack makes of clean ones, nothing of which is believed, and what it raised on single ones."""
    seen, needs_start = Seen(model, clean.dtype).eval(), ATTACKS[name].needs_start
    images, starts, labels = plain(clean), plain(starts), y.long()
    if needs_start:  # one on the boundary itself may not survive float32: push it out
        starts = to_boundary(seen, images, labels, starts, halvings=0)

    def attempt(images: Tensor, labels: Tensor, starts: Tensor) -> Tensor:
        criterion = library.criteria.Misclassification(labels)
        extra = {"starting_points": starts} if needs_start else {}
        return built(network, images, criterion, epsilons=None, **extra)[0]

    with sealed(seed, clean.device):
        network = library.PyTorchModel(seen, bounds=(0, 1), device=clean.device)
        built = _built(library, name, norm, options)
        return _piecewise(attempt, images, labels, starts, _portion(name, options, clean))


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
    make: Any = getattr(library.attacks, ATTACKS[name].classes[norm])  # a class; foolbox is imported when it is needed
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
    first, most, steps = (
        int(options[option] or 0) for option in ("initial_gradient_eval_steps", "max_gradient_eval_steps", "steps")
    )
    held = min(first * math.sqrt(steps), most)
    return max(1, int(_HELD_PIXELS / (held * clean[0].numel())))


def _piecewise(
    attempt: Callable[[Tensor, Tensor, Tensor], Tensor], images: Tensor, labels: Tensor, starts: Tensor, portion: int
) -> tuple[Tensor, list[Exception]]:
    """What `attempt` returns on portions; where it raises, on halves, down to single images, which then stay as they are."""
    done: list[Tensor] = []
    errors: list[Exception] = []
    for part in zip(images.split(portion), labels.split(portion), starts.split(portion), strict=True):
        try:
            result = attempt(*part)
        # what foolbox raises about single images; whatever else goes wrong is no image's fault
        except (AssertionError, ValueError, ArithmeticError) as error:
            if len(part[0]) == 1:
                result = part[0]
                errors.append(error)
            else:
                result, problems = _piecewise(attempt, *part, portion=(len(part[0]) + 1) // 2)
                errors += problems
        done.append(result)
    return torch.cat(done), errors
