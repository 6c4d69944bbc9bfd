"""What an attack for the smallest perturbation returns, and the one judge that every result passes before it is believed.

Attacks of others and our own propose images; only what is recomputed here on the images that are returned counts:
finite, inside [0, 1], misclassified, and at which distance.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tulip_lite import norms
from tulip_lite.checks import check_images, check_labels, check_logits
from tulip_lite.losses import logit_margin
from tulip_lite.models import evaluating

# scores of one image differ by some 1e-6 of the largest between batch sizes and memory formats in float32: a class that
# leads by less leads only on this machine, in this batch
ROUNDING = 1e-5
CLEAN = "clean"


class Adversarial(NamedTuple):
    """The nearest misclassified images that an attack found.

    Attributes:
        x_adv: (B, C, H, W) in [0, 1]; the clean image where the attack failed or had nothing to do.
        distance: (B,), norm of x_adv − x, pixel units; ∞ where the attack failed, 0 where the clean image is misclassified.
        attack: B names of the attacks that found them; ``"clean"`` where the distance is 0, ``""`` where it is ∞.
    """

    x_adv: Tensor
    distance: Tensor
    attack: tuple[str, ...]


@contextlib.contextmanager
def attacking(model: nn.Module, x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Inside the block the model is in eval mode and its weights ask for no gradients; afterwards both are as they were.

    Yields:
        (clean, wrong): x detached, in the memory format in which convolutions are fast (results do not depend on x's own),
        and where (B,) the model misclassifies it, so that an attack has nothing to do.

    Raises:
        TypeError, ValueError: For bad images or labels, or a model that returns NaN.
    """
    check_images(x)
    asking = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with evaluating(model):
        for parameter in asking:
            parameter.requires_grad_(False)
        try:
            layout = torch.channels_last if x.dim() == 4 else torch.contiguous_format
            clean = x.detach().contiguous(memory_format=layout)
            with torch.no_grad():
                logits = model(clean)
            check_logits(logits)
            check_labels(y, logits.shape[1], len(x))
            yield clean, logits.argmax(1) != y
        finally:
            for parameter in asking:
                parameter.requires_grad_(True)


def fooled(logits: Tensor, y: Tensor) -> Tensor:
    """Where (B,) another class's score exceeds that of y by more than float32's rounding of the scores.

    Args:
        logits: (B, K).
    """
    return logit_margin(logits, y) > ROUNDING * logits.abs().amax(1)


@torch.no_grad()
def to_boundary(model: nn.Module, clean: Tensor, y: Tensor, x_adv: Tensor, halvings: int = 12) -> Tensor:
    """Pulls each fooling image straight towards its clean one until just before the model is right again (bisection).

    An image that does not fool, as attacks that stop on the boundary itself may leave it, is first pushed out by up to 1 %.
    Where that does not help either it is returned as it came. All (B, C, H, W), inside [0, 1].
    """
    offset = x_adv - clean
    far, found = x_adv, fooled(model(x_adv), y)
    for factor in (1.001, 1.01):
        if found.all():
            break
        pushed = (clean + factor * offset).clamp(0, 1)
        helped = ~found & fooled(model(pushed), y)
        far = norms.where(helped, pushed, far)
        found |= helped
    offset = far - clean
    low, high = (torch.full((len(clean),), value, dtype=clean.dtype, device=clean.device) for value in (0.0, 1.0))
    for _ in range(halvings):
        middle = (low + high) / 2
        over = fooled(model(clean + norms.per_image(middle, clean) * offset), y)
        low, high = torch.where(over, low, middle), torch.where(over, middle, high)
    # exactly `far` where nothing was gained: clean + (far − clean) may round to another image
    pulled = norms.where(high < 1, clean + norms.per_image(high, clean) * offset, far)
    return pulled.clamp(0, 1)


@torch.no_grad()
def judged(model: nn.Module, clean: Tensor, y: Tensor, x_adv: Tensor, norm: str, attack: str) -> Adversarial:
    """Recomputes what `attack` is worth on the images that are returned.

    An image with NaN, or one that does not fool the model after that, is a failure. The model must be in eval mode: call it
    inside `attacking`.

    Args:
        x_adv: (B, C, H, W), anything the attack proposes; it is brought into [0, 1].
    """
    geometry = norms.get(norm)
    x_adv = x_adv.to(clean).clamp(0, 1)
    finite = x_adv.flatten(1).isfinite().all(1)
    x_adv = norms.where(finite, x_adv, clean)
    wrong = model(clean).argmax(1) != y
    found = fooled(model(x_adv), y) & finite & ~wrong
    x_adv = norms.where(found, x_adv, clean).contiguous()
    distance = torch.where(found, geometry.size(x_adv - clean), torch.inf)
    distance[wrong] = 0
    names = tuple(CLEAN if w else attack if f else "" for w, f in zip(wrong.tolist(), found.tolist(), strict=True))
    return Adversarial(x_adv, distance, names)


def believed(model: nn.Module, clean: Tensor, y: Tensor, start: Adversarial | None, norm: str) -> Adversarial:
    """What an attack may begin with: `start` as `judged` here, each image under the name it came with; for None, nothing found.

    The model must be in eval mode: call it inside `attacking`.
    """
    if start is None:
        return judged(model, clean, y, clean, norm, "")
    known = judged(model, clean, y, start.x_adv, norm, "start")
    names = tuple(given if name == "start" else name for given, name in zip(start.attack, known.attack, strict=True))
    return known._replace(attack=names)


def nearer(first: Adversarial, second: Adversarial) -> Adversarial:
    """The nearer of two results image by image; `first` where they are equally near."""
    better = second.distance < first.distance
    return Adversarial(
        norms.where(better, second.x_adv, first.x_adv),
        torch.where(better, second.distance, first.distance),
        tuple(b if take else a for a, b, take in zip(first.attack, second.attack, better.tolist(), strict=True)),
    )
