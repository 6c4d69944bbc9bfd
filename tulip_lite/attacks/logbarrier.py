"""The LogBarrier attack (Finlay, Pooladian & Oberman 2019): an interior-point method from the wrong side of the boundary.

Among misclassified images u, those where the margin of the scores, m(u) = max_{i≠y} z_i(u) − z_y(u), is positive, it minimises

::

    ½ ‖u − x‖² − μ log m(u)

for a falling sequence of multipliers μ: the logarithm keeps u inside, and the multiplier decides how near to the boundary it
may come. Phase I finds a misclassified image by gradient ascent in growing balls around x. From there each step minimises the
function above with m linearised at u. In both norms the minimiser lies on one path, v(ε) = clip(x + ε s) with the steepest
direction s of ∇m; without the box its ε has a closed form: with the distance t to the linearised boundary, ε (ε − t) = μ. The
image moves a share of the way to v, and back where it left the misclassified set; the nearest image of its path counts.

Differences from the authors' code:

- The barrier is on scores, theirs on probabilities. Where the softmax saturates, the gradient of theirs vanishes; that of log m
  stays as it is when all scores are multiplied by a number.
- A step has the scale of the image's own distance, in both norms. Theirs is 0.01 times a gradient: the same for all images, and
  in ℓ∞, where the entries of the distance's gradient share a sum near 1 among the pixels, far too short.
- ℓ∞ itself is minimised: v has all its pixels at ±ε. Theirs minimises a mean with the weights softmax(500 ``|u − x|``), which at
  distances around 1/100 lies far below the maximum.
- The multiplier is μ = τ ‖u − x‖² with the same τ for all images: to first order the relative distance kept from the boundary.
  Theirs is one number for all images, whatever their distance.
- The start is found by gradients, for each of the three wrong classes with the largest scores in turn, and the nearest result
  goes on: the nearest boundary is often that of another class than the one first met. Images that gradients do not bring across
  get clipped noise of growing size. Theirs is unclipped noise alone, so it begins, and often ends, at a far boundary.
- Starts and the results of outer iterations are pulled to the boundary along the straight line to x, and the next outer
  iteration begins at the nearest image so far; theirs begins at the last one.
- Backtracking is bounded, image by image: what half a step leaves outside goes back, and takes shorter steps from then on.
- Where an outer iteration brings an image less than 0.1 % nearer its τ falls three times as fast, and at the smallest τ it leaves
  the batch, on its own; their tolerance waits for all images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from tulip_lite import norms
from tulip_lite.attacks.adversarial import (
    ROUNDING,
    Adversarial,
    attacking,
    believed,
    fooled,
    judged,
    nearer,
    to_boundary,
)
from tulip_lite.attacks.beginnings import noise, phase_one
from tulip_lite.attacks.margin import margin_gradient, wrong_classes
from tulip_lite.losses import logit_margin
from tulip_lite.norms import Norm, per_image

# found on the networks of this book: τ and the share of the way to the minimiser at the first and the last outer iteration,
# the classes tried, the relative gain without which an outer iteration was in vain, and how many ordinary falls of τ follow it
TAUS, SHARES = (0.3, 0.005), (0.5, 0.05)
CLASSES = 3
GAIN, HASTE = 1e-3, 3


def logbarrier(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str = "l2",
    *,
    outer: int = 15,
    inner: int = 50,
    start: Adversarial | None = None,
    seed: int = 0,
) -> Adversarial:
    """The nearest misclassified images that the LogBarrier attack finds, with at most outer × inner gradients for each.

    Args:
        x: (B, C, H, W) in [0, 1].
        y: (B,) labels.
        norm: ``"l2"`` or ``"linf"``.
        outer: Outer iterations, of which up to three try one class each.
        inner: Gradients in each.
        start: Images known from other attacks, where the attack begins, and then tries no classes.
        seed: Of the noise that is tried where gradients find no misclassified image.

    Raises:
        TypeError, ValueError: For bad images, labels, norm or options, or a model that returns NaN.
    """
    geometry = norms.get(norm)
    if outer < 1 or inner < 1:
        raise ValueError(f"outer and inner must be at least 1, got {outer} and {inner}")
    with attacking(model, x, y) as (clean, wrong), torch.no_grad():
        known = believed(model, clean, y, start, norm)
        best, nearest = known.x_adv.to(clean, copy=True), known.distance.clone()
        keep = partial(_keep, best, nearest)
        tries = wrong_classes(model, clean, y, min(CLASSES, outer)).T
        _begin(model, clean, y, wrong, nearest, keep, tries, geometry, inner, seed)
        begins = torch.where(known.distance.isfinite(), 0, len(tries))
        fall = (TAUS[1] / TAUS[0]) ** (1 / max(outer - 1, 1))
        tau = TAUS[0] * fall ** begins.to(clean.dtype)
        left = ~wrong & nearest.isfinite()
        for k in range(outer):
            here = (left & (begins <= k)).nonzero().flatten()
            if not len(here):
                continue
            steps, before = torch.full_like(here, inner), nearest[here]
            keep(here, *_steps(model, clean[here], y[here], best[here], geometry, steps, tau[here]))
            # the barrier keeps an image off the boundary by τ: where it gains nothing, only a smaller τ can help
            idle = nearest[here] > (1 - GAIN) * before
            left[here[idle & (tau[here] <= 1.01 * TAUS[1])]] = False
            tau[here] *= torch.where(idle, fall**HASTE, fall)
        return nearer(known, judged(model, clean, y, to_boundary(model, clean, y, best), norm, "logbarrier"))


def _keep(best: Tensor, nearest: Tensor, here: Tensor, images: Tensor, size: Tensor) -> None:
    """Of the images `here` those that are nearer than what was known."""
    closer = size < nearest[here]
    best[here[closer]], nearest[here[closer]] = images[closer], size[closer]


def _begin(
    model: nn.Module,
    clean: Tensor,
    y: Tensor,
    wrong: Tensor,
    nearest: Tensor,
    keep: Callable[[Tensor, Tensor, Tensor], None],
    tries: Tensor,
    geometry: Norm,
    inner: int,
    seed: int,
) -> None:
    """A first misclassified image where none is known: towards each class of `tries` (C, B), else in noise."""
    cold = (~wrong & nearest.isinf()).nonzero().flatten()
    first = torch.full_like(nearest[cold], TAUS[0])
    for target in tries[:, cold] if len(cold) else ():
        images = clean[cold], y[cold]
        begin, used = phase_one(model, *images, target, geometry, inner)
        keep(cold, *_steps(model, *images, begin, geometry, inner - used, first))
    lost = (~wrong & nearest.isinf()).nonzero().flatten()
    if len(lost):
        begin = noise(model, clean[lost], y[lost], seed)
        keep(lost, *_steps(model, clean[lost], y[lost], begin, geometry, torch.zeros_like(lost), first[: len(lost)]))


def _steps(
    model: nn.Module, clean: Tensor, y: Tensor, begin: Tensor, geometry: Norm, steps: Tensor, tau: Tensor
) -> tuple[Tensor, Tensor]:
    """One outer iteration: the nearest misclassified image (B, C, H, W) of each path, on the boundary, and its distance (B,).

    steps: (B,) gradients to take; tau: (B,). The distance is ∞ where `begin` is classified right already.
    """
    u, best = begin.clone(), begin.clone()
    size = torch.where(logit_margin(model(begin), y) > 0, geometry.size(begin - clean), torch.inf)
    share = SHARES[0] * (tau / TAUS[0]) ** (math.log(SHARES[1] / SHARES[0]) / math.log(TAUS[1] / TAUS[0]))
    most = share.clamp_min(SHARES[1])
    share = most.clone()
    for step in range(int(steps.max())):
        here = ((step < steps) & size.isfinite()).nonzero().flatten()
        if not len(here):
            break
        x, old = clean[here], u[here]
        _, margin, gradient = margin_gradient(model, old, y[here])
        aim = _minimiser(geometry, x, old, margin, gradient, tau[here] * size[here] ** 2)
        new = old + per_image(share[here], x) * (aim - old)
        out = (~_inside(model, new, y[here])).nonzero().flatten()
        share[here] = torch.minimum(1.05 * share[here], most[here])
        if len(out):
            share[here[out]] *= 0.7
            new[out] = (new[out] + old[out]) / 2
            still = out[~_inside(model, new[out], y[here[out]])]
            new[still] = old[still]
        u[here] = new
        distance = geometry.size(new - x)
        closer = distance < size[here]
        best[here[closer]], size[here[closer]] = new[closer], distance[closer]
    best = to_boundary(model, clean, y, best, halvings=6)
    return best, torch.where(fooled(model(best), y), geometry.size(best - clean), torch.inf)


def _inside(model: nn.Module, u: Tensor, y: Tensor) -> Tensor:
    """Where (B,) the model errs by twice what `fooled` asks for: in another batch scores round otherwise."""
    scores = model(u)
    return logit_margin(scores, y) > 2 * ROUNDING * scores.abs().amax(1)


def _minimiser(geometry: Norm, x: Tensor, u: Tensor, margin: Tensor, gradient: Tensor, multiplier: Tensor) -> Tensor:
    """v = clip(x + ε s) for which ½ ε² − μ log(m + ⟨∇m, v − u⟩) is least, (B, C, H, W).

    Without the box ε (ε − t) = μ. Pixels that meet the box stay there, and ε is solved for again with the others: t only grows
    by that, so it ends.
    """
    direction = geometry.steepest(gradient)
    level = margin + _dot(gradient, x - u)  # the linearised margin at x
    free, moved = torch.ones_like(x), torch.zeros_like(x)
    while True:
        slope = _dot(gradient * free, direction)
        t = (-(level + _dot(gradient, moved * (1 - free))) / slope).nan_to_num(0.0, 1e9, 0.0).clamp(-1e9, 1e9)
        reach = (t + (t**2 + 4 * multiplier).sqrt()) / 2
        ahead = x + per_image(reach, x) * direction
        v = ahead.clamp(0, 1)
        still = free * (v == ahead)
        if torch.equal(still, free):
            return v
        free, moved = still, v - x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(1)
