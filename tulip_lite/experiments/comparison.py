"""What the attacks find and what they take beside those of others, run apart from each other on the same images.

Each arm, an attack on a network in a norm, is stored when it is finished: these take minutes, and a killed run goes on. The
result, with every distance, its data and its machine, goes to data/results/bench/<name>.json.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter
from torch import Tensor, nn

from tulip_lite import data, measure, results
from tulip_lite.attacks import suite
from tulip_lite.attacks.adversarial import Adversarial
from tulip_lite.attacks.logbarrier import logbarrier
from tulip_lite.attacks.others import foolbox
from tulip_lite.attacks.others.autoattack import autoattack
from tulip_lite.attacks.others.published_logbarrier import published
from tulip_lite.attacks.watched import Watched
from tulip_lite.experiments import conclusions, setting
from tulip_lite.results import benchmarks, provenance
from tulip_lite.storage import fingerprints, tensors
from tulip_lite.storage.unfinished import difference
from tulip_lite.tables import attacks as tables

IMAGES = Annotated[
    setting.WHOLE, Parameter(help="How many test images are attacked, such as every network recognises.")
]
NETWORKS = ("undefended", "squared-l2-0.1")
# between a third and a half of the quick suite's distances in attacks.json are below them: far from no error and from all
RADII = {"undefended": {"l2": 0.15, "linf": 1 / 255}, "squared-l2-0.1": {"l2": 0.5, "linf": 3 / 255}}


@dataclass(frozen=True)
class Arm:
    """An attack as it is compared: `attack(model, x, y, norm, **options)`, from the clean images.

    Attributes:
        shortest: Options with which it is over soon; it is run with them once on two images before the clock starts, since
            the first call compiles and imports.
    """

    attack: Callable[..., Adversarial]
    options: Mapping[str, object]
    shortest: Mapping[str, object]


def attacks_arms() -> dict[str, dict[str, Arm]]:
    """The suite `quick` and, as their authors run them, the libraries' attacks that are nearest to it."""

    def of_foolbox(name: str, **options: int) -> Arm:
        shortest = {
            option: 1 for option in ("steps", "binary_search_steps") if option in foolbox.ATTACKS[name].defaults
        }
        return Arm(partial(foolbox.run, name), options, shortest)

    quick = Arm(suite.smallest, {"suite": "quick"}, {})
    bethge = of_foolbox("brendel-bethge")
    return {
        "l2": {
            conclusions.QUICK: quick,
            "foolbox ddn": of_foolbox("ddn", steps=100),
            "foolbox carlini-wagner": of_foolbox("carlini-wagner", binary_search_steps=9, steps=1000),
            "foolbox brendel-bethge": bethge,
        },
        "linf": {conclusions.QUICK: quick, "foolbox fmn": of_foolbox("fmn"), "foolbox brendel-bethge": bethge},
    }


def logbarrier_arms() -> dict[str, dict[str, Arm]]:
    """Our LogBarrier with 15 × 50 steps and the published one with its 15 × 500."""
    shortest = {"outer": 1, "inner": 1}
    arms = {
        conclusions.OURS: Arm(logbarrier, {"outer": 15, "inner": 50}, shortest),
        conclusions.PUBLISHED: Arm(published, {"outer": 15, "inner": 500}, shortest),
    }
    return {"l2": arms, "linf": arms}


def autoattack_arms() -> dict[str, dict[str, dict[str, Arm]]]:
    """For each network and norm the suite `quick` and AutoAttack's standard ensemble, at the radius of `RADII`."""
    quick = Arm(suite.smallest, {"suite": "quick"}, {})
    return {
        # far away the first attack of the ensemble fools everything, and the others have nothing to do
        network: {
            norm: {
                conclusions.QUICK: quick,
                conclusions.AUTOATTACK: Arm(autoattack, {"radius": radius}, {"radius": 10 * radius}),
            }
            for norm, radius in radii.items()
        }
        for network, radii in RADII.items()
    }


def attacks(
    *,
    images: IMAGES = 32,
    source: setting.SOURCE = None,
    threads: setting.THREADS = None,
    runs: setting.RUNS = Path("runs"),
) -> str:
    """`quick` against the libraries: distances, their medians' ratio, wins, and the share of the libraries' time.

    The numbers go to attacks.json; a killed run goes on from its last finished attack.

    The images are test images that every network of `NETWORKS` recognises.

    Returns:
        A table.
    """
    setting.use(threads)
    arms = dict.fromkeys(NETWORKS, attacks_arms())
    return _told(tables.compared, _compare("attacks", arms, conclusions.against_libraries, images, source, runs))


def logbarriers(
    *,
    images: IMAGES = 32,
    source: setting.SOURCE = None,
    threads: setting.THREADS = None,
    runs: setting.RUNS = Path("runs"),
) -> str:
    """LogBarrier, ours against the published one.

    Arguments and result are those of `attacks`, the file is logbarrier.json.
    """
    setting.use(threads)
    arms = dict.fromkeys(NETWORKS, logbarrier_arms())
    return _told(tables.compared, _compare("logbarrier", arms, conclusions.against_published, images, source, runs))


def autoattacks(
    *,
    images: IMAGES = 32,
    source: setting.SOURCE = None,
    threads: setting.THREADS = None,
    runs: setting.RUNS = Path("runs"),
) -> str:
    """The robust error at a radius by `quick` and by AutoAttack, and how many images each fools that the other does not.

    Arguments and result are those of `attacks`, the file is autoattack.json.
    """
    setting.use(threads)
    return _told(
        tables.fixed_radius, _compare("autoattack", autoattack_arms(), conclusions.at_radius, images, source, runs)
    )


BENCHMARKS = {"attacks": attacks, "logbarrier": logbarriers, "autoattack": autoattacks}


def _told(table: Callable[[dict], str], record: dict) -> str:
    return "\n".join([table(record), "", *conclusions.in_words(record)])


def _compare(
    name: str,
    arms: Mapping[str, Mapping[str, Mapping[str, Arm]]],
    conclude: Callable[[dict], dict],
    images: int,
    source: str | None,
    runs: Path,
) -> dict:
    """The stored record. arms: network -> norm -> attack -> `Arm`; conclude: a norm's rows -> what is stored of them."""
    models = {network: results.load(network).model for network in NETWORKS}
    pictures = setting.images(source, "cifar10")
    x, y = _images(models, pictures, images)
    # now: the files may change while this runs, but not what was loaded from them
    origin, code = provenance.origin(), _code()
    networks: dict[str, dict[str, dict]] = {}
    for network, model in models.items():
        model = model.to(memory_format=torch.channels_last)
        for norm, those in arms[network].items():
            rows = {}
            for attack, arm in those.items():
                path = Path(runs) / "bench" / name / f"{network}-{norm}-{attack.replace(' ', '-')}.safetensors"
                rows[attack] = _finished(path, code, arm, model, x, y, norm) | {"options": dict(arm.options)}
                print(f"{network}, {norm}, {attack}: {rows[attack]['seconds']:.1f} s", flush=True)
            networks.setdefault(network, {})[norm] = conclude(rows)
    record = {"images": len(x), "data": pictures.name, **origin, "networks": networks}
    benchmarks.store(name, record)
    return record


def _images(models: Mapping[str, nn.Module], pictures: data.Dataset, count: int) -> tuple[Tensor, Tensor]:
    if count < 2:
        raise ValueError(f"at least two images are needed to compare attacks, got {count}")
    # three times as many as are wanted, since some are misclassified; of each class as many, whatever the order of the files
    drawn = pictures.test.subset(3 * count) if 3 * count < len(pictures.test) else pictures.test
    x, y = measure.recognised_by_all(models, drawn, count)
    if len(x) < count:
        raise ValueError(
            f"only {len(x)} of {len(drawn)} test images of {pictures.name} are recognised by {' and '.join(models)}, "
            f"{count} were asked for: name images of the kind they were trained on (--data), or ask for fewer"
        )
    return x, y


def _finished(path: Path, code: str, arm: Arm, model: nn.Module, x: Tensor, y: Tensor, norm: str) -> dict:
    """The row of an arm: as stored at `path` if that is of the same code, network, images and threads, else run and stored."""
    identity = {
        "code": code,
        "weights": fingerprints.weights(model),
        "images": fingerprints.of({"x": x, "y": y}),
        "options": dict(arm.options),
        "norm": norm,
        "threads": torch.get_num_threads(),
    }
    if path.exists():
        columns, about = tensors.load(path)
        if difference(about["identity"], identity) is None:
            return about["row"] | {"distances": columns["distance"].tolist()}
    distance, row = _timed(arm, model, x, y, norm)
    tensors.save(path, {"distance": distance}, identity=identity, row=row)
    return row | {"distances": distance.tolist()}


def _timed(arm: Arm, model: nn.Module, x: Tensor, y: Tensor, norm: str) -> tuple[Tensor, dict[str, float]]:
    """(distances (N,), seconds and, per image, gradients and passes through the network)."""
    arm.attack(model, x[:2], y[:2], norm, **{**arm.options, **arm.shortest})
    counted = Watched(model)
    began, began_cpu = time.perf_counter(), time.process_time()
    found = arm.attack(counted, x, y, norm, **arm.options)
    return found.distance, {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - began_cpu,
        "gradients": counted.gradients / len(x),
        "passes": counted.passes / len(x),
    }


def _code() -> str:
    """A hash of the attacks' source: what was found with other code is not this benchmark's."""
    digest = hashlib.sha256()
    folder = Path(suite.__file__).parent
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]
