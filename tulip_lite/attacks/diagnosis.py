"""What checks of an attack found, with the 95 % intervals of their counts: a check, a diagnosis, and a table of diagnoses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tulip_lite.intervals import share


@dataclass(frozen=True)
class Check:
    """One sign of gradient masking.

    Attributes:
        measured: What the `count` of `of` images are.
        expected: In words.
        limit: The share above which the check fires, unless it may be by chance.
    """

    name: str
    measured: str
    count: int
    of: int
    expected: str
    limit: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share, Clopper-Pearson; (0, 1) where there was nothing to count."""
        return share(self.count, self.of)

    @property
    def fires(self) -> bool:
        """Whether the share exceeds the limit by more than chance."""
        return bool(self.interval[0] > self.limit)


@dataclass(frozen=True)
class Diagnosis:
    """The checks of one network.

    Printed, it is a table in Markdown.

    Attributes:
        images: Those it recognises, on which everything was measured.
        error: Share of them that the attack fools within `radius`, in [0, 1].
    """

    checks: tuple[Check, ...]
    norm: str
    radius: float
    images: int
    error: float

    @property
    def fired(self) -> tuple[str, ...]:
        """The names of the checks that fired, in order; () where the attack shows no sign of masking."""
        return tuple(check.name for check in self.checks if check.fires)

    def __str__(self) -> str:
        return table({"measured": self})


def table(diagnoses: Mapping[str, Diagnosis]) -> str:
    """A row a check for gradient masking, a column a diagnosed network: how many images, their share's 95 % interval, verdict.

    Below it, what was attacked.

    Args:
        diagnoses: {heading: `diagnose(…)`}.

    Raises:
        ValueError: For none.
    """
    if not diagnoses:
        raise ValueError("there are no diagnoses to show")
    rows = [
        "| check | images counted | expected |" + "".join(f" {name} |" for name in diagnoses),
        "| --- | --- | --- |" + " --- |" * len(diagnoses),
    ]
    for checks in zip(*(diagnosis.checks for diagnosis in diagnoses.values()), strict=True):
        cells = [checks[0].name, checks[0].measured, checks[0].expected]
        for check in checks:
            low, high = check.interval
            verdict = "**fires**" if check.fires else "passes"
            cells.append(f"{check.count} of {check.of} ({100 * low:.0f} to {100 * high:.0f} %): {verdict}")
        rows.append("| " + " | ".join(cells) + " |")
    attacked = [
        f"{name}: {d.images} images, {d.error:.0%} of them fooled within {d.norm} {d.radius:.3g}"
        for name, d in diagnoses.items()
    ]
    return "\n".join([*rows, "", "; ".join(attacked) + ". In brackets the 95 % interval of the share."])
