"""How the book draws what `figures.show` stored: a MIME renderer that myst-nb finds through an entry point.

A plotly figure becomes `<figure>` with its numbers as JSON, drawn in the browser by `_static/figures.js`; a picture
becomes `<figure>` with `<img alt>`. Both end in `<figcaption>`, and neither needs a kernel or another site.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, ClassVar

from tulip_lite.figures import PLOTLY

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
            return _figure(renderer, data, _raw(_plot(data.content, texts["alt"])))
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
        f"<noscript><p>{escape(alt)}</p></noscript>"
        f'<script type="application/json">{numbers}</script>'
    )


def _raw(html: str) -> Node:
    from docutils import nodes

    return nodes.raw("", html, format="html")
