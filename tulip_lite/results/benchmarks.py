"""What a benchmark measured, as files: data/results/bench/<name>.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tulip_lite.storage import places
from tulip_lite.storage.files import written_whole


def path_of(name: str) -> Path:
    """Where the record of a benchmark is."""
    return places.RESULTS / "bench" / f"{name}.json"


def store(name: str, record: Mapping) -> None:
    """Writes what a benchmark measured to data/results/bench/<name>.json, whole or not at all."""
    with written_whole(path_of(name)) as temporary:
        temporary.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def load(name: str) -> dict:
    """The stored record of a benchmark.

    Raises:
        FileNotFoundError: Where it was not measured, with the command that does it.
    """
    path = path_of(name)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: measure it with `python -m tulip_lite bench {name}`")
    return json.loads(path.read_text())
