"""Explorables: figures that compute in the reader's browser, with a kernel (JupyterLab) and without one (the book).

Each has its state here in Python, its mathematics in one ES module without a page (`<module>.mjs`, tested under Node and
against Python), and a view that draws (`<module>_view.mjs`, with what all views share in `kit.mjs`).
"""

from __future__ import annotations

import base64
import re
from importlib import resources
from typing import TYPE_CHECKING, ClassVar

import anywidget

if TYPE_CHECKING:
    import matplotlib.figure

_FOLDER = resources.files("tulip_lite.widgets")
_IMPORT = re.compile(r'(?<=from ")\./([\w.]+)(?=";)')


def joined(name: str) -> str:
    """The text of an ES module with the modules that it imports (`from "./other.mjs";`) inside it, as data: addresses.

    A widget travels as one text, and a page read from a disk may not import files beside it.
    """

    def inlined(found: re.Match) -> str:
        return "data:text/javascript;base64," + base64.b64encode(joined(found[1]).encode()).decode()

    return _IMPORT.sub(inlined, (_FOLDER / name).read_text(encoding="utf-8"))


class Explorable(anywidget.AnyWidget):
    """An interactive figure. Subclasses set `module`, declare their state as synchronised traits of plain numbers, texts and
    lists, and draw `still`. Display one with `figures.show`, which asks for its text alternative and caption."""

    module: ClassVar[str]

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        # anywidget makes a subclass of each for its traits: that one has the texts already
        if "module" in vars(cls):
            cls._esm = joined(f"{cls.module}_view.mjs")
            cls._css = (_FOLDER / "explorable.css").read_text(encoding="utf-8")

    def still(self) -> matplotlib.figure.Figure:
        """The picture of the present state, for a reader without JavaScript."""
        raise NotImplementedError(f"{type(self).__name__} needs a still picture")
