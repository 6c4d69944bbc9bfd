import pytest
import torch
from matplotlib import pyplot

from tulip_lite.figures import bounds as bound_figures


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def test_images_are_sorted_and_refuted_bounds_ringed():
    distance = torch.tensor([3.0, 1.0, 2.0])
    bound = torch.tensor([0.3, 1.5, 0.2])
    (axis,) = bound_figures.against_attacks({"B": bound}, distance).axes
    attack, marks, rings = axis.lines
    assert list(attack.get_ydata()) == [1, 2, 3]
    torch.testing.assert_close(torch.as_tensor(marks.get_ydata()), torch.tensor([1.5, 0.2, 0.3]))
    assert list(rings.get_xdata()) == [1] and list(rings.get_ydata()) == [1.5]
    with pytest.raises(ValueError, match="B has 2 bounds for 3 distances"):
        bound_figures.against_attacks({"B": bound[:2]}, distance)


def test_many_images_are_dots():
    distance = torch.linspace(1, 2, 60)
    attack, marks, _ = bound_figures.against_attacks({"B": distance / 2}, distance).axes[0].lines
    assert attack.get_marker() == "None" and marks.get_marker() == "." and len(marks.get_xdata()) == 60


def test_curves_over_the_temperature_are_those_given():
    (axis,) = bound_figures.against_temperature([1, 10], {"gap": [1.0, 0.1], "gradient": [2.0, 0.2]}).axes
    assert [list(line.get_ydata()) for line in axis.lines] == [[1.0, 0.1], [2.0, 0.2]]
    assert axis.get_xscale() == axis.get_yscale() == "log"


def test_an_activation_stands_beside_the_relu():
    u = torch.linspace(-1, 1, 5)
    first, second = bound_figures.activation(u, {"σ": u**2, "σ′": 2 * u}).axes
    assert list(first.lines[0].get_ydata()) == list(u.relu()) and list(second.lines[0].get_ydata()) == list(2 * u)


def test_every_curve_is_drawn_in_a_look_of_its_own_or_refused():
    values = {name: torch.tensor([1.0, 2.0]) for name in "abcde"}
    four = {name: values[name] for name in "abcd"}
    for figure, ours in (
        (bound_figures.against_attacks(four, values["a"]), slice(1, None, 2)),
        (bound_figures.against_temperature([1, 10], four), slice(None)),
    ):
        lines = figure.axes[0].lines[ours]
        assert [line.get_label() for line in lines] == list("abcd")
        assert len({line.get_color() for line in lines}) == len({line.get_marker() for line in lines}) == 4
    attack, *bounds = bound_figures.against_attacks(four, values["a"]).axes[0].lines
    assert attack.get_color() not in {line.get_color() for line in bounds}
    for draw in (
        lambda: bound_figures.against_attacks(values, values["a"]),
        lambda: bound_figures.against_temperature([1, 10], values),
    ):
        with pytest.raises(ValueError, match="5 curves, but colours and marks for only 4"):
            draw()


def test_an_activation_may_come_alone():
    u = torch.linspace(-1, 1, 5)
    (axis,) = bound_figures.activation(u, {"σ": u**2}).axes
    assert list(axis.lines[1].get_ydata()) == list(u**2)


def test_constants_over_the_radius_and_levels_are_those_given():
    (axis,) = bound_figures.against_radius([0.1, 1], {"proved": torch.tensor([5.0, 50.0])}, {"test": 2.0}).axes
    curve, level = axis.lines
    assert list(curve.get_ydata()) == [5, 50] and list(level.get_ydata()) == [2, 2] and level.get_linestyle() == "--"
    assert axis.get_xscale() == axis.get_yscale() == "log"


def test_accuracies_are_steps_in_percent_and_what_attacks_measured_is_dashed():
    curves = {"certified": [0.8, 0.5, 0.1], "attacked": [0.9, 0.7, 0.3]}
    (axis,) = bound_figures.accuracy([0, 0.5, 1], curves, ["attacked"]).axes
    certified, attacked = axis.lines
    assert list(certified.get_ydata()) == [80, 50, 10] and certified.get_linestyle() == "-"
    assert attacked.get_linestyle() == "--" and axis.get_xlim() == (0, 1)
