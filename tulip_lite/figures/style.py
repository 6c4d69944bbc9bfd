"""What all figures look like: colours that every reader tells apart, and plotly's layout."""

from __future__ import annotations

from typing import Any

# four colours and a grey with at least 3:1 contrast to white and to the book's dark page, told apart without
# seeing red and green as different (after Okabe and Ito)
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7F7F7F")
TEMPLATE: dict[str, Any] = {
    "layout": {
        "colorway": list(COLORS),
        "font": {"size": 14},
        "margin": {"l": 64, "r": 16, "t": 48, "b": 56},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hovermode": "closest",
        "xaxis": {"automargin": True, "gridcolor": "#d0d0d0", "zeroline": False},
        "yaxis": {"automargin": True, "gridcolor": "#d0d0d0", "zeroline": False},
    }
}
