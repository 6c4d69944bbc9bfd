"""Where the book's files are: images and results lie in data/ beside the package."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "data"
RESULTS = FOLDER / "results"
