"""What all searches around an image share: balls, batches, and what they refuse."""

import math

import pytest
import torch
from small_losses import images

from tulip_lite import gradients, losses
from tulip_lite.bounds.constants.curvature import ascended_curvature, sampled_curvature
from tulip_lite.bounds.constants.lipschitz import ascended, on_the_way, random_norms, sampled


@pytest.fixture
def loss(smooth_net):
    return losses.of(smooth_net.requires_grad_(False), losses.cross_entropy)


SEARCHES = {
    "random": lambda loss, x, y, r, starts: random_norms(loss, x, y, "l2", r, 7),
    "sampled": lambda loss, x, y, r, starts: sampled(loss, x, y, "linf", r, 7),
    "ascended": lambda loss, x, y, r, starts: ascended(loss, x, y, "l2", r, 3, starts),
    "ascended linf": lambda loss, x, y, r, starts: ascended(loss, x, y, "linf", r, 3, starts),
    "curvature": lambda loss, x, y, r, starts: sampled_curvature(loss, x, y, r, 3, starts),
    "ascended curvature": lambda loss, x, y, r, starts: ascended_curvature(loss, x, y, r, 3, starts),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_an_image_has_its_own_radius_and_its_neighbours_do_not_matter(name, loss, monkeypatch):
    search = SEARCHES[name]
    x, y = images(5)
    radius, starts = torch.linspace(0.05, 0.3, 5, dtype=x.dtype), [x.flip(0), x + 0.1]
    together = search(loss, x, y, radius, starts)
    for i in range(5):
        alone = search(loss, x[i : i + 1], y[i : i + 1], radius[i].item(), [z[i : i + 1] for z in starts])
        torch.testing.assert_close(alone, together[i : i + 1], rtol=1e-9, atol=0)
    monkeypatch.setattr(gradients, "TOGETHER", 2)
    torch.testing.assert_close(search(loss, x, y, radius, starts), together, rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", SEARCHES)
def test_few_images_are_differentiated_at_once(name, loss):
    sizes = []

    def counted(z, y):
        sizes.append(len(z))
        return loss(z, y)

    SEARCHES[name](counted, *images(150), 0.1, [])
    assert max(sizes) <= 64


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("radius", [0.0, -1.0, math.nan, math.inf, torch.tensor([0.1, math.nan, 0.1]), torch.ones(2)])
def test_a_radius_that_cannot_be(name, radius, loss):
    with pytest.raises(ValueError, match="radius must be"):
        SEARCHES[name](loss, *images(), radius, [])


def test_bad_counts_starts_and_labels_get_one_clear_line(loss):
    x, y = images()
    for count in (0, -1, 2.5, math.nan):
        with pytest.raises(ValueError, match="samples must be a whole number ≥ 1"):
            sampled(loss, x, y, "l2", 0.1, count)
        with pytest.raises(ValueError, match="samples must be a whole number ≥ 1"):
            sampled_curvature(loss, x, y, 0.1, count)
        with pytest.raises(ValueError, match="steps must be a whole number ≥ 1"):
            ascended(loss, x, y, "l2", 0.1, count)
        with pytest.raises(ValueError, match="steps must be a whole number ≥ 1"):
            ascended_curvature(loss, x, y, 0.1, count)
        with pytest.raises(ValueError, match="points must be a whole number ≥ 1"):
            on_the_way(x, x, count)
    with pytest.raises(ValueError, match=r"starts and x must have the same shape.*\(2, 3, 2, 2\)"):
        ascended(loss, x, y, "l2", 0.1, starts=[x[:2]])
    with pytest.raises(ValueError, match="labels must have shape"):
        sampled(loss, x, y[:2], "l2", 0.1)
    with pytest.raises(ValueError, match="images must lie in"):
        sampled(loss, 255 * x, y, "l2", 0.1)
