"""What a column of adversarial distances says: how many images fall within a distance, and the mean and median one.

An attack that fails has the distance ∞. It counts as never misclassified in errors and as ∞ in the median; a mean over it would
be ∞, so a mean is that of the images that were fooled, and always comes with the number of those that were not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Summary:
    """What a column of distances says.

    Attributes:
        images: How many there are.
        wrong: How many are misclassified unperturbed, distance 0.
        unfooled: How many have the distance ∞.
        mean: Over the fooled, the wrong ones with 0 among them (NaN where none was fooled).
        median: Over all images, ∞ where half of them or more were not fooled.
    """

    images: int
    wrong: int
    unfooled: int
    mean: float
    median: float

    def __str__(self) -> str:
        fooled = self.images - self.unfooled
        text = (
            f"median {self.median:.4g}, mean {self.mean:.4g} over the {fooled} of {self.images} images that were fooled"
        )
        return f"{text} ({self.wrong} of them unperturbed)" + (f"; {self.unfooled} were not" if self.unfooled else "")


def summary(distance: Tensor) -> Summary:
    """Sums up distances (N,) ≥ 0, ∞ where no adversarial image was found.

    Raises:
        ValueError: For no distances, NaN or negative ones.
    """
    _check(distance)
    fooled = distance[distance.isfinite()]
    ordered = distance.double().sort().values
    # torch.median takes the lower of the two in the middle, torch.quantile makes NaN of ∞ − ∞
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return Summary(
        images=len(distance),
        wrong=int((distance == 0).sum()),
        unfooled=len(distance) - len(fooled),
        mean=fooled.double().mean().item(),
        median=middle.item(),
    )


def error_at(distance: Tensor, radii: Sequence[float]) -> list[float]:
    """Share of images, in [0, 1], with an adversarial image within each radius: the attack's error at that radius, from below.

    Args:
        distance: (N,), ∞ where none was found.
        radii: Any order, in its units.

    Raises:
        ValueError: As for `summary`.
    """
    _check(distance)
    return [(distance <= radius).double().mean().item() for radius in radii]


def _check(distance: Tensor) -> None:
    if distance.dim() != 1 or not len(distance):
        raise ValueError(f"distances must have shape (N,) with N > 0, got {tuple(distance.shape)}")
    if not (distance >= 0).all():  # also true where one is NaN
        raise ValueError("distances must be ≥ 0 (∞ where no adversarial image was found), got NaN or a negative one")
