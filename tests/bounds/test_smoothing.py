"""Randomised smoothing against linear networks, whose smoothed classifier is known, and networks that vote as they are told."""

import math
import statistics
import sys

import numpy as np
import pytest
import scipy.stats
import torch
from conftest import LinearModel
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tulip_lite.bounds.smoothing import ABSTAIN, certify, predict, smoothed_attack
from tulip_lite.intervals import clopper_pearson

SIGMA = 0.5
NORMAL = statistics.NormalDist()


def half_space(images, far=0.4, pixels=4):
    """A linear network, images on both sides of its boundary, their classes, and their distances from it, from 0 to `far`."""
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(pixels, generator=generator, dtype=torch.float64)
    unit = weight / weight.norm()
    # around the middle of the box, so that an attack of 0.2 does not end at its walls
    x = 0.5 + 0.1 * torch.rand(images, pixels, generator=generator, dtype=torch.float64)
    along = torch.linspace(-far, far, images, dtype=torch.float64)
    x = x + (along - (x - 0.5) @ unit)[:, None] * unit
    model = LinearModel(weight)
    with torch.no_grad():
        model.bias -= 0.5 * weight.sum()
    return model, x, (along < 0).long(), along.abs()


class Told(nn.Module):
    """Gives the noisy copies that it sees the classes it was told, in their order."""

    def __init__(self, answers, classes):
        super().__init__()
        self.answers, self.classes = list(answers), classes

    def forward(self, x):
        now, self.answers = self.answers[: len(x)], self.answers[len(x) :]
        return nn.functional.one_hot(torch.tensor(now), self.classes).to(x.dtype)


class Damaged(nn.Module):
    def forward(self, x):
        return torch.full((len(x), 2), torch.nan)


def one(pixels=4):
    return torch.full((1, pixels), 0.5)


def test_radii_exceed_the_distance_of_a_half_space_as_rarely_as_promised():
    model, x, y, distance = half_space(2000)
    sigma, n0, n, alpha = 0.2, 21, 300, 0.01
    found = certify(model, x, sigma, n0=n0, n=n, alpha=alpha)
    certified = found.predicted != ABSTAIN
    failed = certified & ((found.predicted != y) | (found.radius > distance))
    assert failed.sum() <= scipy.stats.binom.ppf(1 - 1e-6, 2000, alpha)
    assert failed.any()  # a bound that never failed would be looser than was asked for

    # and they are as large as such a bound allows: their mean is the one that the binomial distribution gives
    p = scipy.stats.norm.cdf(distance.numpy() / sigma)[:, None]
    k = np.arange(n + 1)
    radii = sigma * scipy.stats.norm.ppf(np.maximum(clopper_pearson(torch.arange(n + 1), n, alpha).numpy(), 0.5))
    picked = scipy.stats.binom.sf(n0 // 2, n0, p[:, 0])
    chances = picked[:, None] * scipy.stats.binom.pmf(k, n, p)
    chances += (1 - picked)[:, None] * scipy.stats.binom.pmf(n - k, n, p)
    mean = chances @ radii
    error = np.sqrt((chances @ radii**2 - mean**2).sum())
    assert abs(found.radius.sum().item() - mean.sum()) < 4 * error
    assert error < 0.01 * mean.sum()


def test_counts_are_binomial_of_the_exact_probability():
    model, x, _, distance = half_space(2000)
    far = distance > 0.15  # where 101 copies do not pick the wrong class
    n = 1000
    count = certify(model, x[far], 0.2, n0=101, n=n).count
    p = torch.special.ndtr(distance[far] / 0.2)
    z = (count - n * p) / (n * p * (1 - p)).sqrt()
    assert abs(z.mean()) < 4 / math.sqrt(len(z))
    assert z.std().item() == pytest.approx(1, abs=0.1)


def test_where_all_copies_agree_the_radius_grows_with_their_number_as_known():
    for n in (1, 10, 150, 1000):
        found = certify(Told([1] * (20 + n), 3), one(), SIGMA, n0=20, n=n)
        lower = 0.001 ** (1 / n)
        assert found.lower.item() == pytest.approx(lower, rel=1e-12) and found.count.item() == n
        if lower > 0.5:
            assert found.predicted.item() == 1
            assert found.radius.item() == pytest.approx(SIGMA * NORMAL.inv_cdf(lower), rel=1e-12)
        else:
            assert found.predicted.item() == ABSTAIN and found.radius.item() == 0


def test_the_copies_that_pick_the_class_do_not_bound_its_probability():
    """n0 copies say 0, n others mostly 1: class 0 stays picked, so its few votes count, and nothing is certified."""
    found = certify(Told([0] * 7 + [1] * 250 + [0] * 50, 2), one(), SIGMA, n0=7, n=300, batch_size=64)
    assert found.count.item() == 50 and found.predicted.item() == ABSTAIN and found.radius.item() == 0


@given(st.lists(st.integers(0, 40), min_size=3, max_size=3).filter(any), st.sampled_from([0.001, 0.05, 0.5]))
def test_prediction_is_the_binomial_test_of_the_two_leading_classes(votes, alpha):
    answers = [c for c, count in enumerate(votes) for _ in range(count)]
    first, second = sorted(votes, reverse=True)[:2]
    sure = scipy.stats.binomtest(first, first + second).pvalue <= alpha
    found = predict(Told(answers, 3), one(), SIGMA, n=len(answers), alpha=alpha)
    assert found.item() == (votes.index(first) if sure else ABSTAIN)


def test_prediction_is_right_and_wrong_as_often_as_it_must_be():
    model, x, y, distance = half_space(2000, far=0.05)
    alpha, n = 0.05, 100
    found = predict(model, x, SIGMA, n=n, alpha=alpha)
    sure = [scipy.stats.binomtest(k, n).pvalue <= alpha for k in range(n + 1)]
    chances = scipy.stats.binom.pmf(np.arange(n + 1), n, scipy.stats.norm.cdf(distance / SIGMA)[:, None]) * sure
    for hits, expected in ((found == y, chances[:, n // 2 :]), (found == 1 - y, chances[:, : n // 2])):
        p = expected.sum(1)
        assert abs(hits.sum().item() - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum())
        assert p.sum() > 10
    assert (found == 1 - y).sum() < alpha * len(x)


def test_on_the_boundary_both_abstain():
    model, x, _, _ = half_space(1)
    with torch.no_grad():
        x = x - model(x)[:, :1] * model.weight / model.weight.norm() ** 2
    found = certify(model, x, SIGMA)
    assert found.predicted.item() == ABSTAIN and found.radius.item() == 0 and found.lower.item() < 0.5
    assert abs(found.count.item() - 500) < 80
    assert predict(model, x, SIGMA).item() == ABSTAIN


def test_an_image_gets_the_same_whatever_it_stands_with(smooth_net):
    x = torch.rand(6, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = torch.zeros(6, dtype=torch.long)
    how = {"n0": 30, "n": 250}
    together = certify(smooth_net, x, SIGMA, **how)
    for size in (1, 7, 1000):
        again = certify(smooth_net, x, SIGMA, **how, batch_size=size)
        assert all(map(torch.equal, again, together))
    alone = certify(smooth_net, x[4:5], SIGMA, **how, index=[4])
    assert all(torch.equal(a, b[4:5]) for a, b in zip(alone, together, strict=True))
    assert torch.equal(predict(smooth_net, x, SIGMA)[3:], predict(smooth_net, x[3:], SIGMA, index=torch.arange(3, 6)))
    attacked = smoothed_attack(smooth_net, x, y, SIGMA, torch.linspace(0, 0.5, 6), 3, 4)
    torch.testing.assert_close(attacked[2:3], smoothed_attack(smooth_net, x[2:3], y[:1], SIGMA, 0.2, 3, 4, index=[2]))


def test_images_and_seeds_have_noise_of_their_own():
    model, x, _, _ = half_space(1, far=0.05)
    x = x.expand(50, -1)
    counts = [certify(model, x, SIGMA, n0=1, n=1000, seed=seed).count for seed in (0, 1)]
    minority = [torch.minimum(c, 1000 - c) for c in counts]
    assert len(minority[0].unique()) > 10 and not torch.equal(*minority)


def test_the_network_and_the_global_generator_stay_as_they_were():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(4 * 36, 3))
    model[1].eval()
    x, y = torch.rand(3, 3, 8, 8), torch.tensor([0, 1, 2])
    state = torch.get_rng_state()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = certify(model, x, SIGMA, n=20)
    predict(model, x, SIGMA)
    x_adv = smoothed_attack(model, x, y, SIGMA, 0.1, 2, 4)
    assert [module.training for module in model] == [True, False, True, True, True] and model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(t.is_inference() or t.requires_grad for t in (*found, x_adv))


def test_the_attack_crosses_the_boundary_of_a_half_space_just_where_it_is():
    model, x, y, distance = half_space(40)
    moved = smoothed_attack(model, x, y, SIGMA, 0.2)
    direction = model.weight.detach() / model.weight.norm()
    # images stay inside the box here, so the worst point of the ball is the one straight ahead
    torch.testing.assert_close(moved, x - 0.2 * (1.0 - 2 * y.double())[:, None] * direction, atol=1e-12, rtol=0)
    inside = model(moved).argmax(1)
    assert torch.equal(inside != y, distance < 0.2)
    assert (distance < 0.2).any() and (distance > 0.2).any()


def test_no_certificate_is_broken(smooth_net):
    for model, x in ((smooth_net, torch.rand(30, 12, dtype=torch.float64)), half_space(40)[:2]):
        found = certify(model, x, SIGMA)
        sure = (found.predicted != ABSTAIN).nonzero().flatten()
        assert len(sure) > 10
        x, y = x[sure], found.predicted[sure]
        moved = smoothed_attack(model, x, y, SIGMA, found.radius[sure], steps=10)
        assert ((moved - x).norm(dim=1) <= found.radius[sure] + 1e-12).all()
        after = predict(model, moved, SIGMA, n=1000)
        assert ((after == y) | (after == ABSTAIN)).all()


def test_the_attack_lowers_the_probability_of_the_class_more_than_chance_does(smooth_net):
    x = torch.rand(10, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = certify(smooth_net, x, SIGMA, alpha=0.5).predicted.clamp_min(0)
    moved = smoothed_attack(smooth_net, x, y, SIGMA, 0.3)
    offset = moved - x
    assert ((moved >= 0) & (moved <= 1)).all() and (offset.norm(dim=1) <= 0.3 + 1e-12).all()
    noise = SIGMA * torch.randn(4000, 1, 12, dtype=torch.float64)

    def probability(images):
        scores = smooth_net((images + noise).flatten(0, 1)).view(4000, 10, 4)
        return scores.softmax(2).mean(0).gather(1, y[:, None])[:, 0]

    flipped = offset[:, torch.randperm(12, generator=torch.Generator().manual_seed(0))]
    assert (probability(moved) < probability((x + flipped).clamp(0, 1))).all()
    assert (probability(moved) < probability(x)).all()
    assert torch.equal(smoothed_attack(smooth_net, x, y, SIGMA, 0.0, 2), x)


@pytest.mark.parametrize(("call", "complaint"), [
    (lambda m, x: certify(m, x, 0.0), "sigma must be a finite number > 0, got 0.0"),
    (lambda m, x: predict(m, x, math.nan), "sigma must be a finite number > 0"),
    (lambda m, x: certify(m, x, 1.0, alpha=1.0), "alpha must lie strictly between 0 and 1, got 1.0"),
    (lambda m, x: predict(m, x, 1.0, alpha=0), "alpha must lie strictly between 0 and 1, got 0"),
    (lambda m, x: certify(m, x, 1.0, n=0), "n must be a whole number ≥ 1, got 0"),
    (lambda m, x: certify(m, x, 1.0, n0=0), "n0 must be a whole number ≥ 1, got 0"),
    (lambda m, x: predict(m, x, 1.0, n=0), "n must be a whole number ≥ 1, got 0"),
    (lambda m, x: certify(m, x, 1.0, batch_size=0), "batch_size must be a whole number ≥ 1, got 0"),
    (lambda m, x: certify(m, x, 1.0, seed=-1), "seed ≥ 0, got .* seed -1"),
    (lambda m, x: certify(m, x, 1.0, index=[3]), r"index must be 2 numbers ≥ 0 .* got index \[3\]"),
    (lambda m, x: certify(m, x, 1.0, index=[3, -1]), r"index must be 2 numbers ≥ 0 .* got index \[3, -1\]"),
    (lambda m, x: certify(m, 3 * x, 1.0), r"images must lie in \[0, 1\]"),
    (lambda m, x: certify(Damaged(), x, 1.0), "NaN or infinite scores"),
    (lambda m, x: smoothed_attack(m, x, torch.tensor([0, 2]), 1.0, 0.1), r"labels must lie in \[0, 2\), got 2 at index 1"),
    (lambda m, x: smoothed_attack(m, x, torch.tensor([0, 1]), 1.0, -0.1), "radius must be a number or"),
    (lambda m, x: smoothed_attack(m, x, torch.tensor([0, 1]), 1.0, 0.1, draws=0), "draws must be a whole number ≥ 1, got 0"),
    (lambda m, x: smoothed_attack(m, x, torch.tensor([0, 1]), 1.0, 0.1, steps=0), "steps must be a whole number ≥ 1, got 0"),
])  # fmt: skip
def test_bad_input_is_an_error(call, complaint):
    with pytest.raises(ValueError, match=complaint):
        call(LinearModel(torch.ones(4)), torch.full((2, 4), 0.5))


@pytest.mark.parametrize("judge", [certify, predict])
def test_without_scipy_it_says_how_to_get_it_before_anything_is_sampled(judge, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"pip install 'tulip_lite\[attacks\]'"):
        judge(None, one(), SIGMA)
