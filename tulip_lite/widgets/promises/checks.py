"""What a picture of promised and broken bounds may be made of: each check raises one line that names the culprit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from tulip_lite.attacks.adversarial import Adversarial
from tulip_lite.checks import check_images, check_labels


def check_pictures(x: Tensor, y: Tensor, classes: int) -> None:
    """x must be (N, 3, H, W) in [0, 1], y (N,) in [0, classes).

    Raises:
        TypeError, ValueError: Otherwise.
    """
    check_images(x)
    if x.dim() != 4 or x.shape[1] != 3:
        raise ValueError(f"images must be of shape (N, 3, H, W), got {tuple(x.shape)}")
    check_labels(y, classes, len(x))


def check_names(
    found: Mapping, lower: Mapping, predicted: Mapping | None, proofs: Collection[str], most: int
) -> list[str]:
    """The networks must be the same in all three, with 1 to `most` kinds of bound, the proofs among them.

    Returns:
        The names of all kinds, in the order in which they come.

    Raises:
        TypeError, ValueError: Otherwise.
    """
    if isinstance(proofs, str):
        raise TypeError(f"proofs must be a collection of kinds, got the text {proofs!r}: write ({proofs!r},)")
    if not found:
        raise ValueError("found is empty: give network -> Adversarial for at least one network")
    for what, given in (("lower", lower), ("predicted", found if predicted is None else predicted)):
        if odd := sorted(found.keys() ^ given.keys()):
            raise ValueError(f"found and {what} must have the same networks, but {odd[0]!r} is in one of them only")
    names = list(dict.fromkeys(kind for kinds in lower.values() for kind in kinds))
    if not names or len(names) > most:
        raise ValueError(f"lower must have between 1 and {most} kinds of bound, got {len(names)}")
    if unknown := set(proofs) - set(names):
        raise ValueError(f"proofs: {sorted(unknown)[0]!r} is none of {', '.join(map(repr, names))}")
    return names


def check_attack(network: str, nearest: Adversarial, x: Tensor) -> None:
    """An attack must have an image, a distance ≥ 0 (∞ where it failed) and a name for each of x (N, 3, H, W).

    Raises:
        TypeError, ValueError: Otherwise.
    """
    sizes = tuple(nearest.x_adv.shape), tuple(nearest.distance.shape), len(nearest.attack)
    if sizes != (tuple(x.shape), (len(x),), len(x)):
        raise ValueError(
            f"found[{network!r}] has images, distances and attacks of shape {sizes}, but the images are {tuple(x.shape)}"
        )
    check_images(nearest.x_adv)
    if not (nearest.distance >= 0).all():
        raise ValueError(
            f"found[{network!r}] has a distance that is negative or NaN: use inf where no attack succeeded"
        )


def check_bound(values: Tensor, kind: str, network: str, count: int) -> None:
    """A bound must be floats (count,), each ≥ 0 and finite, or NaN where it was not computed.

    Raises:
        TypeError, ValueError: Otherwise.
    """
    if not torch.is_tensor(values) or not values.is_floating_point():
        raise TypeError(f"lower[{network!r}][{kind!r}] must be a floating-point tensor, got {type(values).__name__}")
    if values.shape != (count,):
        raise ValueError(
            f"lower[{network!r}][{kind!r}] must be of shape ({count},), one bound an image, got {tuple(values.shape)}"
        )
    bad = ((values < 0) | values.isinf()).nonzero().flatten().tolist()
    if bad:
        raise ValueError(
            f"lower[{network!r}][{kind!r}] must be ≥ 0 and finite, NaN where not computed; it is "
            f"{values[bad[0]].item():g} for image {bad[0]}"
        )


def check_proof(bound: Tensor, distance: Tensor, kind: str, network: str) -> None:
    """No proved bound (N,) may exceed the distance (N,) of an attack.

    Raises:
        ValueError: Otherwise.
    """
    bound, distance = bound.detach().cpu(), distance.cpu()
    if above := (bound > distance).nonzero().flatten().tolist():
        i = above[0]
        raise ValueError(
            f"{kind!r} on {network!r}, image {i}: a proved bound, {bound[i].item():.6g}, exceeds an attack, "
            f"{distance[i].item():.6g}: one of them is wrong"
        )


def check_answers(predicted: Tensor, nearest: Adversarial, y: Tensor, classes: int, network: str) -> None:
    """The classes (N,) predicted at the adversarial images must be wrong where the distance is finite; y: (N,).

    Raises:
        TypeError, ValueError: Otherwise.
    """
    check_labels(predicted, classes, len(y))
    right = (predicted.cpu() == y.cpu()) & nearest.distance.cpu().isfinite()
    if right.any():
        raise ValueError(
            f"predicted[{network!r}] is the true class of image {int(right.nonzero()[0])}: no attack has succeeded there, "
            "so its distance must be inf"
        )


def check_choice(
    network: str, image: int, kinds: Sequence[str], networks: Collection[str], count: int, names: Sequence[str]
) -> None:
    """What is selected must be there: a network, one of `count` images, and kinds among `names`.

    Raises:
        ValueError: Otherwise.
    """
    if network not in networks or image >= count:
        raise ValueError(
            f"there is no network {network!r} or no image {image}: "
            f"there are {', '.join(map(repr, networks))}, and {count} images"
        )
    if unknown := set(kinds) - set(names):
        raise ValueError(f"kinds: {sorted(unknown)[0]!r} is none of {', '.join(map(repr, names))}")
