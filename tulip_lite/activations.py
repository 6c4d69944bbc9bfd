"""Activations: the C² smooth ReLU of Remark 2.2, and swapping the activations of any model.

The paper defines, for ``|x|`` < ½, σ(x) = (x + ½)³ − ½ (x + ½)⁴, and σ(x) = max(x, 0) elsewhere. With the clamped
variable t = min(max(x + ½, 0), 1) the three cases become one expression, exact everywhere::

    σ(x)  = t³ (1 − t/2) + max(x − ½, 0)
    σ'(x) = t² (3 − 2t)
    σ''(x) = 6 t (1 − t)

A branch-free polynomial is also cheap. Forward and backward are written by hand, in few passes over memory; on two
CPU cores a composition of tensor operations differentiated by autograd makes a training step about twice as long as
ReLU's, this one at most 1.3× (`python -m tulip_lite bench activations`). The paper's own cost 1.8×.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn


def _clamped(x: Tensor) -> Tensor:
    return torch.add(x, 0.5).clamp_(0, 1)


class _Slope(torch.autograd.Function):
    """grad · σ'(x): the backward pass of σ as a function of its own, so that it can be differentiated again."""

    @staticmethod
    def forward(ctx, x, grad):
        ctx.save_for_backward(x, grad)
        t = _clamped(x)
        return torch.add(3, t, alpha=-2).mul_(t).mul_(t).mul_(grad)

    @staticmethod
    def backward(ctx, outer):
        x, grad = ctx.saved_tensors
        to_x = to_grad = None
        if ctx.needs_input_grad[0]:
            # plain operations: autograd may differentiate σ'' once more (it is Lipschitz, with kinks at ±½)
            t = (x + 0.5).clamp(0, 1)
            to_x = outer * grad * (6 * t * (1 - t))
        if ctx.needs_input_grad[1]:
            to_grad = _Slope.apply(x, outer)
        return to_x, to_grad


class _SmoothReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        t = _clamped(x)
        return torch.add(1, t, alpha=-0.5).mul_(t).mul_(t).mul_(t).add_(torch.sub(x, 0.5).relu_())

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return _Slope.apply(x, grad)


def smooth_relu(x: Tensor) -> Tensor:
    """The C² smooth ReLU σ of Remark 2.2 (Finlay & Oberman 2019), elementwise.

    Differentiable three times by autograd.

    Args:
        x: Any shape, floating point.

    Returns:
        The same shape and dtype: exactly 0 for x ≤ −½, x up to rounding for x ≥ ½.

    Raises:
        TypeError: For integer tensors.
    """
    if not x.is_floating_point():
        raise TypeError(f"smooth_relu needs a floating-point tensor, got {x.dtype}: convert it with .float()")
    return _SmoothReLU.apply(x)


class SmoothReLU(nn.Module):
    """`smooth_relu` as a module, to stand wherever nn.ReLU stands."""

    def forward(self, x: Tensor) -> Tensor:
        return smooth_relu(x)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "smooth-relu": SmoothReLU,
    "gelu": nn.GELU,
    "silu": lambda: nn.SiLU(inplace=True),
}
_KINDS = (nn.ReLU, SmoothReLU, nn.GELU, nn.SiLU)


def get(activation: str | Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """A factory of activation modules, from a name in `ACTIVATIONS` or as given.

    Raises:
        ValueError: For an unknown name.
    """
    if callable(activation):
        return activation
    if activation not in ACTIVATIONS:
        raise ValueError(f"unknown activation {activation!r}: choose one of {', '.join(map(repr, ACTIVATIONS))}")
    return ACTIVATIONS[activation]


def with_activation(model: nn.Module, activation: str | Callable[[], nn.Module]) -> nn.Module:
    """A copy of `model` whose ReLU, smooth ReLU, GELU and SiLU modules are replaced by `activation()`.

    Weights are copied.

    Raises:
        ValueError: Where the model has no such module: activations called as functions (`torch.relu(x)` inside `forward`)
            are not modules and cannot be swapped from outside.
    """
    make = get(activation)
    if isinstance(model, _KINDS):
        return make()
    model = copy.deepcopy(model)
    found = [(parent, name) for parent in model.modules() for name, child in parent.named_children()
             if isinstance(child, _KINDS)]  # fmt: skip
    if not found:
        raise ValueError(
            f"{type(model).__name__} has no activation module to replace; activations called as functions "
            "inside forward() must first become modules such as nn.ReLU()"
        )
    for parent, name in found:
        setattr(parent, name, make())
    return model
