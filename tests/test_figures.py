import base64
import json

import plotly.graph_objects as go
import pytest
import torch
from matplotlib import pyplot

from tulip_lite import attack_figures, figures, measure, recipes, results, tables


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
    figure = attack_figures.error_against_radius({"plain": [0.1, 0.5], "robust": [0.2, 0.25]}, [0, 1], "l2")
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
    figure = attack_figures.error_against_radius(ERRORS, radii, norm)
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
        attack_figures.error_against_radius({"robust": [0.1, 0.2]}, [0, 1, 2], "l2")


def test_a_row_of_pictures_says_what_each_network_answers(sample):
    models = {"a": recipes.get("undefended").model().eval(), "b": recipes.get("undefended-smooth").model().eval()}
    x, y = sample.test.subset(3).tensors()
    shown = measure.attacked(models, x, y, "linf", 8 / 255, steps=2)
    figure = attack_figures.perturbations(x, y, shown, sample.classes)
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
