"""Fast minimum-norm attack (Pintor et al. 2021): the ball shrinks while its image fools the model and grows while it does not.

An image u climbs the gap m(u) between the score of a wrong class and that of the true one, in ℓ2 steps whose length falls along a
cosine, and is brought back into a ball around the clean image x after each. The radius ε follows the image: where u fools the
model, ε ← min(ε, nearest found) · (1 − γ), elsewhere ε ← ε (1 + γ); until an image has fooled the model for the first time, ε is
where the linearised gap vanishes, ‖u − x‖ + ``|m(u)|`` / ‖∇m(u)‖_dual.

Differences from the published description: the wrong classes of largest scores are each climbed towards on their own, with a
share of the steps, since the nearest boundary often belongs to another class than the one that leads at first (the description
climbs the margin, towards whichever class leads). The first step is as long as the boundary is far, to first order, not a
constant for all images and networks. What was found is pulled back to the boundary at the end. foolbox's ℓ2 projection leaves
its argument as it is; here it projects.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tulip_lite import norms
from tulip_lite.attacks.adversarial import Adversarial, attacking, believed, fooled, judged, nearer, to_boundary
from tulip_lite.attacks.margin import margin_gradient, wrong_classes
from tulip_lite.checks import check_positive


def fmn(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str = "l2",
    *,
    steps: int = 100,
    targets: int = 3,
    step_size: float = 1.0,
    gamma: float = 0.05,
    start: Adversarial | None = None,
    seed: int = 0,
) -> Adversarial:
    """The nearest misclassified images that the fast minimum-norm attack finds.

    Args:
        x: (B, C, H, W) in [0, 1].
        y: (B,).
        steps: Gradients for each image, shared evenly among the classes tried.
        targets: How many classes, those of largest scores.
        step_size: Of the first step, in units of the first-order distance, falling to a hundredth of it.
        gamma: γ at first, falling to 0.001.
        start: Images known from other attacks, each taken towards its class as one more try, with as many steps on top.
        seed: Unused, nothing is drawn.

    Raises:
        TypeError, ValueError: For bad images, labels, norm or options, or a model that returns NaN.
    """
    geometry = norms.get(norm)
    check_positive(step_size=step_size, gamma=gamma)
    if not 1 <= targets <= steps or gamma >= 1:
        raise ValueError(
            f"targets must be at least 1, steps no less than targets and gamma below 1, got {targets}, {steps} and {gamma}"
        )
    with attacking(model, x, y) as (clean, wrong), torch.no_grad():
        known = believed(model, clean, y, start, norm)
        best, nearest = torch.empty_like(clean).copy_(known.x_adv), known.distance.clone()
        tries = [(~wrong, clean, target) for target in wrong_classes(model, clean, y, targets).T]
        share = steps // len(tries)
        begun = ~wrong & known.distance.isfinite()
        tries.append((begun, best.clone(), wrong_classes(model, best, y, 1)[:, 0]))
        for attacked, begin, target in tries:
            here = attacked.nonzero().flatten()
            if not len(here):
                continue
            images = clean[here], y[here]
            moved = _climb(model, *images, target[here], begin[here], geometry, share, step_size, gamma)
            moved = to_boundary(model, *images, moved, halvings=6)
            size = torch.where(fooled(model(moved), images[1]), geometry.size(moved - images[0]), torch.inf)
            closer = size < nearest[here]
            best[here[closer]], nearest[here[closer]] = moved[closer], size[closer]
        # in the whole batch scores round otherwise than in its parts: what fooled there by a hair is pushed out again
        return nearer(known, judged(model, clean, y, to_boundary(model, clean, y, best), norm, "fmn"))


def _climb(
    model: nn.Module,
    clean: Tensor,
    y: Tensor,
    target: Tensor,
    begin: Tensor,
    geometry: norms.Norm,
    steps: int,
    step_size: float,
    gamma: float,
) -> Tensor:
    """The nearest image (B, C, H, W) of the path that fools the model; the last one where none does."""
    moved, best, nearest = begin, begin, torch.full_like(y, torch.inf, dtype=clean.dtype)
    radius = nearest
    for step in range(steps):
        over, gap, gradient = margin_gradient(model, moved, y, target)
        size, slope = geometry.size(moved - clean), geometry.dual(gradient)
        closer = over & (size < nearest)
        best = norms.where(closer | nearest.isinf(), moved, best)
        nearest = torch.where(closer, size, nearest)
        # where the gradient vanishes nothing is known: a radius and a step of zero let the image rest
        far = (gap.abs() / slope).nan_to_num(0.0, posinf=0.0)
        if step == 0:
            # as ℓ2 length; an image that begins on the boundary is not far from it: a third of its distance is a fair guess
            first = step_size * geometry.reach(clean[0].numel()) * torch.maximum(far, size / 3)
        fall = (1 + math.cos(math.pi * step / steps)) / 2
        rate = 0.001 + (gamma - 0.001) * fall
        grown = torch.where(nearest.isinf(), size + far, radius * (1 + rate))
        radius = torch.where(over, torch.minimum(radius, nearest) * (1 - rate), grown)
        stride = norms.per_image(first * (0.01 + 0.99 * fall), moved)
        ahead = moved + stride * norms.get("l2").steepest(gradient)
        moved = (clean + geometry.project(ahead - clean, radius)).clamp(0, 1)
    return best
