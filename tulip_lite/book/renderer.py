"""How the book draws what `figures.show` stored: a MIME renderer that myst-nb finds through an entry point.

A plotly figure becomes `<figure>` with its numbers as JSON, drawn in the browser by `_static/figures.js`; an explorable
becomes one with a place for `_static/explorables.js` to draw in; a picture becomes one with `<img alt>`. All end in
`<figcaption>`, none needs a kernel or another site, and a browser without scripts shows a still picture of the first two.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, ClassVar

from tulip_lite.figures.display import PLOTLY, WIDGET

if TYPE_CHECKING:
    from docutils.nodes import Node
    from myst_nb.core.render import MimeData, NbElementRenderer


class BookFigure:
    """Renders the outputs of `figures.show`; returns None for every other output, which leaves it to myst-nb."""

    # before text/html (30) and the pictures (50): plotly is otherwise skipped as unknown
    mime_priority_overrides: ClassVar = [("html", PLOTLY, 5)]

    @staticmethod
    def handle_mime(renderer: NbElementRenderer, data: MimeData, inline: bool) -> list[Node] | None:
        if data.output_metadata.get("tulip_caption"):
            return []
        texts = data.output_metadata.get("tulip_figure")
        if data.mime_type == PLOTLY:
            if texts is None:
                # warnings are errors in the book: a figure without a text alternative does not get in
                renderer.logger.warning(
                    "a plotly figure was not displayed with tulip_lite.figures.show", line=data.line
                )
                return []
            return _figure(renderer, data, _raw(_plot(data.content, texts["alt"])), *_still(renderer, data))
        if data.mime_type == WIDGET and texts is not None:
            return _figure(
                renderer, data, _raw(_place(data.content["model_id"], texts["alt"])), *_still(renderer, data)
            )
        if data.mime_type == "image/png" and texts is not None:
            pictures = renderer.render_image(data)
            for picture in pictures:
                picture["alt"] = texts["alt"]
            return _figure(renderer, data, *pictures)
        return None


def _figure(renderer: NbElementRenderer, data: MimeData, *content: Node) -> list[Node]:
    from myst_nb.core.render import MimeData

    caption = MimeData(
        "text/markdown", data.output_metadata["tulip_figure"]["caption"], data.cell_metadata, line=data.line
    )
    return [
        _raw('<figure class="tulip-figure">'),
        *content,
        _raw("<figcaption>"),
        *renderer.render_markdown_inline(caption),
        _raw("</figcaption></figure>"),
    ]


def _plot(spec: dict, alt: str) -> str:
    # "</" would end the script element early
    numbers = json.dumps(spec, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
    return (
        f'<div class="tulip-plot" role="img" aria-label="{escape(alt)}"></div>'
        f'<script type="application/json">{numbers}</script>'
    )


def _place(model: str, alt: str) -> str:
    return f'<div class="tulip-explorable" role="group" aria-label="{escape(alt)}" data-model="{escape(model)}"></div>'


def _still(renderer: NbElementRenderer, data: MimeData) -> list[Node]:
    """The still picture of a figure that a script draws. Browsers with scripts do not even fetch it."""
    from myst_nb.core.render import MimeData

    texts = data.output_metadata["tulip_figure"]
    pictures = renderer.render_image(MimeData("image/png", texts["still"], data.cell_metadata, line=data.line))
    for picture in pictures:
        picture["alt"] = texts["alt"]
    return [_raw("<noscript>"), *pictures, _raw("</noscript>")]


def _raw(html: str) -> Node:
    from docutils import nodes

    return nodes.raw("", html, format="html")
