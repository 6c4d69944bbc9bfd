import pytest
import torch
from conftest import LinearModel
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tulip_lite import norms
from tulip_lite.models import PocketNet
from tulip_lite.objectives.difference_error import (
    ORDERS,
    UNITS,
    best_step,
    directional_derivatives,
    errors_against_h,
    slope_in_h,
    taylor_bound,
    weight_gradient_errors,
)


def images(size=6):
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(size, 3, 2, 2, generator=generator, dtype=torch.float64)
    return x, torch.randint(4, (size,), generator=generator)


@pytest.fixture
def linear():
    """ℓ = log(1 + e^(−w·x)) for label 0: every derivative along d is known."""
    weight = torch.linspace(-1, 1, 12, dtype=torch.float64)
    x, _ = images()
    return LinearModel(weight), x, torch.zeros(len(x), dtype=torch.long), weight


@pytest.mark.parametrize("norm", norms.NORMS)
def test_on_a_linear_model_everything_is_known(linear, norm):
    model, x, y, weight = linear
    found = errors_against_h(model, x, y, [1e-3], norm=norm)
    score = x.flatten(1) @ weight
    p = torch.sigmoid(-score)
    # ⟨w, d⟩ for d = −w/‖w‖ or −sign(w)/√12
    along = weight.norm() if norm == "l2" else weight.abs().sum() / 12**0.5
    torch.testing.assert_close(found.loss, torch.nn.functional.softplus(-score))
    torch.testing.assert_close(found.slope, along * p)
    torch.testing.assert_close(found.second, along**2 * p * (1 - p))
    torch.testing.assert_close(found.third, along**3 * p * (1 - p) * (1 - 2 * p))
    forward = ((nn.functional.softplus(1e-3 * along - score) - found.loss) / 1e-3 / found.slope - 1).abs()
    torch.testing.assert_close(found.relative["float64", "finite-difference"][0], forward, rtol=1e-6, atol=0)


class Quadratic(nn.Module):
    """Logits whose cross-entropy at label 0 is q(x) = ½ c ‖x‖² + 1 (two classes: s = −log(e^q − 1))."""

    def __init__(self, c):
        super().__init__()
        self.c = nn.Parameter(torch.tensor(c, dtype=torch.float64))

    def forward(self, x):
        q = self.c / 2 * x.flatten(1).square().sum(1) + 1
        return torch.stack([-torch.log(torch.expm1(q)), torch.zeros_like(q)], 1)


def test_on_a_quadratic_the_forward_error_is_half_ch_and_the_central_one_is_rounding():
    x, _ = images()
    steps = [1e-4, 1e-2, 1.0]
    found = errors_against_h(Quadratic(0.7), x, torch.zeros(len(x), dtype=torch.long), steps, precisions=["float64"])
    slope = 0.7 * x.flatten(1).norm(dim=1)
    torch.testing.assert_close(found.second, torch.full_like(slope, 0.7))
    assert found.third.abs().max() < 1e-9
    expected = 0.7 / 2 * torch.tensor(steps, dtype=torch.float64)[:, None] / slope
    torch.testing.assert_close(found.relative["float64", "finite-difference"], expected, rtol=1e-6, atol=0)
    assert found.relative["float64", "central-difference"][1:].max() < 1e-12


@pytest.mark.parametrize("norm", norms.NORMS)
def test_both_quotients_converge_with_their_order_where_the_loss_is_smooth(smooth_net, norm):
    x, y = images()
    steps = torch.logspace(-5, -1, 17, dtype=torch.float64)
    found = errors_against_h(smooth_net, x, y, steps, precisions=["float64"], norm=norm)
    for method, order in ORDERS.items():
        measured = slope_in_h(steps, found.median("float64", method), 1e-4, 1e-2)
        assert measured == pytest.approx(order, abs=0.05)
        truncation, _ = found.coefficients("float64", method)
        i = 8  # h = 1e-3, where truncation rules and the next order does not yet
        assert found.median("float64", method)[i] == pytest.approx(truncation * steps[i].item() ** order, rel=0.1)


def test_the_formula_foretells_the_best_step_and_the_floor_in_float32(smooth_net):
    x, y = images(16)
    steps = torch.logspace(-7, 0, 57, dtype=torch.float64)
    found = errors_against_h(smooth_net, x, y, steps, precisions=["float32"])
    for method, order in ORDERS.items():
        h, error = best_step(*found.coefficients("float32", method), order)
        measured = found.median("float32", method)
        assert h / 6 < steps[measured.argmin()] < 6 * h
        assert error / 6 < measured.min() < 6 * error


def test_low_precision_rounds_more(smooth_net):
    x, y = images()
    found = errors_against_h(smooth_net, x, y, [1e-6])
    errors = [found.median(precision, "finite-difference").item() for precision in UNITS]
    assert errors[0] < errors[1] < errors[2]
    assert (found.rounding["bfloat16"] > 1000 * found.rounding["float32"]).all()
    torch.testing.assert_close(found.rounding["float64"], found.rounding["float32"] * 2.0**-29)


def test_in_bfloat16_a_step_below_its_resolution_leaves_nothing():
    torch.manual_seed(0)
    model = PocketNet(activation="smooth-relu").eval()
    x, y = 0.5 + 0.4 * torch.rand(3, 3, 8, 8), torch.tensor([0, 1, 2])
    found = errors_against_h(model, x, y, [1e-9], precisions=["bfloat16"])
    for method in ORDERS:
        assert (found.relative["bfloat16", method] == 1).all()


@given(st.floats(1e-6, 1e6), st.floats(1e-20, 1), st.sampled_from([1, 2]))
def test_the_best_step_is_a_minimum(truncation, rounding, order):
    h, error = best_step(truncation, rounding, order)
    for factor in (0.5, 0.99, 1.01, 2):
        assert truncation * (factor * h) ** order + rounding / (factor * h) > error
    if order == 1:
        assert error == pytest.approx(2 * (truncation * rounding) ** 0.5)


@given(st.floats(-3, 3), st.floats(1e-3, 1e3))
def test_the_fitted_slope_of_a_power_is_its_exponent(exponent, scale):
    steps = torch.logspace(-6, 0, 13, dtype=torch.float64)
    errors = scale * steps**exponent
    errors[0] = 7e7  # outside the range of the fit
    assert slope_in_h(steps, errors, 1e-5, 1.0) == pytest.approx(exponent, abs=1e-9)


def test_derivatives_along_a_line_of_a_cubic():
    x = torch.tensor([[2.0], [3.0]], dtype=torch.float64)
    found = directional_derivatives(lambda z: (z**3).sum(1), x, torch.ones_like(x))
    torch.testing.assert_close(torch.stack(found), torch.tensor([[8.0, 27], [12, 27], [12, 18], [6, 6]]).double())
    flat = directional_derivatives(lambda z: 5 * z.sum(1), x, torch.ones_like(x))
    torch.testing.assert_close(torch.stack(flat), torch.tensor([[10.0, 15], [5, 5], [0, 0], [0, 0]]).double())


@pytest.mark.parametrize("norm", norms.NORMS)
def test_the_gradient_in_the_weights_converges_where_the_loss_is_smooth(smooth_net, norm):
    x, y = images()
    before = [p.clone() for p in smooth_net.parameters()]
    steps = torch.logspace(-4, -2, 5, dtype=torch.float64)
    for method, order in ORDERS.items():
        relative, cosine = weight_gradient_errors(smooth_net, x, y, steps, method, norm)
        assert slope_in_h(steps, relative, 1e-4, 1e-2) == pytest.approx(order, abs=0.1)
        assert cosine.min() > 0.999
        # the angle follows from the error: 1 − cos ≤ error²
        assert (1 - cosine <= relative**2 + 1e-12).all()
    assert all(torch.equal(a, p) and p.grad is None for a, p in zip(before, smooth_net.parameters(), strict=True))


def test_the_model_is_left_as_it_was():
    torch.manual_seed(0)
    model = PocketNet().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    errors_against_h(model, torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), [1e-2])
    assert model.training and all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.requires_grad and p.dtype == torch.float32 for p in model.parameters())


@pytest.mark.parametrize(("arguments", "complaint"), [
    ({"precisions": ["float16"]}, "unknown precision 'float16': choose one of 'float64', 'float32', 'bfloat16'"),
    ({"methods": ["backward"]}, "unknown method 'backward'"),
    ({"norm": "l1"}, "unknown norm 'l1'"),
])  # fmt: skip
def test_unknown_names_are_refused(smooth_net, arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        errors_against_h(smooth_net, *images(), [1e-2], **arguments)


def test_a_zero_gradient_is_refused():
    model = LinearModel(torch.zeros(12, dtype=torch.float64))
    with pytest.raises(ValueError, match="slope 0 at image 0"):
        errors_against_h(model, images()[0], torch.zeros(6, dtype=torch.long), [1e-2])


def test_a_chosen_step_keeps_its_promise_on_a_network(smooth_net):
    """The chapter's exercise "Choose h": the formula, from two derivatives and u|ℓ|, costs at most ten times the best error."""
    x, y = images(16)
    found = errors_against_h(smooth_net, x, y, torch.logspace(-6, 0, 49), precisions=["float32"])
    h = 2 * (UNITS["float32"] * found.loss / found.second.abs()).sqrt().quantile(0.5).item()
    chosen = errors_against_h(smooth_net, x, y, [h], precisions=["float32"]).median("float32", "finite-difference")
    assert chosen.item() < 10 * found.median("float32", "finite-difference").min()


def test_the_units_are_half_the_distance_from_one_to_the_next_number():
    for name, unit in UNITS.items():
        assert unit == torch.finfo(getattr(torch, name)).eps / 2


@pytest.mark.parametrize("norm", norms.NORMS)
def test_the_error_stays_below_its_bound_and_on_a_quadratic_meets_it(smooth_net, norm):
    x, y = images()
    for h in (1e-3, 1e-2, 1e-1):
        error, bound = taylor_bound(smooth_net, x, y, h, norm)
        assert (error <= bound * (1 + 1e-6)).all() and (error > 0).all()
    error, bound = taylor_bound(Quadratic(0.7), x, torch.zeros(len(x), dtype=torch.long), 0.1)
    torch.testing.assert_close(error, torch.full_like(error, 0.035))
    torch.testing.assert_close(bound, error)


def test_training_mode_does_not_matter():
    """Batch normalisation would couple the images and be changed by them."""
    torch.manual_seed(0)
    model, x, y = PocketNet(activation="smooth-relu"), torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
    errors = {}
    for training in (True, False):
        model.train(training)
        errors[training] = weight_gradient_errors(model, x, y, [1e-2])[0]
        assert model.training is training
    torch.testing.assert_close(errors[True], errors[False])


def test_a_slope_that_is_no_number_is_refused(smooth_net):
    x, y = images()
    x[3, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="slope nan at image 3"):
        errors_against_h(smooth_net, x, y, [1e-2])


def test_numbers_that_make_no_sense_are_refused(smooth_net):
    for hs in ([1e-2, 0.0], [-1e-2]):
        with pytest.raises(ValueError, match="h must be a finite number > 0"):
            errors_against_h(smooth_net, *images(), hs)
    with pytest.raises(ValueError, match="truncation must be"):
        best_step(0.0, 1.0)
    with pytest.raises(ValueError, match="rounding must be"):
        best_step(1.0, 0.0)
    for steps in ([1e-3, 1e-1], [1e-2, 1e-2], []):
        with pytest.raises(ValueError, match=r"needs two steps from 0.01 to 0.05, got \["):
            slope_in_h(torch.tensor(steps), torch.ones(len(steps)), 0.01, 0.05)
