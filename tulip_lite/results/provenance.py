"""Where a number comes from: commit, versions and machine, for every card and below every table."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import torch

from tulip_lite.storage import places


def origin() -> dict:
    """Where and with what something is measured: commit, versions, processor, threads, GPU."""
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def machine(card: Mapping) -> str:
    """Where something was measured, a sentence for below a table.

    Args:
        card: Anything with what `origin` gives.
    """
    return f"{card['processor']}, threads: {card['threads']}, GPU: {card['gpu'] or 'none'}, torch {card['torch']}."


def _commit() -> str:
    """The commit of the code, with "-dirty" where tracked files differ from it: all but results, which measuring overwrites."""
    if not shutil.which("git"):
        return "unknown"

    def git(*command: str) -> str:
        return subprocess.run(
            ["git", "-C", str(places.FOLDER), *command], capture_output=True, text=True
        ).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":(top)", f":(exclude){places.RESULTS.name}")
    return git("rev-parse", "--short=12", "HEAD") + ("-dirty" if changed else "") or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
