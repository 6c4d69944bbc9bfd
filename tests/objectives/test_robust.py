"""λ, δ and the inner maximum of Prop. 3.1, against the closed forms of linear and quadratic losses."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tulip_lite import losses
from tulip_lite.objectives.robust import covered_delta, penalty_strength, quadratic_cost_attack

Y = torch.zeros(4, dtype=torch.long)


def images(count=4):
    return torch.rand(count, 1, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def gradients(count=4):
    return torch.randn(count, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def around(x, g, hessian):
    """ℓ(x + v) = <g, v> + ½ vᵀ H v, with its own g (B, N) for each image."""

    def loss(z, y):
        v = (z - x).flatten(1)
        return (g * v).sum(1) + 0.5 * torch.einsum("bi,ij,bj->b", v, hessian, v)

    return loss


def symmetric(eigenvalues):
    q, _ = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    return (q * torch.as_tensor(eigenvalues, dtype=torch.float64)) @ q.T


@given(st.floats(1e-4, 1e3), st.floats(0, 1e3))
def test_strength_and_delta_are_inverses(strength, curvature):
    delta = covered_delta(strength, curvature).item()
    assert 0 < delta <= strength and delta * curvature < 1
    # 1 − δC cancels as δC → 1
    assert penalty_strength(delta, curvature).item() == pytest.approx(
        strength, rel=1e-14 * (1 + strength * curvature) * 10
    )


@given(st.floats(1e-3, 1e3), st.floats(0, 1e3), st.floats(1.001, 10))
def test_the_strength_grows_with_both_and_is_at_least_delta(delta, curvature, factor):
    strength = penalty_strength(delta, curvature)
    assert strength >= delta
    assert penalty_strength(factor * delta, curvature) >= strength
    assert penalty_strength(delta, factor * curvature) >= strength


def test_the_strength_is_infinite_from_delta_c_one_on():
    assert penalty_strength(0.25, 2.0).item() == 0.5
    assert penalty_strength(torch.tensor([0.25, 0.5, 1.0]), 2.0).tolist() == [0.5, math.inf, math.inf]


def test_no_curvature_is_a_linear_loss():
    """One step is enough: v = δg, gain δ/2 ‖g‖²; each image with a δ of its own."""
    x, g = images(), gradients()
    delta = torch.tensor([0.01, 0.1, 1.0, 10.0], dtype=torch.float64)
    found = quadratic_cost_attack(around(x, g, torch.zeros(12, 12).double()), x, Y, delta, steps=1)
    torch.testing.assert_close(found.perturbation.flatten(1), delta[:, None] * g)
    torch.testing.assert_close(found.gain, delta / 2 * g.pow(2).sum(1))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_one_curvature_attains_the_bound_in_two_steps(share):
    """H = C·1: v = λg and gain λ/2 ‖g‖², the bound of Prop. 3.1."""
    x, g = images(), gradients()
    curvature, delta = 3.0, share / 3.0
    found = quadratic_cost_attack(around(x, g, curvature * torch.eye(12).double()), x, Y, delta, steps=2)
    strength = penalty_strength(delta, curvature)
    torch.testing.assert_close(found.perturbation.flatten(1), strength * g)
    torch.testing.assert_close(found.gain, strength / 2 * g.pow(2).sum(1))


@settings(max_examples=30)
@given(st.lists(st.floats(-20, 0.9), min_size=12, max_size=12))
def test_any_quadratic_loss(eigenvalues):
    """Stationary where v = (1/δ − H)⁻¹ g: the one maximum while δ λ_max(H) < 1, also beside strong negative curvature."""
    x, g, hessian = images(), gradients(), symmetric(eigenvalues)
    found = quadratic_cost_attack(around(x, g, hessian), x, Y, 1.0, steps=400)
    exact = torch.linalg.solve(torch.eye(12).double() - hessian, g.T).T
    torch.testing.assert_close(found.gain, (g * exact).sum(1) / 2, rtol=1e-6, atol=1e-12)
    strength = penalty_strength(1.0, max(*eigenvalues, 0))
    assert (found.gain <= strength / 2 * g.pow(2).sum(1) * (1 + 1e-9)).all()


def test_an_image_at_a_maximum_stays_and_more_steps_never_lose(smooth_net):
    x = images()
    still = quadratic_cost_attack(around(x, torch.zeros(4, 12).double(), -torch.eye(12).double()), x, Y, 0.1)
    assert torch.equal(still.perturbation, torch.zeros_like(x)) and torch.equal(still.gain, torch.zeros(4).double())

    def loss(z, y):
        return losses.cross_entropy(smooth_net(z), y)

    gains = torch.stack([quadratic_cost_attack(loss, x, Y, 0.5, steps=n).gain for n in (1, 2, 5, 20, 80)])
    assert (gains.diff(dim=0) >= 0).all() and (gains[0] >= 0).all() and (gains[-1] > 0).all()


def test_on_a_network_it_ends_where_the_gradient_balances_the_cost(smooth_net):
    """v = δ ∇ℓ(x + v), and the gain is what it says."""
    x, delta = images(), 0.02

    def loss(z, y):
        return losses.cross_entropy(smooth_net(z), y)

    v, gain = quadratic_cost_attack(loss, x, Y, delta, steps=100)
    at = (x + v).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(at, Y).sum(), at)
    torch.testing.assert_close(v, delta * gradient, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(gain, (loss(x + v, Y) - loss(x, Y) - (v**2).flatten(1).sum(1) / (2 * delta)).detach())


def linf_exercise(curvature, delta, pixels):
    """The exercise's counterexample: ℓ(v) = Σ vᵢ + C/2 ‖v‖₂² with the cost ‖v‖∞²/(2δ), at v = t (1, …, 1)."""
    best = penalty_strength(delta, pixels * curvature).item()
    v = torch.full((pixels,), best * pixels, dtype=torch.float64)
    value = v.sum() + curvature / 2 * v.pow(2).sum() - v.abs().max() ** 2 / (2 * delta)
    return value.item(), penalty_strength(delta, curvature).item() / 2 * pixels**2


def test_an_l2_curvature_in_the_linf_formula_is_no_bound():
    """Chapter 3's exercise: λ from C₂ falls short, λ from N·C₂ is attained."""
    value, claimed = linf_exercise(curvature=1.0, delta=0.1, pixels=8)
    assert value > 2 * claimed
    assert value == pytest.approx(penalty_strength(0.1, 8.0).item() / 2 * 8**2)
    # no other v does better: 100 of any size, 100 near the best, 4 · (1, …, 1)
    generator = torch.Generator().manual_seed(3)
    v = torch.randn(200, 8, generator=generator, dtype=torch.float64)
    v = torch.cat([4 * v[:100], 4 + 0.02 * v[100:]])
    objective = v.sum(1) + v.pow(2).sum(1) / 2 - v.abs().amax(1) ** 2 / 0.2
    assert (objective <= value).all() and objective.max() > 0.9 * value


def test_bad_costs_and_steps_get_one_clear_line():
    x, loss = images(), around(images(), gradients(), torch.eye(12).double())
    for call, words in (
        (lambda: penalty_strength(0.0, 1.0), "delta must be finite and > 0"),
        (lambda: penalty_strength(1.0, -1.0), "curvature must be finite and ≥ 0"),
        (lambda: penalty_strength(1.0, math.nan), "curvature"),
        (lambda: covered_delta(math.inf, 1.0), "strength"),
        (lambda: quadratic_cost_attack(loss, x, Y, -1.0), "delta"),
        (lambda: quadratic_cost_attack(loss, x, Y, torch.ones(3)), r"number or \(4,\), got shape \(3,\)"),
        (lambda: quadratic_cost_attack(loss, x, Y, 1.0, steps=0), "steps"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    with pytest.raises(TypeError, match="divide by 255"):
        quadratic_cost_attack(loss, (255 * x).byte(), Y, 1.0)
