"""What can be promised: lower bounds on the adversarial distance against attacks, image by image (Figure 4, alive)."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import traitlets
from torch import Tensor

from tulip_lite.attacks.adversarial import Adversarial
from tulip_lite.checks import check_images, check_labels
from tulip_lite.widgets.explorable import Explorable
from tulip_lite.widgets.promises_still import LOOKS, still
from tulip_lite.widgets.viewer_state import changes, packed

if TYPE_CHECKING:
    import matplotlib.figure


class PromisesExplorer(Explorable):
    """Bounds of several kinds and the distance of the nearest known adversarial image, the images sorted by the latter.

    Make one with `PromisesExplorer.of`. network: name; image: index in the data set's order; kinds: those that are shown.
    The other traits are what is shown: names: all kinds; proofs: which of them are proofs; entries: for each network the
    distances (None: no attack succeeded), attacks and predicted classes, and for each of its kinds the bounds (None: not
    computed); images, differences: the clean images, and those of each network's attacks less the clean ones, as bytes.
    """

    module = "promises"
    network = traitlets.Unicode().tag(sync=True)
    image = traitlets.Int(0, min=0).tag(sync=True)
    kinds = traitlets.List(traitlets.Unicode()).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    proofs = traitlets.List(traitlets.Unicode()).tag(sync=True)
    classes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    labels = traitlets.List(traitlets.Int()).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    entries = traitlets.List(traitlets.Dict()).tag(sync=True)
    images = traitlets.Unicode().tag(sync=True)
    differences = traitlets.Unicode().tag(sync=True)

    @classmethod
    def of(
        cls,
        x: Tensor,
        y: Tensor,
        classes: Sequence[str],
        found: Mapping[str, Adversarial],
        lower: Mapping[str, Mapping[str, Tensor]],
        *,
        proofs: Collection[str] = (),
        predicted: Mapping[str, Tensor] | None = None,
        **state: object,
    ) -> PromisesExplorer:
        """The explorer of what `lower` promises and `found` refutes.

        x: (N, 3, H, W) in [0, 1]; y: (N,); found: network -> the nearest adversarial images known, in ℓ2; lower: network ->
        kind -> bounds (N,), ℓ2 pixel units, NaN where not computed; proofs: the kinds that are proofs, all others being
        estimates; predicted: network -> the class of x_adv, (N,), which counts where the distance is finite. state: the first
        selection, such as `image=3` or `kinds=["CLEVER"]`; by default the first network and image, and all kinds.
        TypeError or ValueError for images, labels, names or shapes that do not fit, for a bound that is negative or infinite,
        and for a proved bound above the distance of an attack: such a picture cannot be drawn, as one of the two is wrong.
        """
        check_images(x)
        if x.dim() != 4 or x.shape[1] != 3:
            raise ValueError(f"images must be of shape (N, 3, H, W), got {tuple(x.shape)}")
        check_labels(y, len(classes), len(x))
        if isinstance(proofs, str):
            raise TypeError(f"proofs must be a collection of kinds, got the text {proofs!r}: write ({proofs!r},)")
        names = list(dict.fromkeys(kind for kinds in lower.values() for kind in kinds))
        _check_names(found, lower, predicted, names, proofs)
        entries, differences = [], []
        clean = _bytes(x)
        for network, nearest in found.items():
            _check_attack(network, nearest, x)
            bounds = {kind: _checked(values, kind, network, len(x)) for kind, values in lower[network].items()}
            for kind in bounds.keys() & set(proofs):
                _check_proof(bounds[kind], nearest.distance, kind, network)
            answers = None if predicted is None else _answers(predicted[network], nearest, y, len(classes), network)
            entries.append(
                {
                    "network": network,
                    "distances": _plain(nearest.distance),
                    "attacks": list(nearest.attack),
                    "predicted": answers,
                    "bounds": {kind: _plain(values) for kind, values in bounds.items()},
                }
            )
            differences.append(_bytes(nearest.x_adv) - clean)
        explorer = cls(
            network=entries[0]["network"],
            kinds=names,
            names=names,
            proofs=[kind for kind in names if kind in proofs],
            classes=list(classes),
            labels=y.tolist(),
            shape=list(x.shape[1:]),
            entries=entries,
            images=packed(changes(clean)),
            differences=_packed_noise(*differences),
        )
        for name, value in state.items():
            explorer.set_trait(name, value)
        if explorer.network not in found or explorer.image >= len(x):
            raise ValueError(
                f"there is no network {explorer.network!r} or no image {explorer.image}: "
                f"there are {', '.join(map(repr, found))}, and {len(x)} images"
            )
        if unknown := set(explorer.kinds) - set(names):
            raise ValueError(f"kinds: {sorted(unknown)[0]!r} is none of {', '.join(map(repr, names))}")
        return explorer

    def numbers(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The chosen network's distances (N,), ∞ where no attack succeeded, and its bounds, kind -> (N,), NaN where not
        computed."""
        entry = next(entry for entry in self.entries if entry["network"] == self.network)
        distances = np.array([math.inf if d is None else d for d in entry["distances"]])
        return distances, {kind: np.array(values, dtype=float) for kind, values in entry["bounds"].items()}

    def still(self) -> matplotlib.figure.Figure:
        return still(self)


def _bytes(x: Tensor) -> np.ndarray:
    return (255 * x.detach()).round().byte().cpu().numpy()


def _packed_noise(*arrays: np.ndarray) -> str:
    """As `packed`, but for bytes in which a repetition is chance: they deflate better when short ones are not looked for."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_FILTERED)
    stream = deflate.compress(b"".join(a.tobytes() for a in arrays)) + deflate.flush()
    return base64.b64encode(stream).decode()


def _plain(values: Tensor) -> list[float | None]:
    """Nine digits, which tell all float32 apart; JSON knows no NaN and no infinity."""
    return [float(f"{v:.9g}") if math.isfinite(v) else None for v in values.tolist()]


def _check_names(
    found: Mapping, lower: Mapping, predicted: Mapping | None, names: Sequence[str], proofs: Collection[str]
) -> None:
    if not found:
        raise ValueError("found is empty: give network -> Adversarial for at least one network")
    for what, given in (("lower", lower), ("predicted", found if predicted is None else predicted)):
        if odd := sorted(found.keys() ^ given.keys()):
            raise ValueError(f"found and {what} must have the same networks, but {odd[0]!r} is in one of them only")
    if not names or len(names) > len(LOOKS):
        raise ValueError(f"lower must have between 1 and {len(LOOKS)} kinds of bound, got {len(names)}")
    if unknown := set(proofs) - set(names):
        raise ValueError(f"proofs: {sorted(unknown)[0]!r} is none of {', '.join(map(repr, names))}")


def _check_attack(network: str, nearest: Adversarial, x: Tensor) -> None:
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


def _checked(values: Tensor, kind: str, network: str, count: int) -> Tensor:
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
    return values.detach().cpu()


def _check_proof(bound: Tensor, distance: Tensor, kind: str, network: str) -> None:
    distance = distance.cpu()
    if above := (bound > distance).nonzero().flatten().tolist():
        i = above[0]
        raise ValueError(
            f"{kind!r} on {network!r}, image {i}: a proved bound, {bound[i].item():.6g}, exceeds an attack, "
            f"{distance[i].item():.6g}: one of them is wrong"
        )


def _answers(predicted: Tensor, nearest: Adversarial, y: Tensor, classes: int, network: str) -> list[int]:
    check_labels(predicted, classes, len(y))
    right = (predicted.cpu() == y.cpu()) & nearest.distance.cpu().isfinite()
    if right.any():
        raise ValueError(
            f"predicted[{network!r}] is the true class of image {int(right.nonzero()[0])}: no attack has succeeded there, "
            "so its distance must be inf"
        )
    return predicted.tolist()
