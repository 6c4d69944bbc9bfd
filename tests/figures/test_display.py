import base64
import json

import plotly.graph_objects as go
import pytest
import torch
from matplotlib import pyplot

from tulip_lite import figures, measure, recipes, results, tables
from tulip_lite.figures import attacks


@pytest.fixture
def shown(monkeypatch):
    """What `figures.show` displays: a list of (data, metadata)."""
    outputs = []
    monkeypatch.setattr(figures, "display", lambda data, raw, metadata: outputs.append((data, metadata)))
    return outputs


def test_a_plotly_figure_is_stored_with_its_texts_and_numbers(shown):
    figures.show(go.Figure(go.Scatter(x=[1, 2], y=[3, 4])), alt="A rising\n  line.", caption="It rises by $1$.")
    (data, metadata), (caption, _) = shown
    still = metadata["tulip_figure"].pop("still")
    assert base64.b64decode(still).startswith(b"\x89PNG")
    assert metadata["tulip_figure"] == {"alt": "A rising line.", "caption": "It rises by $1$."}
    assert list(data[figures.PLOTLY]["data"][0]["y"]) == [3, 4] and data["text/plain"] == "A rising line."
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
    figure = attacks.error_against_radius({"plain": [0.1, 0.5], "robust": [0.2, 0.25]}, [0, 1], "l2")
    still = figures._drawn_by_matplotlib(figure)
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


ERRORS = {"plain": [0.1, 0.5, 0.9], "robust": [0.2, 0.25, 0.4]}


@pytest.mark.parametrize(("norm", "radii", "labels"), [
    ("l2", [0, 0.25, 1.0], ["0", "0.25", "1"]),
    ("linf", [0, 2 / 255, 8 / 255], ["0/255", "2/255", "8/255"]),
])  # fmt: skip
def test_the_slider_reads_each_curve_where_it_stands(norm, radii, labels):
    figure = attacks.error_against_radius(ERRORS, radii, norm)
    curves, rings = figure.data[:2], figure.data[2:]
    assert [list(curve.y) for curve in curves] == [[10, 50, 90], [20, 25, 40]]
    steps = figure.layout.sliders[0].steps
    assert [step.label for step in steps] == labels
    for i, step in enumerate(steps):
        moved, layout, which = step.args
        assert [figure.data[k] for k in which] == list(rings)
        for curve, x, y in zip(curves, moved["x"], moved["y"], strict=True):
            assert x == [curve.x[i]] and y == [curve.y[i]]
        assert f"plain {curves[0].y[i]:.0f} %" in layout["title.text"]
    json.dumps(figure.to_plotly_json(), default=list)


def test_a_curve_of_the_wrong_length_is_named():
    with pytest.raises(ValueError, match="robust has 2 errors for 3 radii"):
        attacks.error_against_radius({"robust": [0.1, 0.2]}, [0, 1, 2], "l2")


def test_a_curve_is_the_share_of_images_within_a_distance():
    near, far = torch.tensor([0.0, 1.0, 2.0, torch.inf]), torch.tensor([0.0, 3.0, torch.inf, 1.5])
    figure = attacks.error_against_distance({"near": near, "far": far}, "l2")
    (axis,) = figure.axes
    best, *curves = axis.lines
    assert [line.get_label() for line in axis.lines] == ["nearest of all", "near", "far"]
    assert best.get_linewidth() > 2 * curves[0].get_linewidth()
    assert {line.get_drawstyle() for line in axis.lines} == {"steps-post"}
    # from distance 0, where one image is wrong, to the right end; ∞ is in no step
    right = axis.get_xlim()[1]
    assert right > 3 and axis.get_xlim()[0] == 0
    corners = [(list(line.get_xdata()), list(line.get_ydata())) for line in axis.lines]
    assert corners[0] == ([0, 1, 1.5, 2, right], [25, 50, 75, 100, 100])
    assert corners[1] == ([0, 1, 2, right], [25, 50, 75, 75])
    assert corners[2] == ([0, 1.5, 3, right], [25, 50, 75, 75])
    pyplot.close(figure)


def test_distances_are_shown_in_the_units_of_the_norm_and_on_a_logarithmic_axis():
    figure = attacks.error_against_distance({"pgd": torch.tensor([0.0, 2 / 255, 4 / 255])}, "linf", log=True)
    (axis,) = figure.axes
    (curve,) = axis.lines  # one attack alone is the nearest of all
    left, right = axis.get_xlim()
    assert axis.get_xscale() == "log" and 0 < left < 2 and "1/255" in axis.get_xlabel()
    assert list(curve.get_xdata()) == pytest.approx([left, 2, 4, right])
    assert list(curve.get_ydata()) == pytest.approx([100 / 3, 200 / 3, 100, 100])
    pyplot.close(figure)


def test_attacks_in_one_figure_look_different_and_none_is_a_lie():
    values = torch.tensor([1.0])
    figure = attacks.error_against_distance({str(i): values for i in range(15)}, "l2")
    assert len({(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}) == 16
    pyplot.close(figure)
    pyplot.close(attacks.error_against_distance({"none": torch.tensor([torch.inf])}, "l2"))
    for distances, complaint in (
        ({}, "between 1 and 15"),
        ({str(i): values for i in range(16)}, "got 16"),
        ({"a": values, "b": torch.ones(2)}, "same images"),
        ({"a": torch.tensor([torch.nan])}, "distances of a must be ≥ 0"),
    ):
        with pytest.raises(ValueError, match=complaint):
            attacks.error_against_distance(distances, "l2")


def test_a_row_of_pictures_says_what_each_network_answers(sample):
    models = {"a": recipes.get("undefended").model().eval(), "b": recipes.get("undefended-smooth").model().eval()}
    x, y = sample.test.subset(3).tensors()
    shown = measure.attacked(models, x, y, "linf", 8 / 255, steps=2)
    figure = attacks.perturbations(x, y, shown, sample.classes)
    titles = [axis.get_title() for axis in figure.axes]
    assert len(titles) == 3 * 5 and titles[0] == f"clean: {sample.classes[y[0]]}"
    assert titles[2] == f"a:\n{sample.classes[shown['a'][1][0]]}"
    # the largest change fills the range, so ×(0.5 / (8/255)) = ×16
    assert titles[1] == "change × 16"
    pyplot.close(figure)


def test_the_table_holds_the_numbers_of_the_cards():
    shipped = {name: results.load(name) for name in recipes.SHIPPED}
    rows = tables.networks(shipped, "linf", 8 / 255).splitlines()
    for row, (name, result) in zip(rows[2:], shipped.items(), strict=False):
        assert f"`{name}`" in row and f"{result.card['clean_error']:.1%}" in row
        assert f"{result.card['pgd']['error']['linf'][-1]:.1%}" in row
    assert shipped["undefended"].card["data"] in rows[-1]
    with pytest.raises(ValueError):
        tables.networks(shipped, "l2", 0.123)


def test_recognised_by_all_gives_only_images_that_every_model_gets_right(sample):
    models = {str(k): recipes.get("undefended").model() for k in range(2)}
    x, y = measure.recognised_by_all(models, sample.test, 5)
    for model in models.values():
        assert torch.equal(measure.predict(model, x), y)
