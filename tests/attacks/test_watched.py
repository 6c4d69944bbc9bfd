import pytest
import torch
from conftest import LinearModel
from matplotlib import pyplot

from tulip_lite import losses, norms
from tulip_lite.attacks.pgd import pgd
from tulip_lite.attacks.watched import Path, Watched
from tulip_lite.figures import attacks as attack_figures


@pytest.fixture
def linear():
    weight = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    return LinearModel(weight)


def image(model, seed=1):
    x = 0.5 + 0.05 * torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return x, (model(x)[:, 0] < 0).long()


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_path_of_pgd_is_that_of_its_equation(linear, norm):
    """From a clean image on a linear model PGD goes straight: after k steps the distance is k steps and the margin has risen by
    k · step · ‖w‖_dual, until the ball ends the walk."""
    x, y = image(linear)
    slope = norms.get(norm).dual(linear.weight[None]).item()
    watched = Watched(linear, x, y, norm)
    pgd(watched, x, y, norm, 0.04, 6, 0.01, random_start=False)
    path = watched.path()
    # the first and the last image are only judged
    assert path.tracked.tolist() == [False, *[True] * 6, False]
    assert torch.equal(path.steps().distance, path.distance[1:7])
    k = torch.tensor([0.0, 0, 1, 2, 3, 4, 4, 4])  # once clean, to judge it; six steps; the last one judged
    assert torch.allclose(path.distance, 0.01 * k, atol=1e-6)
    assert torch.allclose(path.margin, path.margin[0] + 0.01 * slope * k, atol=1e-5)
    assert torch.allclose(path.loss, path.margin.exp().log1p(), atol=1e-6)


def test_counts_passes_and_gradients(linear):
    x, y = image(linear)
    x, y = x.repeat(5, 1, 1, 1), y.repeat(5)
    watched = Watched(linear)
    pgd(watched, x, y, "l2", 0.1, steps=7)
    assert (watched.passes, watched.gradients) == (5 * 9, 5 * 7)


def test_answers_and_gradients_are_the_models(smooth_net):
    x = torch.rand(3, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0, 1, 2])
    watched = Watched(smooth_net)
    assert torch.equal(watched(x), smooth_net(x))
    ours, theirs = (
        torch.autograd.grad(losses.cross_entropy(m(x), y).sum(), x)[0] for m in (watched, smooth_net)
    )  # fmt: skip
    assert torch.equal(ours, theirs) and watched.gradients == 3


def test_says_what_it_lacks(linear):
    x, y = image(linear)
    with pytest.raises(ValueError, match="one image with its label, got 2 images and 2 labels"):
        Watched(linear, x.repeat(2, 1, 1, 1), y.repeat(2))
    with pytest.raises(ValueError, match="1 images and no labels"):
        Watched(linear, x)
    with pytest.raises(ValueError, match="no path"):
        Watched(linear).path()
    with pytest.raises(ValueError, match="unknown norm"):
        Watched(linear, x, y, "l1")


def test_a_way_is_drawn_as_it_was_taken():
    path = Path(
        torch.tensor([1.0, 2.0, 3.0]), torch.tensor([-1.0, 0.5, 2.0]), torch.tensor([0.1, 0.2, 4.0]), torch.ones(3)
    )
    long = Path(*(torch.arange(70.0) for _ in range(4)))
    figure = attack_figures.ways({"short": path, "long": long}, ("distance", "margin"), log=True)
    first, second = figure.axes
    curve, dots, other = first.lines
    assert list(curve.get_ydata()) == [1, 2, 3] and first.get_yscale() == "log"
    assert (list(dots.get_xdata()), list(dots.get_ydata())) == ([1, 2], [2, 3])  # those that are misclassified
    assert len(other.get_xdata()) == 70
    assert list(second.lines[0].get_ydata()) == [-1, 0.5, 2] and second.get_yscale() == "linear"
    pyplot.close(figure)
    with pytest.raises(ValueError, match="no panel 'height': there are 'loss', 'distance', 'margin'"):
        attack_figures.ways({"short": path}, ("height",))
