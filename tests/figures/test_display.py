import base64

import plotly.graph_objects as go
import pytest
from matplotlib import pyplot

from tulip_lite import figures
from tulip_lite.figures import attacks as attack_figures
from tulip_lite.figures import display


@pytest.fixture
def shown(monkeypatch):
    """What `figures.show` displays: a list of (data, metadata)."""
    outputs = []
    monkeypatch.setattr(display, "display", lambda data, raw, metadata: outputs.append((data, metadata)))
    return outputs


def test_a_plotly_figure_is_stored_with_its_texts_and_numbers(shown):
    figures.show(go.Figure(go.Scatter(x=[1, 2], y=[3, 4])), alt="A rising\n  line.", caption="It rises by $1$.")
    (data, metadata), (caption, _) = shown
    still = metadata["tulip_figure"].pop("still")
    assert base64.b64decode(still).startswith(b"\x89PNG")
    assert metadata["tulip_figure"] == {"alt": "A rising line.", "caption": "It rises by $1$."}
    assert list(data[display.PLOTLY]["data"][0]["y"]) == [3, 4] and data["text/plain"] == "A rising line."
    assert caption == {"text/markdown": "It rises by $1$."}


def test_a_picture_is_stored_as_png_and_the_same_twice(shown):
    for _ in range(2):
        figure, axis = pyplot.subplots(figsize=(2, 1))
        axis.plot([0, 1])
        figures.show(figure, alt="A line.", caption="Up.")
    assert shown[0][0]["image/png"] == shown[2][0]["image/png"]
    assert base64.b64decode(shown[0][0]["image/png"]).startswith(b"\x89PNG")
    assert shown[0][1]["image/png"] == {"width": 192, "height": 96}


def test_the_still_picture_of_a_plotly_figure_has_its_curves():
    figure = attack_figures.error_against_radius({"plain": [0.1, 0.5], "robust": [0.2, 0.25]}, [0, 1], "l2")
    still = display._drawn_by_matplotlib(figure)
    (axis,) = still.axes
    assert {line.get_label(): list(line.get_ydata()) for line in axis.lines} == {"plain": [10, 50], "robust": [20, 25]}
    assert axis.get_ylabel() == "misclassified, %"
    pyplot.close(still)


@pytest.mark.parametrize(("texts", "complaint"), [
    ({"alt": " ", "caption": "c"}, "alt is empty"),
    ({"alt": "a", "caption": ""}, "caption is empty"),
])  # fmt: skip
def test_a_figure_without_words_is_refused(texts, complaint):
    with pytest.raises(ValueError, match=complaint):
        figures.show(go.Figure(), **texts)


def test_a_plotly_trace_that_the_book_could_not_draw_is_refused():
    with pytest.raises(ValueError, match="plotly.js draws scatter, bar, pie, not heatmap: draw it with matplotlib"):
        figures.show(go.Figure(go.Heatmap(z=[[1]])), alt="a", caption="c")


def test_raw_tex_in_a_plotly_label_is_refused():
    with pytest.raises(ValueError, match="draws no TeX.*Unicode"):
        figures.show(go.Figure(layout={"title": r"$\ell_2$"}), alt="a", caption="c")
    with pytest.raises(TypeError, match="expected a plotly or matplotlib figure or an explorable, got str"):
        figures.show("figure", alt="a", caption="c")
