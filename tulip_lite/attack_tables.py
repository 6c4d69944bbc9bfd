"""Tables of what attacks found and what they asked for, as Markdown: every number comes from a result file or a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from tulip_lite import distances, results
from tulip_lite.attack_figures import SYMBOL, UNIT
from tulip_lite.attacks.adversarial import CLEAN

if TYPE_CHECKING:
    from tulip_lite.attacks.library import LibraryAttack
    from tulip_lite.attacks.stages import Stage
    from tulip_lite.results import Attacks


@dataclass(frozen=True)
class Cost:
    """What an attack asked of the network, for one image on average: forward passes, and those with a gradient among them."""

    passes: float
    gradients: float


def registry(attacks: Mapping[str, LibraryAttack]) -> str:
    """A row an attack: its norms, what it is told, whether it needs a misclassified image to begin with, its default steps."""
    rows = ["| attack | norms | is told | begins at | steps |", "| --- | --- | --- | --- | --: |"]
    for name, attack in attacks.items():
        told = {"gradient": "scores and gradients", "decision": "the predicted class"}[attack.kind]
        begins = "a misclassified image" if attack.needs_start else "the clean image"
        rounds = attack.defaults.get("binary_search_steps") if name == "carlini-wagner" else None
        steps = f"{rounds} × {attack.defaults['steps']}" if rounds else f"{attack.defaults['steps']}"
        rows.append(f"| {name} | {', '.join(SYMBOL[norm] for norm in attack.norms)} | {told} | {begins} | {steps} |")
    return "\n".join(rows)


def costs(found: Mapping[str, Tensor], asked: Mapping[str, Cost], norm: str) -> str:
    """A row an attack: median distance, the share of images where it is within 1 % of the nearest of all, what it did not find,
    and what it asked for.

    found: attack -> distances (N,) of the same images; asked: attack -> `Cost`. ValueError where an attack has no cost.
    """
    if missing := [name for name in found if name not in asked]:
        raise ValueError(f"no cost of {missing[0]!r}: there are {', '.join(map(repr, asked))}")
    columns = list(found.values())
    best = columns[0]
    for column in columns[1:]:
        best = best.minimum(column)
    rows = [
        f"| attack | median {SYMBOL[norm]} distance | within 1 % of the nearest | not found | passes | with gradient |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for name, column in found.items():
        it, near, cost = distances.summary(column), (column <= 1.01 * best).double().mean().item(), asked[name]
        rows.append(
            f"| {name} | {UNIT[norm](it.median)} | {near:.0%} | {it.unfooled} | {cost.passes:.0f} | {cost.gradients:.0f} |"
        )
    rows += ["", f"{len(best)} images; passes are for an image, on average."]
    return "\n".join(rows)


def suites(found: Mapping[str, Attacks]) -> str:
    """A row a network: clean error, median and mean distance, images not fooled, and who found the nearest image how often.

    found: network -> `results.load_attacks(…)`, all in one norm and of one suite. Below it, what was attacked and with what.
    ValueError for none, or where norms, suites or stages differ.
    """
    if not found:
        raise ValueError("no attacks to make a table of")
    cards = [attacks.card for attacks in found.values()]
    card = cards[0]
    for other in cards[1:]:
        for key in ("norm", "suite", "stages", "images", "data"):
            if other[key] != card[key]:
                raise ValueError(f"one table is of one {key}, got {card[key]!r} and {other[key]!r}")
    unit, stages = UNIT[card["norm"]], [stage["name"] for stage in card["stages"]]
    rows = [
        f"| network | clean error | median {SYMBOL[card['norm']]} | mean, of the fooled | not fooled | "
        + " | ".join(f"{name} nearest" for name in stages)
        + " | s an image |",
        "| --- | --: | --: | --: | --: | " + "--: | " * len(stages) + "--: |",
    ]
    for name, attacks in found.items():
        it = distances.summary(attacks.distance)
        wins = [f"{attacks.attack.count(stage)}" for stage in stages]
        seconds = sum(attacks.card["seconds"].values()) / it.images
        rows.append(
            f"| `{name}` | {attacks.attack.count(CLEAN) / it.images:.1%} | {unit(it.median)} | {unit(it.mean)} | {it.unfooled} | "
            + " | ".join(wins)
            + f" | {seconds:.2f} |"
        )
    rows += [
        "",
        f"Suite `{card['suite']}` on {card['images']} test images of {card['data']}. Images that are wrong unperturbed count "
        f"as 0 in median and mean. {card['processor']}, threads: {card['threads']}, torch {card['torch']}.",
    ]
    return "\n".join(rows)


def stages(suites: Mapping[str, Mapping[str, Sequence[Stage]]]) -> str:
    """A row a suite and norm: its attacks in their order, with the options that differ from their defaults."""
    rows = ["| suite | norm | attacks, in order |", "| --- | --- | --- |"]
    for name, by_norm in suites.items():
        for norm, chosen in by_norm.items():
            texts = [
                stage.name + (f" ({', '.join(f'{k} {v}' for k, v in stage.options.items())})" if stage.options else "")
                for stage in chosen
            ]
            rows.append(f"| `{name}` | {SYMBOL[norm]} | {', '.join(texts)} |")
    return "\n".join(rows)


def compared(record: Mapping) -> str:
    """A row an attack of a comparison stored by `attack_bench`: median distance, of how many images it found the nearest, what it
    took. record: data/results/bench/attacks.json or logbarrier.json. Below it, what was attacked and with what."""
    rows = [
        "| network | norm | attack | median | nearest | not found | gradients an image | seconds |",
        "| --- | --- | --- | --: | --: | --: | --: | --: |",
    ]
    for network, norms in record["networks"].items():
        for norm, result in norms.items():
            for name, row in result["attacks"].items():
                rows.append(
                    f"| `{network}` | {SYMBOL[norm]} | {name} | {UNIT[norm](row['median'])} | {row['wins']} | {row['unfooled']} "
                    f"| {row['gradients']:.0f} | {row['seconds']:.1f} |"
                )
    rows += [
        "",
        f"{record['images']} images of {record['data']}, all at once; *nearest* counts ties for each. {results.machine(record)}",
    ]
    return "\n".join(rows)


def fixed_radius(record: Mapping) -> str:
    """A row an attack of data/results/bench/autoattack.json: the robust error it shows at the radius, how many images it alone
    fooled, what it took. Below it, what was attacked and with what."""
    rows = [
        "| network | norm | radius | attack | robust error | fooled by it alone | gradients an image | passes | seconds |",
        "| --- | --- | --: | --- | --: | --: | --: | --: | --: |",
    ]
    for network, norms in record["networks"].items():
        for norm, result in norms.items():
            for name, row in result["attacks"].items():
                rows.append(
                    f"| `{network}` | {SYMBOL[norm]} | {UNIT[norm](result['radius'])} | {name} | {row['error']:.1%} "
                    f"| {row['alone']} | {row['gradients']:.0f} | {row['passes']:.0f} | {row['seconds']:.1f} |"
                )
    rows += [
        "",
        f"{record['images']} images of {record['data']}, all at once, that every network classifies correctly. "
        f"{results.machine(record)}",
    ]
    return "\n".join(rows)
