"""How long and how fast: epochs, batches, and the learning rate's way up and down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from tulip_lite.checks import check_not_negative, check_positive


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up of the learning rate to `learning_rate`, then linear decay to almost 0, over `epochs`.

    Attributes:
        warm_up: The share of all steps spent rising.

    Raises:
        ValueError: For numbers that cannot train.
    """

    epochs: int
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warm_up: float = 0.25

    def __post_init__(self):
        check_positive(epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate)
        check_not_negative(momentum=self.momentum, weight_decay=self.weight_decay)
        if not 0 < self.warm_up < 1:
            raise ValueError(f"warm_up must lie strictly between 0 and 1, got {self.warm_up!r}")

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.SGD:
        """SGD, with Nesterov's momentum where there is momentum."""
        return torch.optim.SGD(
            parameters, self.learning_rate, self.momentum, weight_decay=self.weight_decay, nesterov=self.momentum > 0
        )

    def rate(self, optimizer: torch.optim.SGD, steps: int) -> torch.optim.lr_scheduler.OneCycleLR:
        """The learning rate's way over all epochs of so many steps."""
        total = self.epochs * steps + 1
        # it divides by the number of rising steps less one
        rising = max(self.warm_up, min(1.0, 2 / total))
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.learning_rate, total_steps=total, pct_start=rising, anneal_strategy="linear",
            cycle_momentum=False, final_div_factor=1e3,
        )  # fmt: skip
