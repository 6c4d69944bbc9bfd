"""What a network may be fed and may return: each check raises one line that says what is wrong and what to do."""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor


def check_float(x: Tensor) -> None:
    """x must be a floating-point tensor.

    Raises:
        TypeError: Otherwise.
    """
    if not torch.is_tensor(x):
        raise TypeError(f"images must be a torch tensor, got {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(f"images must be floats in [0, 1], got {x.dtype}: divide by 255 (x.float() / 255)")


def check_images(x: Tensor) -> None:
    """x must be a floating-point batch (B, ...) with every value in [0, 1].

    Raises:
        TypeError, ValueError: Otherwise.
    """
    check_float(x)
    if x.dim() < 2:
        raise ValueError(f"images must come as a batch (B, C, H, W), got shape {tuple(x.shape)}: use x[None]")
    if not len(x):
        raise ValueError("the batch of images is empty")
    low, high = x.detach().aminmax()
    if not (low >= 0 and high <= 1):  # also true where a pixel is NaN
        raise ValueError(
            f"images must lie in [0, 1], got values from {low:.4g} to {high:.4g}; "
            "divide bytes by 255, and put any normalisation inside the model"
        )


def check_labels(y: Tensor, classes: int, batch: int | None = None) -> None:
    """y must hold whole numbers (B,) in [0, classes).

    Raises:
        TypeError, ValueError: Naming the first bad one, otherwise.
    """
    if not torch.is_tensor(y) or y.is_floating_point() or y.is_complex() or y.dtype == torch.bool:
        raise TypeError(f"labels must be an integer tensor, got {getattr(y, 'dtype', type(y).__name__)}")
    if y.dim() != 1 or (batch is not None and len(y) != batch):
        raise ValueError(f"labels must have shape ({'B' if batch is None else batch},), got {tuple(y.shape)}")
    bad = ((y < 0) | (y >= classes)).nonzero().flatten()
    if len(bad):
        i = int(bad[0])
        hint = "; is this CIFAR-100 data?" if classes == 10 and 10 <= int(y[i]) < 100 else ""
        raise ValueError(f"labels must lie in [0, {classes}), got {int(y[i])} at index {i}{hint}")


def check_logits(logits: Tensor) -> None:
    """A model must return finite scores (B, classes).

    Raises:
        ValueError: Otherwise.
    """
    if not torch.is_tensor(logits) or logits.dim() != 2:
        shape = tuple(logits.shape) if torch.is_tensor(logits) else type(logits).__name__
        raise ValueError(f"the model must return scores of shape (B, classes), got {shape}")
    if not logits.detach().isfinite().all():
        raise ValueError("the model returned NaN or infinite scores: its weights are damaged or its training diverged")


def check_positive(**values: float) -> None:
    """Each named number must be finite and > 0.

    Raises:
        ValueError: Naming it, otherwise.
    """
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be a finite number > 0, got {value!r}")


def check_not_negative(**values: float) -> None:
    """Each named number must be finite and ≥ 0.

    Raises:
        ValueError: Naming it, otherwise.
    """
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} must be a finite number ≥ 0, got {value!r}")


def check_counts(**counts: int) -> None:
    """Each named number must be whole and ≥ 1.

    Raises:
        ValueError: Naming it, otherwise.
    """
    for name, value in counts.items():
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} must be a whole number ≥ 1, got {value!r}")
