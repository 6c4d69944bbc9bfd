"""Does an attack fail because there is nothing to find, or because it cannot see? Checks for gradient masking.

A network may hide its adversarial images from attacks that follow its gradient, without having fewer of them: gradients that
vanish, shatter or point nowhere (Athalye, Carlini & Wagner 2018). An error measured with such an attack is then worth nothing.
These are signs by which Athalye et al., Carlini et al. (2019) and Tramèr et al. (2020) recognise it. Passing all of them proves
nothing: a better attack may still exist. More restarts and more steps alone say little: where there is no gradient, more of the
same finds no more.

Every check counts images, and fires where even the low end of the 95 % interval of their share (Clopper-Pearson) exceeds what is
expected.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from tulip_lite import losses, norms
from tulip_lite.attacks.adversarial import attacking, fooled, judged, nearer, to_boundary
from tulip_lite.attacks.diagnosis import Check, Diagnosis
from tulip_lite.attacks.diagnosis import table as table
from tulip_lite.attacks.others import foolbox
from tulip_lite.attacks.pgd import pgd
from tulip_lite.checks import check_positive
from tulip_lite.gradients import value_and_gradient

# those at which robustness on CIFAR-10 is customarily claimed
RADII = {"l2": 0.5, "linf": 8 / 255}
# how much higher the error may be with a better attack before the attack counts as weak
LITTLE = 0.05
# of the radius
FRACTIONS = (0.25, 0.5, 1.0, 2.0)


def diagnose(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str = "l2",
    radius: float | None = None,
    *,
    attack: Callable[..., Tensor] = pgd,
    surrogate: nn.Module | None = None,
    seed: int = 0,
) -> Diagnosis:
    """Looks for signs that `attack` does not see the adversarial images of `model`.

    Images that the model misclassifies are left out.

    Args:
        x: (B, C, H, W) in [0, 1].
        y: (B,).
        norm: ``"l2"`` or ``"linf"``, of the perturbation.
        radius: Where robustness is claimed, pixel units, by default `RADII[norm]`.
        attack: What is checked, called like `pgd` and following the gradient of the cross-entropy.
        surrogate: Another network of these classes. What fools it is tried on the model, which takes less time and, where
            the two are alike, finds more than the decision-based attack that is run without one (about a second an image).

    Raises:
        ValueError, TypeError: For bad images, labels, norm or radius, a model that returns NaN, or one that recognises no
            image.
        ImportError: Without foolbox.
    """
    norms.get(norm)
    radius = RADII[norm] if radius is None else radius
    check_positive(radius=radius)
    with attacking(model, x, y) as (clean, wrong):
        if wrong.all():
            raise ValueError(
                "the model recognises none of these images: there is nothing to attack, and nothing to diagnose"
            )
        x, y = clean[~wrong], y[~wrong]

        checks, within = _checks(model, x, y, norm, radius, attack, surrogate, seed)
    return Diagnosis(checks, norm, radius, len(x), within.float().mean().item())


def _checks(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str,
    radius: float,
    attack: Callable[..., Tensor],
    surrogate: nn.Module | None,
    seed: int,
) -> tuple[tuple[Check, ...], Tensor]:
    """The checks on images that the model recognises, and where (B,) the attack fools it within the radius."""

    def attacked(x: Tensor, y: Tensor, radius: float | Tensor, *, model=model, target=None, **options) -> Tensor:
        start = torch.Generator(x.device).manual_seed(seed)
        return attack(model, x, y if target is None else target, norm, radius, generator=start, **options)

    zero = value_and_gradient(losses.of(model, losses.cross_entropy), x, y)[1].flatten(1).abs().amax(1) == 0
    # the ball of this radius holds every image. From the clean one: a random start in so large a ball is noise, and that
    # fools networks without any gradient
    everywhere = norms.get(norm).size(torch.maximum(x, 1 - x))
    unbounded = fooled(model(attacked(x, y, everywhere, steps=50, random_start=False)), y)
    reached = [model(attacked(x, y, fraction * radius)) for fraction in FRACTIONS]
    heights = torch.stack([losses.cross_entropy(logits, y) for logits in reached])
    within = fooled(reached[FRACTIONS.index(1)], y)
    left, labels = x[~within], y[~within]

    def newly(**options) -> int:
        return int(fooled(model(attacked(left, labels, radius, **options)), labels).sum()) if len(left) else 0

    black = _black_box(model, x, y, norm, radius, surrogate, attacked, seed)
    never = partial(Check, of=len(x), expected="none", limit=0)
    rarely = partial(Check, of=len(x), expected=f"at most {LITTLE:.0%} of all", limit=LITTLE)
    flat = (heights.diff(dim=0) <= 0).any(0)
    on_margin = newly(model=_OnMargin(model, labels), target=torch.zeros_like(labels))
    checks = (
        never("zero gradients", "whose gradient is zero in every pixel", int(zero.sum())),
        never("unbounded attack", "not fooled within any radius", int((~unbounded).sum())),
        rarely("loss against radius", "where a larger radius reaches no larger loss", int(flat.sum())),
        rarely("restarts", "fooled only with 5 restarts", newly(restarts=5)),
        rarely("more steps", "fooled only with 100 steps", newly(steps=100)),
        rarely("logit margin", "fooled only on the logit margin", on_margin),
        Check(
            "black box",
            "fooled only without gradients, of those fooled either only with or only without",
            int((black & ~within).sum()),
            int((black ^ within).sum()),
            "at most half",
            0.5,
        ),
    )
    return checks, within


class _OnMargin(nn.Module):
    """Two scores for each image: zero, and its logit margin for y (B,), in units of its own size.

    The cross-entropy of class 0 then ascends in the direction of the margin's gradient, for any attack, and cannot saturate.
    """

    def __init__(self, model: nn.Module, y: Tensor):
        super().__init__()
        self.model, self.y = model, y

    def forward(self, x: Tensor) -> Tensor:
        margin = losses.logit_margin(self.model(x), self.y)
        size = margin.detach().abs()
        margin = margin / torch.where(size > 0, size, 1)
        return torch.stack([torch.zeros_like(margin), margin], 1)


def _black_box(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str,
    radius: float,
    surrogate: nn.Module | None,
    attacked: Callable[..., Tensor],
    seed: int,
) -> Tensor:
    """Where (B,) an attack that sees only the model's decisions fools it within the radius.

    It tries what fools the surrogate within one to four radii, pulled back to the model's boundary; without a surrogate it is
    HopSkipJump, which begins at other images.
    """
    found = judged(model, x, y, x, norm, "")
    if surrogate is None:
        found = foolbox.run("hopskipjump", model, x, y, norm, seed=seed, steps=8)
    else:
        for factor in (1, 2, 4):
            carried = attacked(x, y, factor * radius, model=surrogate, random_start=False)
            pulled = to_boundary(model, x, y, carried)
            found = nearer(found, judged(model, x, y, pulled, norm, "transfer"))
    return found.distance <= radius * (1 + 1e-6)
