"""Explorables: figures that compute in the reader's browser, with a kernel (JupyterLab) and without one (the book).

Each has its state here in Python, its mathematics in one ES module without a page (`<module>.mjs`, tested under Node and
against Python), and a view that draws (`<module>_view.mjs`, with what all views share in `kit.mjs`).
"""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import TYPE_CHECKING, ClassVar

import anywidget
import traitlets

if TYPE_CHECKING:
    import matplotlib.figure

_FOLDER = resources.files("tulip_lite.widgets")
_IMPORT = re.compile(r'(?<=from ")\./([\w.]+)(?=";)')
# gives each module an address of its own, in an order in which those it imports have theirs already
_LOADER = """const texts = %s;
const addresses = {};
for (const [name, text] of Object.entries(texts)) {
  const linked = text.replace(/(?<=from ")\\.\\/([\\w.]+)(?=";)/g, (_, imported) => addresses[imported]);
  addresses[name] = URL.createObjectURL(new Blob([linked], { type: "text/javascript" }));
}
const view = (await import(addresses[%s])).default;
Object.values(addresses).forEach((address) => URL.revokeObjectURL(address));
export default view;
"""


def joined(name: str) -> str:
    """One ES module that holds the module `name` and all that it imports (`from "./other.mjs";`), each text once.

    A widget travels as one text, and a page read from a disk may not import files beside it.
    """
    texts: dict[str, str] = {}

    def collect(module: str) -> None:
        text = (_FOLDER / module).read_text(encoding="utf-8")
        for imported in _IMPORT.findall(text):
            if imported not in texts:
                collect(imported)
        texts[module] = text

    collect(name)
    return _LOADER % (json.dumps(texts, ensure_ascii=False), json.dumps(name))


class Explorable(anywidget.AnyWidget):
    """An interactive figure. Subclasses set `module`, declare their state as synchronised traits of plain numbers, texts and
    lists, and draw `still`. Display one with `figures.show`, which asks for its text alternative and caption."""

    module: ClassVar[str]

    alt = traitlets.Unicode(help="the text alternative, which `figures.show` sets").tag(sync=True)

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        # anywidget makes a subclass of each for its traits: that one has the texts already
        if "module" in vars(cls):
            cls._esm = joined(f"{cls.module}_view.mjs")
            cls._css = (_FOLDER / "explorable.css").read_text(encoding="utf-8")

    def still(self) -> matplotlib.figure.Figure:
        """The picture of the present state, for a reader without JavaScript."""
        raise NotImplementedError(f"{type(self).__name__} needs a still picture")
