"""How any network is looked at: in eval mode for a while, or with its logits scaled."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from tulip_lite.checks import check_positive


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in eval mode inside the block; every module gets its own mode back afterwards, also on an error."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def placed(model: nn.Module, device: torch.device | str) -> nn.Module:
    """The model itself, on `device`, its weights in the memory format in which convolutions are fast."""
    return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it


class Scaled(nn.Module):
    """A model whose logits are multiplied by `factor` > 0: no decision changes, but every probability does.

    A factor 1/τ is the temperature τ of defensive distillation (Papernot et al. 2016) at training, τ that of its use.

    Raises:
        ValueError: For a factor that is not positive and finite.
    """

    def __init__(self, model: nn.Module, factor: float):
        super().__init__()
        check_positive(factor=factor)
        self.model, self.factor = model, factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * self.model(x)
