"""The attack viewer: what it shows, how that is stored, and what it does when there is a kernel."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets
from torch import Tensor, nn

from tulip_lite import norms
from tulip_lite.attacks.adversarial import Adversarial, attacking
from tulip_lite.widgets.explorable import Explorable
from tulip_lite.widgets.packing import changes, packed
from tulip_lite.widgets.viewer.blocks import GRIDS, Block, direction
from tulip_lite.widgets.viewer.still import in_one_row

if TYPE_CHECKING:
    import matplotlib.figure

Key = tuple[str, str, str]  # network, norm, attack


class AttackViewer(Explorable):
    """Images, networks and attacks to choose from, and a radius up to which the attack's perturbation is scaled.

    Make one with `AttackViewer.of`. In a live kernel the view offers to run the `attacks` given there anew; they are not
    stored in the notebook. The traits that are not below are what is shown, see `blocks`.

    Attributes:
        image: index.
        network: name.
        norm: name.
        attack: name.
        radius: pixel units.
        entries: for each network, norm and attack the distances (None where it failed), and, where `curves` were given,
            the share of `count` images that are misclassified at each radius of the norm's grid.
    """

    module = "viewer"
    image = traitlets.Int(0, min=0).tag(sync=True)
    network = traitlets.Unicode().tag(sync=True)
    norm = traitlets.Unicode().tag(sync=True)
    attack = traitlets.Unicode().tag(sync=True)
    radius = traitlets.Float(0.0, min=0).tag(sync=True)
    classes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    labels = traitlets.List(traitlets.Int()).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    grids = traitlets.Dict().tag(sync=True)
    images = traitlets.Unicode().tag(sync=True)
    entries = traitlets.List(traitlets.Dict()).tag(sync=True)
    answers = traitlets.Unicode().tag(sync=True)
    levels = traitlets.Unicode().tag(sync=True)

    @classmethod
    def of(
        cls,
        networks: Mapping[str, nn.Module],
        x: Tensor,
        y: Tensor,
        classes: Sequence[str],
        found: Mapping[Key, Adversarial],
        *,
        attacks: Mapping[str, Callable[..., Adversarial]] | None = None,
        curves: Mapping[Key, Tensor] | None = None,
        radii: Mapping[str, Sequence[float]] = GRIDS,
        **state: object,
    ) -> AttackViewer:
        """The viewer of what attacks `found` on these images.

        Args:
            networks: name -> network.
            x: (N, 3, H, W) in [0, 1].
            y: labels, (N,).
            classes: their names.
            found: (network, norm, attack) -> what that attack returned for x and y.
            attacks: those that a reader with a kernel may run anew, `(model, x, y, norm, *, seed, …) -> Adversarial`;
                whole-number options with a default are offered.
            curves: distances (M,) over more images for all keys of `found`, for the curves of error against distance;
                without it they are over x.
            radii: for each norm those at which the networks are asked, rising from 0, pixel units.
            **state: the first selection, such as `image=3`; by default the first of everything, at the distance found.

        Raises:
            ValueError: images, labels, names or shapes do not fit.
            TypeError: likewise, of a wrong type.
        """
        if not found:
            raise ValueError("found is empty: give (network, norm, attack) -> Adversarial for at least one attack")
        if x.dim() != 4 or x.shape[1] != 3:
            raise ValueError(f"images must be of shape (N, 3, H, W), got {tuple(x.shape)}")
        if curves is not None and (missing := found.keys() - curves.keys()):
            raise ValueError(
                f"curves has nothing for {sorted(missing)[0]}: give distances for all that was found, or none"
            )
        network, norm, attack = next(iter(found))
        viewer = cls(classes=list(classes), labels=y.tolist(), shape=list(x.shape[1:]))
        viewer._networks, viewer._x, viewer._y, viewer._attacks = dict(networks), x, y, dict(attacks or {})
        viewer.grids = {norm: grid for norm, full in radii.items() if (grid := _reaching(full, norm, found))}
        viewer.images = packed(changes((255 * x).round().byte().cpu().numpy()))
        viewer._blocks = {key: viewer._block(key, result) for key, result in found.items()}
        viewer._curves = {key: viewer._curve(key[1], curves[key]) for key in found} if curves else {}
        viewer._store()
        for name, value in ({"network": network, "norm": norm, "attack": attack} | state).items():
            viewer.set_trait(name, value)
        if viewer.key not in found or viewer.image >= len(x):
            raise ValueError(
                f"nothing was found for {viewer.key}, image {viewer.image}; there are {list(found)}, {len(x)} images"
            )
        if "radius" not in state:
            viewer._to_the_distance()
        viewer.on_msg(viewer._asked)
        return viewer

    def still(self) -> matplotlib.figure.Figure:
        """The present image, attack and network, at the stop of the slider nearest to the radius."""
        block, i = self._blocks[self.key], self.image
        radii = np.array([*self.grids[self.norm], block.distances[i]])
        row = int(np.abs(radii - self.radius).argmin())
        radius, norm = float(radii[row]), norms.get(self.norm)
        return in_one_row(
            self._x[i].cpu().numpy(),
            radius * direction(block.levels[i], self.norm),
            block.answers[i, 0],
            block.answers[i, row],
            self.classes,
            self.labels[i],
            attack=f"{norm.symbol} {norm.unit(radius)} by {self.attack}",
            network=self.network,
        )

    @property
    def key(self) -> Key:
        return self.network, self.norm, self.attack

    def distance(self) -> float:
        """What the chosen attack found for the chosen image: pixel units, ∞ where it failed."""
        return float(self._blocks[self.key].distances[self.image])

    def rerun(self, key: Key, image: int, **options: int) -> float:
        """Runs an attack on one image anew, shows what it found, and returns the distance, ∞ where it failed.

        Args:
            key: network, norm, attack.
            image: index.
            **options: what the attack takes, such as steps=100, seed=1.

        Raises:
            ValueError: an attack that was not given to `of`, or a network, norm or image that is not there; and
                whatever the attack raises.
        """
        network, norm, attack = key
        if attack not in self._attacks:
            raise ValueError(
                f"{attack!r} cannot be run here: AttackViewer.of(…, attacks={{{attack!r}: …}}) was not given it"
            )
        if key not in self._blocks or not 0 <= image < len(self._x):
            raise ValueError(f"there is no image {image} with network {network!r}, norm {norm!r}, attack {attack!r}")
        x, y = self._x[image : image + 1], self._y[image : image + 1]
        result = self._attacks[attack](self._networks[network], x, y, norm, **options)
        one = Block.of(self._networks[network], x, result, norm, self.grids[norm])
        self._blocks[key] = self._blocks[key].with_image(image, one)
        self._store()
        if (self.key, self.image) == (key, image):
            self._to_the_distance()
        return float(result.distance[0])

    # --- what is stored ---

    def _block(self, key: Key, result: Adversarial) -> Block:
        network, norm, _ = key
        for name, known in ((network, self._networks), (norm, self.grids)):
            if name not in known:
                raise ValueError(f"found[{key}]: {name!r} is none of {', '.join(map(repr, known))}")
        if result.x_adv.shape != self._x.shape or len(result.distance) != len(self._x):
            raise ValueError(f"found[{key}] is of shape {tuple(result.x_adv.shape)}, the images {tuple(self._x.shape)}")
        model = self._networks[network]
        with attacking(model, self._x, self._y):  # checks images, labels and scores
            block = Block.of(model, self._x, result, norm, self.grids[norm])
        if (scores := block.answers.shape[2] - 1) != len(self.classes):
            raise ValueError(f"{network!r} returns {scores} scores, but {len(self.classes)} classes are named")
        return block

    def _curve(self, norm: str, distances: Tensor) -> dict[str, Any]:
        errors = [round((distances <= radius).float().mean().item(), 4) for radius in self.grids[norm]]
        return {"count": len(distances), "errors": errors}

    def _store(self) -> None:
        entries = []
        for key, block in self._blocks.items():
            # JSON knows no infinity
            distances = [float(f"{d:.5g}") if d < math.inf else None for d in block.distances.tolist()]
            entry = dict(zip(("network", "norm", "attack"), key, strict=True)) | {"distances": distances}
            entries.append(entry | self._curves.get(key, {}))
        blocks = self._blocks.values()
        with self.hold_sync():
            self.entries = entries
            self.levels = packed(*(block.levels for block in blocks))
            self.answers = packed(*(changes(block.answers.swapaxes(1, 2)) for block in blocks))

    def _to_the_distance(self) -> None:
        distance = self.distance()
        self.radius = distance if distance < math.inf else self.grids[self.norm][-1]

    # --- what a view with a kernel asks for ---

    def _asked(self, _: object, message: dict[str, Any], __: object) -> None:
        if message["kind"] == "hello":
            self.send({"kind": "attacks", "options": {name: _options(run) for name, run in self._attacks.items()}})
            return
        self.send({"kind": "running"})
        start = time.perf_counter()
        try:
            distance = self.rerun(tuple(message["key"]), message["image"], **message["options"])
        except (Exception, KeyboardInterrupt) as error:
            line = (str(error).splitlines() or [""])[0]
            self.send({"kind": "error", "text": f"{type(error).__name__}: {line}"})
        else:
            seconds = time.perf_counter() - start
            known = distance if distance < math.inf else None
            self.send({"kind": "done", "norm": message["key"][1], "distance": known, "seconds": seconds})


def _options(attack: Callable[..., Adversarial]) -> dict[str, int]:
    """The whole-number options of an attack with their defaults, in its order."""
    parameters = inspect.signature(attack).parameters.values()
    return {p.name: p.default for p in parameters if isinstance(p.default, int) and not isinstance(p.default, bool)}


def _reaching(radii: Sequence[float], norm: str, found: Mapping[Key, Adversarial]) -> list[float]:
    """The radii up to the first beyond 1.2 times the largest distance found in this norm; none where the norm has no attack."""
    distances = [d for (_, n, _), result in found.items() if n == norm for d in result.distance.tolist()]
    end = 1.2 * max((d for d in distances if d < math.inf), default=math.inf)
    beyond = next((i for i, radius in enumerate(radii) if radius > end), len(radii))
    return list(radii[: beyond + 1]) if distances else []
