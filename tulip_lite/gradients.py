"""A loss seen from an image: its value, its gradient in the image, that gradient's dual norm and direction, and the loss along a
line.

Everywhere: loss is `loss(x, y) -> (B,)`, a value an image that depends on no other image of the batch, such as
`losses.of(model, losses.margin)` with the model in eval mode; x: (B, ...) images, float; y: (B,).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from tulip_lite import norms
from tulip_lite.checks import check_float

Loss = Callable[[Tensor, Tensor], Tensor]
Rest = TypeVar("Rest")

TOGETHER = 64  # images that one pass differentiates: more of them need memory, and are no faster on a processor


def with_gradient(f: Callable[[Tensor], tuple[Tensor, Rest]], x: Tensor) -> tuple[Tensor, Rest, Tensor]:
    """One forward and one backward pass: what `f` says of images, and the gradient of its first part in them.

    Args:
        f: x -> (values (B,), anything else that the pass yields, such as the scores).
        x: (B, ...).

    Returns:
        (values (B,), detached; the rest as it came; gradient (B, ...)).
    """
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        values, rest = f(x)
        (gradient,) = torch.autograd.grad(values.sum(), x, materialize_grads=True)
    return values.detach(), rest, gradient


def value_and_gradient(loss: Loss, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The loss at each image, (B,), and its gradient there, (B, ...); both detached."""
    value, _, gradient = with_gradient(lambda z: (loss(z, y), None), x)
    return value, gradient


def value_and_slope(loss: Loss, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The loss at each image and the ℓ2 norm of its gradient there, both (B,): what the bounds of Prop. 2.1 need of an image."""
    value, gradient = value_and_gradient(loss, x, y)
    return value, norms.get("l2").dual(gradient)


def direction(loss: Loss, x: Tensor, y: Tensor, norm: str = "l2") -> Tensor:
    """d of Prop. 3.2, (B, ...): g/‖g‖₂ for ℓ2 perturbations, sign(g)/√N for ℓ∞; zero where the gradient g is zero."""
    geometry = norms.get(norm)
    return geometry.steepest(value_and_gradient(loss, x, y)[1]) / geometry.reach(x[0].numel())


def along(loss: Loss, x: Tensor, y: Tensor, direction: Tensor, distances: Tensor) -> Tensor:
    """loss(x + r d, y) for each r in `distances`: (B, R). d is `direction`, (B, ...), brought to ℓ2 length 1.

    The points are not clipped to [0, 1]: a clipped line is no line.

    Raises:
        ValueError: For a zero direction, or one with NaN.
    """
    d = norms.get("l2").steepest(direction)
    if len(nowhere := (~d.flatten(1).any(1)).nonzero()):
        raise ValueError(f"the direction at index {int(nowhere[0])} is zero or NaN: it leads nowhere")
    with torch.no_grad():
        return torch.stack([loss(x + r * d, y) for r in distances], 1)


def gradient(loss: Loss, x: Tensor, y: Tensor, create_graph: bool = False) -> tuple[Tensor, Tensor]:
    """∇ₓ ℓ at each image, checked, and the leaf tensor it was taken at; both (B, ...).

    Args:
        create_graph: To differentiate it once more.

    Raises:
        ValueError: Where the loss or its gradient is not finite, does not depend on the image, or is not one value an
            image.
    """
    x = fast(x.detach()).requires_grad_()
    with torch.enable_grad():
        values = loss(x, y)
        check_values(values, len(x))
        (found,) = torch.autograd.grad(values.sum(), x, create_graph=create_graph, materialize_grads=True)
    if not found.isfinite().all():
        raise ValueError("the loss or its gradient is not finite: check the model's weights and the images for NaN")
    return found, x


def gradient_norm(loss: Loss, x: Tensor, y: Tensor, norm: str = "l2") -> Tensor:
    """Dual norm of ∇ₓ ℓ at each image, (B,), loss per pixel unit of `norm`. Errors as in `gradient`."""
    geometry = norms.get(norm)
    check_float(x)
    return torch.cat([geometry.dual(gradient(loss, some, labels)[0]) for some, labels in parts(x, y)])


def check_values(values: Tensor, images: int) -> None:
    """What a loss must return for `images` images: finite values (images,) that depend on them.

    Raises:
        ValueError: Otherwise.
    """
    if values.shape != (images,):
        raise ValueError(f"loss(x, y) must return one value an image, ({images},), got shape {tuple(values.shape)}")
    if not values.isfinite().all():
        raise ValueError("the loss is not finite: check the model's weights and the images for NaN")
    if values.grad_fn is None:
        raise ValueError("the loss does not depend on the image: it was computed without gradients, or detached")


def parts(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same images of all tensors, (B, ...) each, TOGETHER at a time, detached."""
    return zip(*(t.detach().split(TOGETHER) for t in tensors), strict=True)


def fast(x: Tensor) -> Tensor:
    """x in the memory format in which convolutions are fast."""
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
