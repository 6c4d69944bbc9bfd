"""The objectives without a penalty: cross-entropy on the images as they are, and on noisy ones.

An objective is a frozen dataclass; calling it as `objective(model, x, y)` gives a scalar loss to call `.backward()` on.
It drops into any training loop: x is (B, C, H, W) in [0, 1], y is (B,), `model(x)` gives logits (B, K).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from tulip_lite.checks import check_float, check_positive
from tulip_lite.losses import cross_entropy


class Objective(Protocol):
    """`tolerates_bfloat16`: may the whole objective run under bfloat16 autocast without harm that was measured?"""

    tolerates_bfloat16: bool

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class CrossEntropy:
    """Mean cross-entropy: the undefended network."""

    tolerates_bfloat16 = True

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(model(x), y).mean()


@dataclass(frozen=True)
class GaussianNoise:
    """Mean cross-entropy at x + σξ, ξ standard normal and drawn anew at each call: what randomised smoothing trains with.

    The images are not clamped, as the certificate of Cohen et al. (2019) needs. To second order in σ the mean over ξ is ℓ +
    (σ²/2) tr ∇²ₓℓ, whose Gauss-Newton part penalises squared input gradients (Bishop 1995).
    The noise comes from torch's global generator.

    Attributes:
        sigma: σ > 0, pixel units.

    Raises:
        ValueError: For σ ≤ 0.
    """

    sigma: float = 0.25

    tolerates_bfloat16 = True

    def __post_init__(self):
        check_positive(sigma=self.sigma)

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        check_float(x)
        return cross_entropy(model(x + self.sigma * torch.randn_like(x)), y).mean()
