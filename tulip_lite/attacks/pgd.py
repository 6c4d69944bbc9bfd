"""Projected gradient descent (Madry et al. 2018): the worst image within a given radius, and the smallest radius that suffices.

One loop serves every norm: gradient → steepest ascent direction → step → projection onto the ball → [0, 1].

Differences from the authors' code: images are clamped to [0, 1] (theirs leave it), the start is random (theirs is the
clean image), and the best point of the whole path is returned, not the last one. The network is attacked in eval mode, so
that batch statistics do not see the attacked images. The search for the smallest radius climbs the margin of the scores
instead of the cross-entropy, whose gradient is zero in float32 where the softmax saturates, and begins each radius at the
nearest image known.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tulip_lite import losses, norms
from tulip_lite.attacks.adversarial import Adversarial, attacking, believed, judged, nearer, to_boundary
from tulip_lite.attacks.margin import margin_gradient
from tulip_lite.checks import check_images, check_labels, check_logits, check_positive
from tulip_lite.gradients import with_gradient
from tulip_lite.models import evaluating


def pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str = "linf",
    radius: float | Tensor = 8 / 255,
    steps: int = 20,
    step_size: float | Tensor | None = None,
    *,
    random_start: bool = True,
    restarts: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Images near x on which the cross-entropy is as large as projected gradient ascent can make it.

    Args:
        x: (B, C, H, W) in [0, 1].
        y: (B,) true labels.
        norm: ``"l2"`` or ``"linf"``, of the perturbation.
        radius: A number or (B,), pixel units.
        step_size: Pixel units, by default 2.5 · radius / steps (Madry et al.).
        restarts: Independent runs, of which each image keeps its best.
        generator: For the random starts, on x's device.

    Returns:
        x_adv (B, C, H, W), detached, inside [0, 1] and the ball. An image counts as better attacked where it is
        misclassified, then where its loss is larger; the clean image is among the candidates.

    Raises:
        ValueError, TypeError: For bad images, labels, norm, radius, steps, or a model that returns NaN.
    """
    geometry = norms.get(norm)
    check_images(x)
    radius = torch.as_tensor(radius, dtype=x.dtype, device=x.device)
    if not (radius >= 0).all() or not radius.isfinite().all() or (radius.dim() and radius.shape != y.shape):
        raise ValueError(f"radius must be a number or ({len(x)},), finite and ≥ 0, got {radius}")
    if steps < 1 or restarts < 1:
        raise ValueError(f"steps and restarts must be at least 1, got {steps} and {restarts}")
    step_size = 2.5 * radius / steps if step_size is None else step_size
    step_size = norms.per_image(step_size, x)

    clean = x.detach()
    with evaluating(model), torch.enable_grad():
        best = _Best(model, clean, y)
        for restart in range(restarts):
            offset = torch.zeros_like(clean)
            if random_start or restart:
                offset = geometry.random(clean, radius, generator)
            moved = (clean + offset).clamp(0, 1)
            for _ in range(steps):
                gradient = best.ascend(moved)
                offset = geometry.project(moved + step_size * geometry.steepest(gradient) - clean, radius)
                moved = (clean + offset).clamp(0, 1)
            best.keep(moved)
    return best.images


class _Best:
    """The best image found so far for each clean one: misclassified first, then of larger loss."""

    def __init__(self, model: nn.Module, clean: Tensor, y: Tensor):
        self.model, self.y = model, y
        with torch.no_grad():
            logits = model(clean)
        check_logits(logits)
        check_labels(y, logits.shape[1], len(clean))
        self.images = clean.clone()
        self.wrong, self.loss = self._judge(logits)

    def _judge(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        logits = logits.detach()
        return logits.argmax(1) != self.y, losses.cross_entropy(logits, self.y)

    def _update(self, images: Tensor, logits: Tensor) -> None:
        wrong, loss = self._judge(logits)
        better = (wrong & ~self.wrong) | ((wrong == self.wrong) & (loss > self.loss))
        self.images = norms.where(better, images, self.images)
        self.wrong = torch.where(better, wrong, self.wrong)
        self.loss = torch.where(better, loss, self.loss)

    @torch.no_grad()
    def keep(self, images: Tensor) -> None:
        self._update(images, self.model(images))

    def ascend(self, images: Tensor) -> Tensor:
        """Judges `images` and returns the gradient of their loss, from one forward pass."""

        def loss(images: Tensor) -> tuple[Tensor, Tensor]:
            logits = self.model(images)
            return losses.cross_entropy(logits, self.y), logits

        _, logits, gradient = with_gradient(loss, images)
        self._update(images.detach(), logits)
        return gradient


def smallest_radius(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str = "l2",
    *,
    steps: int = 20,
    restarts: int = 1,
    tolerance: float = 0.01,
    start: Adversarial | None = None,
    seed: int = 0,
) -> Adversarial:
    """The nearest misclassified images that projected gradient ascent finds, by bisection in the radius of each image.

    The first radius is the first-order estimate ``|margin|`` / ‖∇margin‖_dual, doubled until an image is found, which is
    then pulled back to the boundary, so that the upper end of a bracket is always a distance at which something was found.

    Args:
        x: (B, C, H, W) in [0, 1].
        y: (B,).
        steps: Of 2.5 · radius / steps each, within one radius.
        restarts: Runs within one radius, all but the first from random points drawn with `seed`.
        tolerance: The bracket of the radius is closed when its ends differ by this fraction.
        start: Images known from other attacks.

    Raises:
        TypeError, ValueError: For bad images, labels, norm or options, or a model that returns NaN.
    """
    geometry = norms.get(norm)
    check_positive(tolerance=tolerance)
    if steps < 1 or restarts < 1:
        raise ValueError(f"steps and restarts must be at least 1, got {steps} and {restarts}")
    generator = torch.Generator(x.device).manual_seed(seed)
    with attacking(model, x, y) as (clean, wrong):
        known = believed(model, clean, y, start, norm)
        best, high = torch.empty_like(clean).copy_(known.x_adv), known.distance.clone()
        low, everywhere = torch.zeros_like(high), geometry.size(torch.maximum(clean, 1 - clean))
        left = (~wrong).nonzero().flatten()
        # a little farther than the first-order distance, so that where the margin is linear the first radius suffices
        radius = everywhere.clone()
        if len(left):
            radius[left] = 1.01 * _first_order(model, clean[left], y[left], geometry)
        radius = torch.where(high.isfinite(), high / 2, radius.clamp(everywhere / 2**12, everywhere))
        while len(left):
            found = _tried(model, clean, y, geometry, radius, steps, restarts, left, best, high, generator)
            missed = left[~found[left]]
            low[missed] = radius[missed]
            # an image that was found nearer than a radius where nothing was closes its bracket, too
            ended = (high - low <= tolerance * high) & high.isfinite() | high.isinf() & (low >= everywhere)
            radius = torch.where(high.isfinite(), (low + high) / 2, torch.minimum(2 * radius, everywhere))
            left = left[~ended[left]]
        # in the whole batch scores round otherwise than in its parts: what fooled there by a hair is pushed out again
        return nearer(known, judged(model, clean, y, to_boundary(model, clean, y, best), norm, "pgd"))


def _tried(
    model: nn.Module,
    clean: Tensor,
    y: Tensor,
    geometry: norms.Norm,
    radius: Tensor,
    steps: int,
    restarts: int,
    left: Tensor,
    best: Tensor,
    high: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Where (B,) the images `left` were fooled within their radii; what is nearer goes into `best` and its distance `high`."""
    found = torch.zeros_like(high, dtype=torch.bool)
    for restart in range(restarts):
        todo = left[~found[left]]
        if not len(todo):
            break
        begin = clean[todo] + geometry.random(clean[todo], radius[todo], generator) if restart else best[todo]
        over, moved = _within(model, clean[todo], y[todo], geometry, radius[todo], steps, begin)
        found[todo] = over
        hit = todo[over]
        moved = to_boundary(model, clean[hit], y[hit], moved[over], halvings=6)
        distance = geometry.size(moved - clean[hit])
        closer = distance < high[hit]
        best[hit[closer]], high[hit[closer]] = moved[closer], distance[closer]
    return found


def _first_order(model: nn.Module, clean: Tensor, y: Tensor, geometry: norms.Norm) -> Tensor:
    """How far (B,) the boundary would be if the margin were linear; ∞ where its gradient vanishes."""
    margin, gradient = margin_gradient(model, clean, y)[1:]
    return (-margin / geometry.dual(gradient)).nan_to_num(torch.inf)


def _within(
    model: nn.Module, clean: Tensor, y: Tensor, geometry: norms.Norm, radius: Tensor, steps: int, begin: Tensor
) -> tuple[Tensor, Tensor]:
    """Whether (B,) ascent from `begin`, brought into the ball, fools the model, and the first image of each path that does."""
    images, found = clean.clone(), torch.zeros_like(y, dtype=torch.bool)
    moved = (clean + geometry.project(begin - clean, radius)).clamp(0, 1)
    left = torch.arange(len(y), device=y.device)
    for step in range(steps + 1):
        over, _, gradient = margin_gradient(model, moved, y[left])
        images[left[over]], found[left[over]] = moved[over], True
        left, moved, gradient = left[~over], moved[~over], gradient[~over]
        if step == steps or not len(left):
            break
        ahead = moved + norms.per_image(2.5 * radius[left] / steps, moved) * geometry.steepest(gradient)
        moved = (clean[left] + geometry.project(ahead - clean[left], radius[left])).clamp(0, 1)
    return found, images
