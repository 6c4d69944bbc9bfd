import math

import pytest
import torch
from conftest import LinearModel
from hypothesis import given, settings
from hypothesis import strategies as st
from small_losses import PIXELS, SHAPE, bowl, images
from torch import nn

from tulip_lite import losses, norms
from tulip_lite.bounds.constants.lipschitz import ascended, on_the_way, random_norms, sampled
from tulip_lite.gradients import gradient_norm


def steepest_in_bowl(x, norm, radius, steepness=2.0, centre=0.3):
    here = norms.get(norm).dual(x - centre)
    return steepness * (here + radius * (1 if norm == "l2" else PIXELS))


@pytest.mark.parametrize("norm", norms.NORMS)
def test_a_linear_loss_is_as_steep_everywhere(norm):
    weight = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    linear = losses.of(LinearModel(weight), lambda logits, y: logits[:, 0])
    x, y = images()
    true = norms.get(norm).dual(weight[None]).expand(3)
    torch.testing.assert_close(gradient_norm(linear, x, y, norm), true)
    torch.testing.assert_close(sampled(linear, x, y, norm, 0.1, 5), true)
    torch.testing.assert_close(ascended(linear, x, y, norm, 0.1, 5), true)


@settings(max_examples=30)
@given(st.sampled_from(list(norms.NORMS)), st.floats(1e-3, 0.3), st.integers(0, 2**31))
def test_ascent_finds_the_known_maximum_and_samples_lie_below_it(norm, radius, seed):
    x, y = images()
    true = steepest_in_bowl(x, norm, radius)
    found = ascended(bowl, x, y, norm, radius, steps=5, seed=seed)
    by_chance = sampled(bowl, x, y, norm, radius, samples=5, seed=seed)
    assert (found <= true * (1 + 1e-12)).all() and (found >= 0.99 * true).all()
    assert (by_chance <= true).all() and (by_chance >= gradient_norm(bowl, x, y, norm)).all()
    assert (random_norms(bowl, x, y, norm, radius, 5, seed).amax(1) <= by_chance).all()


def test_ascent_leaves_an_image_where_the_derivative_vanishes():
    x, y = images(2)
    around_itself = lambda z, y: bowl(z, y, centre=x)  # noqa: E731  its gradient at x is zero
    torch.testing.assert_close(ascended(around_itself, x, y, "l2", 0.2), torch.full((2,), 0.4, dtype=x.dtype))


def test_no_point_leaves_the_ball_or_the_box():
    x, y = images(4, low=-0.3, high=1.3)
    x = x.clamp(0, 1)
    radius = torch.tensor([0.05, 0.2, 0.5, 1.0], dtype=x.dtype)
    for norm, geometry in norms.NORMS.items():
        seen = []

        def watched(z, y, seen=seen):
            seen.append(z.detach().clone())
            return bowl(z, y)

        sampled(watched, x, y, norm, radius, samples=3)
        ascended(watched, x, y, norm, radius, steps=3, starts=[1 - x])
        for z in torch.cat(seen).split(4):
            assert 0 <= z.min() and z.max() <= 1
            assert (geometry.size(z - x) <= radius * (1 + 1e-12)).all()
    corner = torch.zeros(1, *SHAPE, dtype=x.dtype)
    steepest = ascended(lambda z, y: bowl(z, y, 1.0, 1.0), corner, torch.tensor([0]), "l2", 0.5)
    assert steepest.item() == pytest.approx(math.sqrt(PIXELS)), "outside [0, 1] it would be steeper"


def test_starts_show_what_ascent_from_the_image_cannot_see():
    x, y = images()
    width = 0.01
    top = x + 0.1
    ridge = top.clone()
    ridge[:, 0, 0, 0] += width  # where a Gaussian bump is steepest: exp(−½)/width
    bump = lambda z, y: torch.exp(-(z - top).flatten(1).square().sum(1) / (2 * width**2)) + 0.1 * z.flatten(1).sum(1)  # noqa: E731
    assert (ascended(bump, x, y, "l2", 0.5, steps=3) < 1).all()
    assert (ascended(bump, x, y, "l2", 0.5, steps=3, starts=[x, ridge]) > math.exp(-0.5) / width - 1).all()
    assert (ascended(bump, x, y, "l2", 0.1, steps=3, starts=[ridge]) < 1).all(), "out of the ball"


@settings(max_examples=20)
@given(st.sampled_from(list(norms.NORMS)), st.integers(0, 2**31))
def test_the_mean_value_theorem_on_the_way(norm, seed):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    slope = losses.of(net, losses.cross_entropy)
    (x, y), x_adv = images(), torch.rand(3, *SHAPE, dtype=torch.float64)
    way = on_the_way(x, x_adv, 100)
    steepest = torch.stack([gradient_norm(slope, z, y, norm) for z in way]).amax(0)
    gap = (slope(x_adv, y) - slope(x, y)).detach()
    assert (steepest >= gap / norms.get(norm).size(x_adv - x) - 0.02 * steepest).all()


def test_points_on_the_way_are_evenly_spaced_and_end_at_the_adversarial_image():
    (x, _), way = images(), on_the_way(images()[0], images()[0] + 0.4, 4)
    torch.testing.assert_close(torch.stack(way), torch.stack([x + 0.1, x + 0.2, x + 0.3, x + 0.4]))


def test_losses_with_kinks_have_slopes():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 50), nn.ReLU(), nn.Linear(50, 3)).double().requires_grad_(False)
    net[1].bias.copy_(-net[1].weight.sum(1) / 2)  # kinks pass close to the images
    kinked = losses.of(net, losses.logit_margin)
    x, y = images()
    # the gradient is constant between kinks, so the steps are random ones
    assert (ascended(kinked, x, y, "l2", 0.5) > gradient_norm(kinked, x, y)).all()


def test_an_unknown_norm_gets_the_choices():
    x, y = images()
    for search in (sampled, ascended):
        with pytest.raises(ValueError, match="unknown norm 'l1'"):
            search(bowl, x, y, "l1", 0.1)
    with pytest.raises(ValueError, match="unknown norm 'l1'"):
        gradient_norm(bowl, x, y, "l1")


def test_losses_that_are_not_finite_or_say_nothing():
    x, y = images()
    with pytest.raises(ValueError, match="not finite: check the model"):
        sampled(lambda z, y: bowl(z, y) * math.nan, x, y, "l2", 0.1)
    with pytest.raises(ValueError, match="not finite: check the model"):
        gradient_norm(
            lambda z, y: (z - z.detach()).flatten(1).sum(1).sqrt(), x, y
        )  # an infinite slope of a finite loss
    with pytest.raises(ValueError, match="not finite: check the model"):
        ascended(bowl, x, y, "l2", 0.1, starts=[x * math.nan])
    with pytest.raises(ValueError, match="one value an image"):
        gradient_norm(lambda z, y: bowl(z, y).sum(), x, y)
    with pytest.raises(ValueError, match="does not depend on the image"):
        gradient_norm(lambda z, y: bowl(z.detach(), y), x, y)
