import json

import pytest
import torch
from matplotlib import pyplot

from tulip_lite import measure, recipes
from tulip_lite.figures import attacks as attack_figures

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


def test_a_curve_is_the_share_of_images_within_a_distance():
    near, far = torch.tensor([0.0, 1.0, 2.0, torch.inf]), torch.tensor([0.0, 3.0, torch.inf, 1.5])
    figure = attack_figures.error_against_distance({"near": near, "far": far}, "l2")
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
    figure = attack_figures.error_against_distance({"pgd": torch.tensor([0.0, 2 / 255, 4 / 255])}, "linf", log=True)
    (axis,) = figure.axes
    (curve,) = axis.lines  # one attack alone is the nearest of all
    left, right = axis.get_xlim()
    assert axis.get_xscale() == "log" and 0 < left < 2 and "1/255" in axis.get_xlabel()
    assert list(curve.get_xdata()) == pytest.approx([left, 2, 4, right])
    assert list(curve.get_ydata()) == pytest.approx([100 / 3, 200 / 3, 100, 100])
    pyplot.close(figure)


def test_attacks_in_one_figure_look_different_and_none_is_a_lie():
    values = torch.tensor([1.0])
    figure = attack_figures.error_against_distance({str(i): values for i in range(15)}, "l2")
    assert len({(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}) == 16
    pyplot.close(figure)
    pyplot.close(attack_figures.error_against_distance({"none": torch.tensor([torch.inf])}, "l2"))
    for distances, complaint in (
        ({}, "between 1 and 15"),
        ({str(i): values for i in range(16)}, "got 16"),
        ({"a": values, "b": torch.ones(2)}, "same images"),
        ({"a": torch.tensor([torch.nan])}, "distances of a must be ≥ 0"),
    ):
        with pytest.raises(ValueError, match=complaint):
            attack_figures.error_against_distance(distances, "l2")


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
