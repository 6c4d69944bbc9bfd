"""Tables of what attacks found and what they asked for, as Markdown: every number comes from a result file or a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from tulip_lite import norms
from tulip_lite.attacks import distances
from tulip_lite.attacks.adversarial import CLEAN
from tulip_lite.norms import Norm
from tulip_lite.results.provenance import machine
from tulip_lite.tables.markdown import table

if TYPE_CHECKING:
    from tulip_lite.attacks.others.catalogue import LibraryAttack
    from tulip_lite.attacks.stages import Stage
    from tulip_lite.results import Attacks


@dataclass(frozen=True)
class Cost:
    """What an attack asked of the network, for one image on average: forward passes, and those with a gradient among them."""

    passes: float
    gradients: float


def registry(attacks: Mapping[str, LibraryAttack]) -> str:
    """A row an attack: its norms, what it is told, whether it needs a misclassified image to begin with, its default steps."""
    rows = []
    for name, attack in attacks.items():
        told = {"gradient": "scores and gradients", "decision": "the predicted class"}[attack.kind]
        begins = "a misclassified image" if attack.needs_start else "the clean image"
        rounds = attack.defaults.get("binary_search_steps") if name == "carlini-wagner" else None
        steps = f"{rounds} × {attack.defaults['steps']}" if rounds else f"{attack.defaults['steps']}"
        rows.append([name, ", ".join(norms.get(norm).symbol for norm in attack.norms), told, begins, steps])
    return table(["attack", "norms", "is told", "begins at", "steps"], "llllr", rows)


def costs(found: Mapping[str, Tensor], asked: Mapping[str, Cost], norm: str) -> str:
    """A row an attack: median distance, the share of images where it is within 1 % of the nearest of all, what it did not find,
    and what it asked for.

    Args:
        found: attack -> distances (N,) of the same images.
        asked: attack -> `Cost`.

    Raises:
        ValueError: Where an attack has no cost.
    """
    if missing := [name for name in found if name not in asked]:
        raise ValueError(f"no cost of {missing[0]!r}: there are {', '.join(map(repr, asked))}")
    columns = list(found.values())
    best = columns[0]
    for column in columns[1:]:
        best = best.minimum(column)
    geometry, rows = norms.get(norm), []
    for name, column in found.items():
        it, near, cost = distances.summary(column), (column <= 1.01 * best).double().mean().item(), asked[name]
        asked_for = f"{cost.passes:.0f}", f"{cost.gradients:.0f}"
        rows.append([name, geometry.unit(it.median), f"{near:.0%}", f"{it.unfooled}", *asked_for])
    heads = [f"median {geometry.symbol} distance", "within 1 % of the nearest", "not found", "passes", "with gradient"]
    return table(["attack", *heads], "lrrrrr", rows, f"{len(best)} images; passes are for an image, on average.")


def suites(found: Mapping[str, Attacks]) -> str:
    """A row a network: clean error, median and mean distance, images not fooled, and who found the nearest image how often.

    Below it, what was attacked and with what.

    Args:
        found: network -> `results.load_attacks(…)`, all in one norm and of one suite.

    Raises:
        ValueError: For none, or where norms, suites or stages differ.
    """
    if not found:
        raise ValueError("no attacks to make a table of")
    cards = [attacks.card for attacks in found.values()]
    card = cards[0]
    for other in cards[1:]:
        for key in ("norm", "suite", "stages", "images", "data"):
            if other[key] != card[key]:
                raise ValueError(f"one table is of one {key}, got {card[key]!r} and {other[key]!r}")
    geometry, stages, rows = norms.get(card["norm"]), [stage["name"] for stage in card["stages"]], []
    for name, attacks in found.items():
        it = distances.summary(attacks.distance)
        wins = [f"{attacks.attack.count(stage)}" for stage in stages]
        seconds = sum(attacks.card["seconds"].values()) / it.images
        clean, found_at = (
            f"{attacks.attack.count(CLEAN) / it.images:.1%}",
            (geometry.unit(it.median), geometry.unit(it.mean)),
        )
        rows.append([f"`{name}`", clean, *found_at, f"{it.unfooled}", *wins, f"{seconds:.2f}"])
    heads = ["network", "clean error", f"median {geometry.symbol}", "mean, of the fooled", "not fooled"]
    return table(
        [*heads, *(f"{name} nearest" for name in stages), "s an image"],
        "lrrrrr" + "r" * len(stages),
        rows,
        f"Suite `{card['suite']}` on {card['images']} test images of {card['data']}. Images that are wrong unperturbed count "
        f"as 0 in median and mean. {card['processor']}, threads: {card['threads']}, torch {card['torch']}.",
    )


def stages(suites: Mapping[str, Mapping[str, Sequence[Stage]]]) -> str:
    """A row a suite and norm: its attacks in their order, with the options that differ from their defaults."""
    rows = []
    for name, by_norm in suites.items():
        for norm, chosen in by_norm.items():
            texts = [
                stage.name + (f" ({', '.join(f'{k} {v}' for k, v in stage.options.items())})" if stage.options else "")
                for stage in chosen
            ]
            rows.append([f"`{name}`", norms.get(norm).symbol, ", ".join(texts)])
    return table(["suite", "norm", "attacks, in order"], "lll", rows)


def compared(record: Mapping) -> str:
    """A row an attack of a stored comparison: median distance, of how many images it found the nearest, what it took.

    Below it, what was attacked and with what.

    Args:
        record: Of `experiments.comparison`, data/results/bench/attacks.json or logbarrier.json.
    """
    rows = []
    for network, norm, result in _results(record):
        for name, row in result["attacks"].items():
            took = f"{row['gradients']:.0f}", f"{row['seconds']:.1f}"
            found = norm.unit(row["median"]), f"{row['wins']}", f"{row['unfooled']}"
            rows.append([f"`{network}`", norm.symbol, name, *found, *took])
    heads = ["network", "norm", "attack", "median", "nearest", "not found", "gradients an image", "seconds"]
    below = (
        f"{record['images']} images of {record['data']}, all at once; *nearest* counts ties for each. {machine(record)}"
    )
    return table(heads, "lllrrrrr", rows, below)


def fixed_radius(record: Mapping) -> str:
    """A row an attack of data/results/bench/autoattack.json: the robust error it shows at the radius, how many images it alone
    fooled, what it took. Below it, what was attacked and with what."""
    rows = []
    for network, norm, result in _results(record):
        for name, row in result["attacks"].items():
            took = f"{row['gradients']:.0f}", f"{row['passes']:.0f}", f"{row['seconds']:.1f}"
            found = f"{row['error']:.1%}", f"{row['alone']}"
            rows.append([f"`{network}`", norm.symbol, norm.unit(result["radius"]), name, *found, *took])
    heads = ["network", "norm", "radius", "attack", "robust error", "fooled by it alone"]
    return table(
        [*heads, "gradients an image", "passes", "seconds"],
        "llrlrrrrr",
        rows,
        f"{record['images']} images of {record['data']}, all at once, that every network classifies correctly. {machine(record)}",
    )


def _results(record: Mapping) -> Iterator[tuple[str, Norm, Mapping]]:
    """(network, norm, what was found) of a stored comparison."""
    for network, by_norm in record["networks"].items():
        for norm, result in by_norm.items():
            yield network, norms.get(norm), result
