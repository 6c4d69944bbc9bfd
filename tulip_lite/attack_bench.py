"""What the attacks find and what they take beside those of others, run apart from each other on the same images.

Each arm, an attack on a network in a norm, is stored when it is finished: these take minutes, and a killed run goes on. The
result, with every distance, its data and its machine, goes to data/results/bench/<name>.json.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from tulip_lite import bench, checkpoints, data, distances, fingerprints, measure, results
from tulip_lite.attacks import library, suite
from tulip_lite.attacks.adversarial import Adversarial
from tulip_lite.attacks.autoattack import autoattack
from tulip_lite.attacks.logbarrier import logbarrier
from tulip_lite.attacks.published_logbarrier import published
from tulip_lite.attacks.watched import Watched

NETWORKS = ("undefended", "squared-l2-0.1")
QUICK, BEST = "quick", "best of the libraries"
OURS, PUBLISHED = "logbarrier", "published logbarrier"
AUTOATTACK = "autoattack"
# between a third and a half of the quick suite's distances in attacks.json are below them: far from no error and from all
RADII = {"undefended": {"l2": 0.15, "linf": 1 / 255}, "squared-l2-0.1": {"l2": 0.5, "linf": 3 / 255}}


@dataclass(frozen=True)
class Arm:
    """An attack as it is compared: `attack(model, x, y, norm, **options)`, from the clean images. shortest: options with which
    it is over soon; it is run with them once on two images before the clock starts, since the first call compiles and imports."""

    attack: Callable[..., Adversarial]
    options: Mapping[str, object]
    shortest: Mapping[str, object]


def attacks_arms() -> dict[str, dict[str, Arm]]:
    """The suite `quick` and, as their authors run them, the libraries' attacks that are nearest to it."""

    def foolbox(name: str, **options: int) -> Arm:
        shortest = {
            option: 1 for option in ("steps", "binary_search_steps") if option in library.ATTACKS[name].defaults
        }
        return Arm(partial(library.run, name), options, shortest)

    quick = Arm(suite.smallest, {"suite": "quick"}, {})
    bethge = foolbox("brendel-bethge")
    return {
        "l2": {
            QUICK: quick,
            "foolbox ddn": foolbox("ddn", steps=100),
            "foolbox carlini-wagner": foolbox("carlini-wagner", binary_search_steps=9, steps=1000),
            "foolbox brendel-bethge": bethge,
        },
        "linf": {QUICK: quick, "foolbox fmn": foolbox("fmn"), "foolbox brendel-bethge": bethge},
    }


def logbarrier_arms() -> dict[str, dict[str, Arm]]:
    """Our LogBarrier with 15 × 50 steps and the published one with its 15 × 500."""
    shortest = {"outer": 1, "inner": 1}
    arms = {
        OURS: Arm(logbarrier, {"outer": 15, "inner": 50}, shortest),
        PUBLISHED: Arm(published, {"outer": 15, "inner": 500}, shortest),
    }
    return {"l2": arms, "linf": arms}


def autoattack_arms() -> dict[str, dict[str, dict[str, Arm]]]:
    """For each network and norm the suite `quick` and AutoAttack's standard ensemble, at the radius of `RADII`."""
    quick = Arm(suite.smallest, {"suite": "quick"}, {})
    return {
        # far away the first attack of the ensemble fools everything, and the others have nothing to do
        network: {
            norm: {QUICK: quick, AUTOATTACK: Arm(autoattack, {"radius": radius}, {"radius": 10 * radius})}
            for norm, radius in radii.items()
        }
        for network, radii in RADII.items()
    }


def attacks(images: int = 32, source: str | None = None, runs: Path = Path("runs")) -> str:
    """`quick` against the libraries: distances, their medians' ratio, wins, and the share of the libraries' time.

    images: how many test images that every network of `NETWORKS` recognises; source: of them, as for `data.load`, by default
    TULIP_DATA, else CIFAR-10; runs: folder of finished arms. Returns a table; the numbers go to attacks.json.
    """
    arms = dict.fromkeys(NETWORKS, attacks_arms())
    return table(_compare("attacks", arms, _against_libraries, images, source, runs))


def logbarriers(images: int = 32, source: str | None = None, runs: Path = Path("runs")) -> str:
    """LogBarrier, ours against the published one; the arguments are those of `attacks`. The numbers go to logbarrier.json."""
    arms = dict.fromkeys(NETWORKS, logbarrier_arms())
    return table(_compare("logbarrier", arms, _against_published, images, source, runs))


def autoattacks(images: int = 32, source: str | None = None, runs: Path = Path("runs")) -> str:
    """The robust error at a radius by `quick` and by AutoAttack, and how many images each fools that the other does not; the
    arguments are those of `attacks`. The numbers go to autoattack.json."""
    return table(_compare("autoattack", autoattack_arms(), _at_radius, images, source, runs))


BENCHMARKS = {"attacks": attacks, "logbarrier": logbarriers, "autoattack": autoattacks}


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
    pictures = data.load(source or os.environ.get("TULIP_DATA") or "cifar10")
    x, y = _images(models, pictures, images)
    # now: the files may change while this runs, but not what was loaded from them
    origin, code, networks = results.provenance(), _code(), {}
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
    bench.store(name, record)
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
        tensors, about = checkpoints.load(path)
        if about["identity"] == identity:
            return about["row"] | {"distances": tensors["distance"].tolist()}
    distance, row = _timed(arm, model, x, y, norm)
    checkpoints.save(path, {"distance": distance}, identity=identity, row=row)
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
    for file in sorted(Path(suite.__file__).parent.glob("*.py")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _against_libraries(rows: dict[str, dict]) -> dict:
    best = [
        min(values) for values in zip(*(row["distances"] for name, row in rows.items() if name != QUICK), strict=True)
    ]
    found = _summed_up(rows)
    nearest = distances.summary(torch.tensor(best))
    return {
        "attacks": found,
        BEST: {"median": nearest.median, "mean": nearest.mean, "unfooled": nearest.unfooled},
        "ratio of medians": found[QUICK]["median"] / nearest.median,
        "share of time": _share(rows, QUICK, "seconds"),
        "share of processor time": _share(rows, QUICK, "cpu_seconds"),
    }


def _against_published(rows: dict[str, dict]) -> dict:
    found = _summed_up(rows)
    pairs = list(zip(rows[OURS]["distances"], rows[PUBLISHED]["distances"], strict=True))
    return {
        "attacks": found,
        "ratio of medians": found[OURS]["median"] / found[PUBLISHED]["median"],
        "nearer": sum(ours < theirs for ours, theirs in pairs) / len(pairs),
        "share of gradients": _share(rows, OURS, "gradients"),
        "share of time": _share(rows, OURS, "seconds"),
        "share of processor time": _share(rows, OURS, "cpu_seconds"),
    }


def _at_radius(rows: dict[str, dict]) -> dict:
    radius = rows[AUTOATTACK]["options"]["radius"]
    # AutoAttack's images may lie beyond the radius by as much as float32 rounds; then those of `quick` may too
    reach = radius * (1 + 1e-4)
    found = {name: torch.tensor(row["distances"]) for name, row in rows.items()}
    attacks = {}
    for name, other in ((QUICK, AUTOATTACK), (AUTOATTACK, QUICK)):
        attacks[name] = _told(rows[name]) | {
            "error": distances.error_at(found[name], [reach])[0],
            "alone": int(((found[name] <= reach) & (found[other] > reach)).sum()),
        }
    return {
        "radius": radius,
        "attacks": attacks,
        "share of time": _share(rows, QUICK, "seconds"),
        "share of processor time": _share(rows, QUICK, "cpu_seconds"),
    }


def _share(rows: Mapping[str, Mapping[str, float]], name: str, what: str) -> float:
    """What `name` takes in units of what all the others take together."""
    return rows[name][what] / sum(row[what] for other, row in rows.items() if other != name)


def _summed_up(rows: dict[str, dict]) -> dict[str, dict]:
    """Each attack's median, mean, failures (None among the distances), and of how many images it found the nearest, ties too."""
    nearest = [min(values) for values in zip(*(row["distances"] for row in rows.values()), strict=True)]
    found = {}
    for name, row in rows.items():
        summary = distances.summary(torch.tensor(row["distances"]))
        won = [math.isfinite(low) and d == low for d, low in zip(row["distances"], nearest, strict=True)]
        found[name] = _told(row) | {
            "median": summary.median, "mean": summary.mean, "unfooled": summary.unfooled, "wins": sum(won),
        }  # fmt: skip
    return found


def _told(row: dict) -> dict:
    """What is stored of every attack: its options, what it took, and its distances, None where it failed."""
    costs = {what: round(row[what], 2) for what in ("seconds", "cpu_seconds", "gradients", "passes")}
    stored = [float(f"{d:.6g}") if math.isfinite(d) else None for d in row["distances"]]
    return {"options": row["options"], **costs, "distances": stored}


def table(record: Mapping) -> str:
    """A stored comparison as text: a row an attack, and below each network and norm what follows."""
    lines = [f"{record['images']} images of {record['data']}, threads: {record['threads']}, {record['processor']}"]
    for network, norms in record["networks"].items():
        for norm, result in norms.items():
            rows = _errors(network, norm, result) if "radius" in result else _medians(network, norm, result)
            shares = {what: value for what, value in result.items() if isinstance(value, float) and what != "radius"}
            lines += ["", *rows, *(f"  {what}: {value:.3f}" for what, value in shares.items())]
    return "\n".join(lines)


def _medians(network: str, norm: str, result: Mapping) -> list[str]:
    rows = [f"{network}, {norm:24} {'median':>9} {'mean':>9} {'nearest':>8} {'gradients':>10} {'seconds':>9}"]
    for name, row in result["attacks"].items():
        failed = f"  {row['unfooled']} not fooled" if row["unfooled"] else ""
        rows.append(
            f"{name:{len(network) + 26}} {row['median']:9.4g} {row['mean']:9.4g} {row['wins']:8} "
            f"{row['gradients']:10.0f} {row['seconds']:9.1f}{failed}"
        )
    if BEST in result:
        best = result[BEST]
        rows.append(f"{BEST:{len(network) + 26}} {best['median']:9.4g} {best['mean']:9.4g}")
    return rows


def _errors(network: str, norm: str, result: Mapping) -> list[str]:
    title = f"{network}, {norm}, radius {result['radius']:.4g}"
    rows = [f"{title:45} {'error':>7} {'alone':>6} {'gradients':>10} {'passes':>8} {'seconds':>8}"]
    for name, row in result["attacks"].items():
        rows.append(
            f"{name:45} {row['error']:7.1%} {row['alone']:6} {row['gradients']:10.0f} {row['passes']:8.0f} "
            f"{row['seconds']:8.1f}"
        )
    return rows
