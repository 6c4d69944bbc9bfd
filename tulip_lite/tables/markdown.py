"""Markdown from values: one writer of tables, and source text as the package has it."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable, Sequence

ALIGNMENT = {"l": "---", "r": "--:"}


def table(heads: Sequence[str], aligned: str, rows: Iterable[Sequence[str]], *below: str) -> str:
    """A table in Markdown.

    Args:
        heads: Of the columns.
        aligned: ``"l"`` or ``"r"`` for each.
        rows: Their cells.
        below: Lines under it.

    Raises:
        ValueError: For a row that has not one cell for each column.
    """
    lines = [list(heads), [ALIGNMENT[side] for side in aligned], *map(list, rows)]
    for cells in lines:
        if len(cells) != len(heads):
            raise ValueError(f"a row has {len(cells)} cells for {len(heads)} columns: {cells}")
    return "\n".join([*(f"| {' | '.join(cells)} |" for cells in lines), *(("", *below) if below else ())])


def source(*pieces: Callable) -> str:
    """The source text of functions and methods as the package has it, a block of Markdown."""
    texts = [textwrap.dedent(inspect.getsource(piece)).rstrip() for piece in pieces]
    return "```python\n" + "\n\n".join(texts) + "\n```"
