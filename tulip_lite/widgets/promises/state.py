"""What can be promised: what the explorable shows, and how bounds and attacks are stored in it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets
from torch import Tensor

from tulip_lite.attacks.adversarial import Adversarial
from tulip_lite.widgets.explorable import Explorable
from tulip_lite.widgets.packing import changes, packed, packed_noise
from tulip_lite.widgets.promises import checks
from tulip_lite.widgets.promises.still import LOOKS, against_attack

if TYPE_CHECKING:
    import matplotlib.figure


class PromisesExplorer(Explorable):
    """Bounds of several kinds and the distance of the nearest known adversarial image, the images sorted by the latter.

    Make one with `PromisesExplorer.of`. The traits that are not below are what was given there.

    Attributes:
        network: name.
        image: index in the data set's order.
        kinds: those that are shown.
        names: all kinds.
        proofs: which of them are proofs.
        entries: for each network the distances (None: no attack succeeded), attacks and predicted classes, and for each
            of its kinds the bounds (None: not computed).
        images: the clean images, as bytes.
        differences: the images of each network's attacks less the clean ones, as bytes.
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
        """The explorable of what `lower` promises and `found` refutes.

        Args:
            x: images, (N, 3, H, W) in [0, 1].
            y: labels, (N,).
            classes: their names.
            found: network -> the nearest adversarial images known, in ℓ2.
            lower: network -> kind -> bounds (N,), ℓ2 pixel units, NaN where not computed.
            proofs: the kinds that are proofs, all others being estimates.
            predicted: network -> the class of x_adv, (N,), which counts where the distance is finite.
            **state: the first selection, such as `image=3` or `kinds=["CLEVER"]`; by default the first network and
                image, and all kinds.

        Raises:
            TypeError: images, labels or bounds of a wrong type.
            ValueError: images, labels, names or shapes do not fit, a bound is negative or infinite, or a proved bound
                is above the distance of an attack: such a picture cannot be drawn, as one of the two is wrong.
        """
        checks.check_pictures(x, y, len(classes))
        names = checks.check_names(found, lower, predicted, proofs, len(LOOKS))
        clean, entries = _bytes(x), []
        for network, nearest in found.items():
            entries.append(_entry(network, nearest, lower[network], x, proofs))
            if predicted is not None:
                checks.check_answers(predicted[network], nearest, y, len(classes), network)
                entries[-1]["predicted"] = predicted[network].tolist()
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
            differences=packed_noise(*(_bytes(nearest.x_adv) - clean for nearest in found.values())),
        )
        for name, value in state.items():
            explorer.set_trait(name, value)
        checks.check_choice(explorer.network, explorer.image, explorer.kinds, found, len(x), names)
        return explorer

    def numbers(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """What is known of the chosen network.

        Returns:
            The distances (N,), ∞ where no attack succeeded, and the bounds, kind -> (N,), NaN where not computed.
        """
        entry = next(entry for entry in self.entries if entry["network"] == self.network)
        distances = np.array([math.inf if d is None else d for d in entry["distances"]])
        return distances, {kind: np.array(values, dtype=float) for kind, values in entry["bounds"].items()}

    def still(self) -> matplotlib.figure.Figure:
        """The chosen network and kinds."""
        distances, bounds = self.numbers()
        shown = [
            (kind, bounds[kind], look, kind in self.proofs)
            for look, kind in enumerate(self.names)
            if kind in self.kinds and kind in bounds
        ]
        return against_attack(distances, shown, self.network)


def _entry(
    network: str, nearest: Adversarial, lower: Mapping[str, Tensor], x: Tensor, proofs: Collection[str]
) -> dict[str, Any]:
    """What is stored of a network, without its answers; checked."""
    checks.check_attack(network, nearest, x)
    for kind, values in lower.items():
        checks.check_bound(values, kind, network, len(x))
    for kind in lower.keys() & set(proofs):
        checks.check_proof(lower[kind], nearest.distance, kind, network)
    return {
        "network": network,
        "distances": _plain(nearest.distance),
        "attacks": list(nearest.attack),
        "predicted": None,
        "bounds": {kind: _plain(values) for kind, values in lower.items()},
    }


def _bytes(x: Tensor) -> np.ndarray:
    return (255 * x.detach()).round().byte().cpu().numpy()


def _plain(values: Tensor) -> list[float | None]:
    """Nine digits, which tell all float32 apart; JSON knows no NaN and no infinity."""
    return [float(f"{v:.9g}") if math.isfinite(v) else None for v in values.tolist()]
