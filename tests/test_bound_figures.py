import pytest
import torch
from matplotlib import pyplot

from tulip_lite import bound_figures


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


def test_curves_over_the_temperature_are_those_given():
    (axis,) = bound_figures.against_temperature([1, 10], {"gap": [1.0, 0.1], "gradient": [2.0, 0.2]}).axes
    assert [list(line.get_ydata()) for line in axis.lines] == [[1.0, 0.1], [2.0, 0.2]]
    assert axis.get_xscale() == axis.get_yscale() == "log"


def test_an_activation_stands_beside_the_relu():
    u = torch.linspace(-1, 1, 5)
    first, second = bound_figures.activation(u, {"σ": u**2, "σ′": 2 * u}).axes
    assert list(first.lines[0].get_ydata()) == list(u.relu()) and list(second.lines[0].get_ydata()) == list(2 * u)
