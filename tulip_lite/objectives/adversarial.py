"""Adversarial training: the loss where an attack found it large (Madry et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from tulip_lite import norms
from tulip_lite.attacks.pgd import pgd
from tulip_lite.checks import check_not_negative, check_positive
from tulip_lite.losses import cross_entropy


@dataclass(frozen=True)
class AdversarialTraining:
    """Mean cross-entropy at the images PGD finds (Madry et al. 2018), the paper's "7-step AT".

    The attack runs in eval mode from a random start and is clamped to [0, 1]; the loss is then taken in the model's own
    mode. See `attacks.pgd` for what differs from the authors' code.

    Attributes:
        norm: Of the perturbation.
        radius: Of the attack, pixel units.
        steps: Of the attack.
        step_size: Of each step, pixel units.

    Raises:
        ValueError: For an unknown norm, radius < 0, step_size ≤ 0 or steps < 1.
    """

    norm: str = "linf"
    radius: float = 8 / 255
    steps: int = 7
    step_size: float = 2 / 255

    tolerates_bfloat16 = True

    def __post_init__(self):
        norms.get(self.norm)
        check_not_negative(radius=self.radius)
        check_positive(step_size=self.step_size, steps=self.steps)

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        attacked = pgd(model, x, y, self.norm, self.radius, self.steps, self.step_size)
        return cross_entropy(model(attacked), y).mean()
