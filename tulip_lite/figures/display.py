"""Figures as a reader meets them: the picture, its text alternative, and a caption that says what to take from it.

`show` puts one figure of plotly or matplotlib, or an explorable, into a notebook. JupyterLab draws it live; the book draws it
from the same stored output (`book/renderer.py`), so a notebook holds a figure's numbers once. What only a script can draw is
stored with a still picture, for readers whose browser runs none.
"""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from IPython.display import display
from PIL import Image

from tulip_lite.figures.style import TEMPLATE

if TYPE_CHECKING:
    import matplotlib.figure
    import plotly.graph_objects

PLOTLY = "application/vnd.plotly.v1+json"
# the kinds of trace in plotly.js-basic-dist-min, the smallest of its bundles
BUNDLED = ("scatter", "bar", "pie")
WIDGET = "application/vnd.jupyter.widget-view+json"
# few readers see the still picture of a figure that a script draws, all carry it in the notebook
STILL_DPI = 96


@runtime_checkable
class Explorable(Protocol):
    """What `show` asks of an interactive figure: an address, a text alternative that it sets, and a still picture."""

    alt: str

    @property
    def model_id(self) -> str: ...

    def still(self) -> matplotlib.figure.Figure: ...


def show(
    figure: plotly.graph_objects.Figure | matplotlib.figure.Figure | Explorable,
    *,
    alt: str,
    caption: str,
) -> None:
    """Display a plotly or matplotlib figure or an explorable with its text alternative and its caption.

    Plotly draws no TeX: write its labels in Unicode (ℓ₂, λ, ≤). Sliders and buttons of a plotly figure become native
    controls in the book, so that a keyboard and a screen reader reach them.

    Args:
        alt: What a reader who cannot see the figure must know: the axes, the curves and how they run.
        caption: The take-away in a sentence or two; MyST inline text, `$…$` included. It is shown below the figure.

    Raises:
        ValueError: If a text is empty, a plotly label holds `$…$`, or a trace is of a kind that is not in BUNDLED.
        TypeError: For anything but the three kinds of figure.
    """
    for name, text in (("alt", alt), ("caption", caption)):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"show: {name} is empty; say in a sentence what the figure shows ({name}='…')")
    alt, caption = " ".join(alt.split()), caption.strip()
    texts = {"alt": alt, "caption": caption}
    size: dict[str, Any] = {}
    if hasattr(figure, "to_plotly_json"):
        data: dict[str, Any] = {PLOTLY: _plotly_json(figure)}
        texts["still"] = _png(_drawn_by_matplotlib(figure), STILL_DPI)[0]
    elif isinstance(figure, Explorable):
        figure.alt = alt
        data = {WIDGET: {"model_id": figure.model_id, "version_major": 2, "version_minor": 0}}
        texts["still"] = _png(figure.still(), STILL_DPI)[0]
    elif hasattr(figure, "savefig"):
        png, size = _png(figure)
        data = {"image/png": png}
    else:
        raise TypeError(f"show: expected a plotly or matplotlib figure or an explorable, got {type(figure).__name__}")
    display(data | {"text/plain": alt}, raw=True, metadata={"tulip_figure": texts, **size})
    # JupyterLab shows no caption of its own; the book has it inside the figure and skips this output
    display({"text/markdown": caption}, raw=True, metadata={"tulip_caption": True})


def _plotly_json(figure: plotly.graph_objects.Figure) -> dict[str, Any]:
    import plotly.graph_objects as go

    figure = go.Figure(figure)
    if other := sorted({trace.type for trace in figure.data} - set(BUNDLED)):
        raise ValueError(
            f"show: the book's plotly.js draws {', '.join(BUNDLED)}, not {other[0]}: draw it with matplotlib, or bundle more of "
            "plotly.js in package.json"
        )
    # plotly's own template is 7 kB in every figure and paints its paper
    figure.layout.template = TEMPLATE
    for slider in figure.layout.sliders:
        # plotly lays a slider over the title of the x axis; in JupyterLab it is the slider that readers see
        if slider.pad.t is None:
            slider.pad.t = 56
    text = figure.to_json()
    if text.count("$") >= 2 and (label := _tex_label(json.loads(text))):
        raise ValueError(f"show: plotly draws no TeX, but a label reads {label!r}; write it in Unicode")
    return json.loads(text) | {"config": {"displaylogo": False, "responsive": True}}


def _tex_label(value: Any) -> str | None:
    """The first string in a figure with a pair of dollar signs, or None."""
    if isinstance(value, str):
        return value if value.count("$") >= 2 else None
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((label for child in children if (label := _tex_label(child))), None)


def _drawn_by_matplotlib(figure: plotly.graph_objects.Figure) -> matplotlib.figure.Figure:
    """The curves of a plotly figure as a still picture."""
    from matplotlib import pyplot

    still, axis = pyplot.subplots(figsize=(7.5, 4.4))
    for trace in figure.data:
        if trace.type == "scatter" and trace.showlegend is not False:
            color = (trace.line.color if trace.line else None) or (trace.marker.color if trace.marker else None)
            axis.plot(
                trace.x, trace.y, "o-" if "markers" in (trace.mode or "lines") else "-", color=color, label=trace.name
            )
    axis.set(xlabel=figure.layout.xaxis.title.text, ylabel=figure.layout.yaxis.title.text)
    axis.grid(color="#d0d0d0")
    if axis.get_legend_handles_labels()[0]:
        axis.legend()
    still.tight_layout()
    return still


def _png(figure: matplotlib.figure.Figure, dpi: int = 144) -> tuple[str, dict[str, Any]]:
    """A matplotlib figure as base64 PNG, with the size in CSS pixels (96 an inch) it is to be shown at."""
    from matplotlib import pyplot

    width, height = figure.get_size_inches() * 96
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    # 256 colours of the picture's own: a third of the bytes, and a page of pictures has to stay below 400 kB. Saved anew
    # it carries no time or version, so that a re-run stores the same bytes
    small = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    # an open figure would be displayed once more at the end of the cell
    pyplot.close(figure)
    size = {"image/png": {"width": round(width), "height": round(height)}}
    return base64.b64encode(buffer.getvalue()).decode(), size
