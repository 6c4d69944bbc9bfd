"""What a training step costs, counted in forward passes: multiplications and additions, not seconds."""

from __future__ import annotations

import copy
from collections.abc import Callable

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from tulip_lite.objectives import Objective


class _Count(TorchDispatchMode):
    """The floating-point operations of the convolutions and matrix products that torch runs inside the block.

    torch's own FlopCounterMode follows modules as well, which `autograd.grad` at a leaf does not survive (torch 2.14).
    """

    total = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if count := flop_registry.get(operation._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=result)
        return result


def _operations(run: Callable[[], object]) -> int:
    with _Count() as count:
        run()
    return count.total


def forward_passes(objective: Objective, model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Operations of `objective(model, x, y).backward()` in units of those of `model(x)`.

    Convolutions and matrix products only, forward and backward; activations, normalisations and memory cost time too, but
    are not counted. Run on a copy: the model's gradients and batch statistics stay as they are.

    Args:
        x: (B, C, H, W).
        y: (B,).

    Raises:
        ValueError: For a model without convolutions and matrix products.
    """
    copied = copy.deepcopy(model)
    one = _operations(lambda: copied(x))
    if not one:
        raise ValueError(f"{type(model).__name__} has neither convolutions nor matrix products to count")
    return _operations(lambda: objective(copied, x, y).backward()) / one
