"""Tables of what was measured, as Markdown: every number comes from a result file."""

from __future__ import annotations

from collections.abc import Mapping

from tulip_lite.results import Result


def networks(shipped: Mapping[str, Result], norm: str = "l2", radius: float = 0.5) -> str:
    """A row a network: activation, training, clean error, error under PGD at `radius`, mean ‖∇ margin‖₂ (Table 3's).

    Below it, what the numbers were measured on and with. ValueError for a radius that was not measured.
    """
    rows = [
        f"| recipe | epochs | minutes | clean error | error at {norm} {radius:g} | mean ‖∇ margin‖₂ |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for name, result in shipped.items():
        card, gradient = result.card, result.per_image["margin_gradient"].mean().item()
        pgd = card["pgd"]
        error = pgd["error"][norm][pgd["radii"][norm].index(radius)]
        rows.append(
            f"| `{name}` | {len(result.history)} | {card['seconds'] / 60:.1f} | {card['clean_error']:.1%} | {error:.1%} "
            f"| {gradient:.2f} |"
        )
    rows += [
        "",
        f"{card['data']}. Clean errors and gradients on {card['test_images']} test images, errors under {pgd['steps']}-step "
        f"PGD on {pgd['images']} of them. One seed each. {card['processor']}, {card['threads']} threads, torch {card['torch']}.",
    ]
    return "\n".join(rows)
