"""The book's API pages, generated from the tree of the package: a Sphinx extension.

A page says where with a comment, ``<!-- room attacks -->`` for the modules of a folder, ``<!-- room . -->`` for those beside the
folders, ``<!-- rooms -->`` for the list of all; what stands there in the book is written when it is built. Docstrings are in
Google's convention, which Sphinx reads itself (napoleon).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PACKAGE = Path(__file__).resolve().parents[1]
ROOM = re.compile(r"<!-- room (\S+) -->")
ROOMS = "<!-- rooms -->"


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this when the extension is loaded."""
    app.connect("source-read", _fill)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def rooms() -> list[str]:
    """The folders of the package, and "." for the modules beside them."""
    return [".", *sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))]


def modules(room: str) -> list[str]:
    """The modules of a room and of the folders in it, as names below the package, such as ``attacks.pgd``."""
    paths = PACKAGE.glob("*.py") if room == "." else (PACKAGE / room).rglob("*.py")
    return sorted(_name(path) for path in paths if path.name != "__init__.py")


def summary(module: str) -> str:
    """The first paragraph of a module's docstring, or of a room's, on one line."""
    path = PACKAGE / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def listing() -> str:
    """Every room with its modules and their summaries, in reStructuredText inside MyST."""
    return "\n\n".join("\n".join(_of_room(room)) for room in rooms())


def _of_room(room: str) -> Iterator[str]:
    title, about = ("ground", "The modules beside the rooms.") if room == "." else (room, summary(room))
    yield f"## [{title}](api/{title}.md)\n\n{about}\n\n```{{eval-rst}}"
    for module in modules(room):
        yield f":py:mod:`~tulip_lite.{module}`\n   {summary(module)}\n"
    yield "```"


def page(room: str) -> str:
    """What `automodule` makes of each module of a room, below a heading."""
    parts = [
        f"## {module}\n\n```{{eval-rst}}\n.. automodule:: tulip_lite.{module}\n   :members:\n```"
        for module in modules(room)
    ]
    return "\n\n".join([*(() if room == "." else (summary(room),)), *parts])


def _name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def _fill(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname.partition("/")[0] == "api":
        source[0] = ROOM.sub(lambda found: page(found[1]), source[0].replace(ROOMS, listing()))


def _skip(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    # a named tuple's fields stand in its docstring; Python's own word for them is "Alias for field number 0"
    return True if type(obj).__name__ == "_tuplegetter" else None
