"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A file that is written whole or not at all: on any error, or if the process is killed, `path` keeps what it held.

    Yields:
        A path to write to, near `path`; on success it is flushed to the disk and takes `path`'s place at once.

    Raises:
        OSError: Naming the file and what to do, where the folder is read-only or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # a folder, since some writers (safetensors) put temporary files of their own beside the one they are given
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=_prefix(path)) as folder:
            temporary = Path(folder) / path.name
            temporary.touch()
            mode = temporary.stat().st_mode
            yield temporary
            temporary.chmod(mode)  # safetensors makes its files unreadable to others
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write {path} ({error.strerror or error}): free some space or choose another folder; "
            "what the file held before is untouched",
        ) from error


def clear_leftovers(path: Path) -> None:
    """Removes what killed writers of `path` left beside it. Only for files that one process at a time writes."""
    for leftover in path.parent.glob(f"{_prefix(path)}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _prefix(path: Path) -> str:
    return f".{path.name}-"
