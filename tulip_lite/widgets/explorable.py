"""Explorables: figures that compute in the reader's browser, with a kernel (JupyterLab) and without one (the book).

Each has a folder: its state in Python (`state.py`), its mathematics in an ES module without a page (`maths.mjs`,
tested under Node and against Python), a view that draws (`view.mjs`), and its picture for readers without scripts
(`still.py`). What all views share is beside the folders: controls in `kit.mjs`, charts in `chart.mjs` and
dragging in `drag.mjs`, bytes unpacked in `packing.mjs` and drawn in `pixels.mjs`.
"""

from __future__ import annotations

import json
import posixpath
import re
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar

import anywidget
import traitlets

if TYPE_CHECKING:
    import matplotlib.figure

_FOLDER = resources.files("tulip_lite.widgets")
_IMPORT = re.compile(r'(?<=from ")[^"\n]+(?=";)')
# gives each module an address of its own, in an order in which those it imports have theirs already
_LOADER = """const texts = %s;
const addresses = {};
for (const [path, text] of Object.entries(texts)) {
  const linked = text.replace(/(?<=from ")[^"\\n]+(?=";)/g, (imported) => addresses[imported]);
  addresses[path] = URL.createObjectURL(new Blob([linked], { type: "text/javascript" }));
}
const view = (await import(addresses[%s])).default;
Object.values(addresses).forEach((address) => URL.revokeObjectURL(address));
export default view;
"""


def joined(path: str) -> str:
    """One ES module that holds a module and all that it imports (`from "../other.mjs";`), each text once.

    A widget travels as one text, and a page read from a disk may not import files beside it. In it
    every module goes by its path below `widgets`, and so do the imports, which in the files are relative.

    Args:
        path: the module's path below `widgets`, such as "bounds/view.mjs".

    Returns:
        The text of a module whose default export is that of the module at `path`.

    Raises:
        FileNotFoundError: there is no such module, or one imports a file that is not there; both are named.
        ValueError: two modules import each other: neither could be given an address first.
    """
    texts: dict[str, str] = {}

    def collect(module: str, importers: tuple[str, ...]) -> None:
        if module in importers:
            raise ValueError(f"widgets/{module} imports itself by way of {' → '.join((*importers, module))}")
        file = _FOLDER.joinpath(*module.split("/"))
        if not file.is_file():
            by = f", which widgets/{importers[-1]} imports" if importers else ""
            raise FileNotFoundError(f"there is no widgets/{module}{by}")

        def linked(found: re.Match[str]) -> str:
            imported = posixpath.normpath(posixpath.join(posixpath.dirname(module), found[0]))
            if imported not in texts:
                collect(imported, (*importers, module))
            return imported

        texts[module] = _IMPORT.sub(linked, file.read_text(encoding="utf-8"))

    collect(path, ())
    return _LOADER % (json.dumps(texts, ensure_ascii=False), json.dumps(path))


class Explorable(anywidget.AnyWidget):
    """An interactive figure. Display one with `figures.show`, which asks for its text alternative and caption.

    Subclasses set `module`, the name of their folder, declare their state as synchronised traits of plain numbers, texts
    and lists, and draw `still`.
    """

    module: ClassVar[str]

    alt = traitlets.Unicode(help="the text alternative, which `figures.show` sets").tag(sync=True)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # anywidget makes a subclass of each for its traits: that one has the texts already
        if "module" in vars(cls):
            cls._esm = joined(f"{cls.module}/view.mjs")
            cls._css = (_FOLDER / "explorable.css").read_text(encoding="utf-8")

    def still(self) -> matplotlib.figure.Figure:
        """The picture of the present state, for a reader without JavaScript.

        Raises:
            NotImplementedError: the subclass draws none.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a still picture")
