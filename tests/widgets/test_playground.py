"""The playground's network in the browser against PyTorch, on the same weights."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tulip_lite import bounds, losses
from tulip_lite.objectives import GradientPenalty
from tulip_lite.widgets import playground
from tulip_lite.widgets.playground import TRAINING, Playground

ACTIVATIONS = list(playground.ACTIVATIONS)
POINTS = playground.points("moons")["train"]
seeds = st.integers(0, 2**31)
coordinates = st.floats(-1.4, 1.4)


def close(expected, rel=1e-5, absolute=1e-9):
    return pytest.approx(expected, rel=rel, abs=absolute)


def both(node, activation, weights):
    """The same network in the two languages."""
    return playground.network(weights, activation), node("playground/network", "network", weights, activation)


def one(x, y, label):
    return torch.tensor([[x, y]], dtype=torch.float64), torch.tensor([label])


@pytest.fixture(scope="module", params=ACTIVATIONS)
def trained(request, node):
    """A trained network in both languages; training is what makes boundaries bend and kinks meet."""
    model = playground.network(playground.initial_weights(), request.param)
    playground.train(model, POINTS, 0.1, 200)
    return model, node("playground/network", "network", playground.flat(model), request.param)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@given(seeds, coordinates, coordinates, st.integers(0, 1))
@settings(max_examples=40)
def test_logits_input_gradient_margin_and_hessian_are_torchs(node, activation, seed, x, y, label):
    model, net = both(node, activation, playground.initial_weights(seed, hidden=5))
    at, of = one(x, y, label)
    assert node("playground/network", "forward", net, x, y) == close(model(at)[0].tolist())

    at.requires_grad_()
    loss = losses.cross_entropy(model(at), of)
    (gradient,) = torch.autograd.grad(loss.sum(), at)
    found = node("playground/maths", "derivatives", net, "cross-entropy", x, y, label)
    assert found["value"] == close(loss.item())
    assert found["gradient"] == close(gradient[0].tolist())

    value, gradient, hessian = playground.margin_derivatives(model, *one(x, y, label))
    found = node("playground/maths", "derivatives", net, "margin", x, y, label)
    assert found["value"] == close(value.item())
    assert found["gradient"] == close(gradient[0].tolist())
    assert found["hessian"] == close([hessian[0, 0, 0].item(), hessian[0, 0, 1].item(), hessian[0, 1, 1].item()])


@given(seeds, coordinates, coordinates, st.integers(0, 1))
@settings(max_examples=20)
def test_the_hessian_of_the_cross_entropy_is_torchs(node, seed, x, y, label):
    model, net = both(node, "smooth-relu", playground.initial_weights(seed, hidden=5))
    at, of = one(x, y, label)
    hessian = torch.autograd.functional.hessian(lambda z: losses.cross_entropy(model(z), of).sum(), at)[0, :, 0]
    found = node("playground/maths", "derivatives", net, "cross-entropy", x, y, label)["hessian"]
    assert found == close([hessian[0, 0].item(), hessian[0, 1].item(), hessian[1, 1].item()])


@pytest.mark.parametrize("lam", [0.0, 0.1, 3.0])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@given(seeds, st.integers(1, 12))
@settings(max_examples=10)
def test_the_objective_its_penalty_and_its_gradient_in_the_weights_are_torchs(node, activation, lam, seed, count):
    model, net = both(node, activation, playground.initial_weights(seed, hidden=5))
    batch = POINTS[:count]
    x, y = playground.tensors(batch)
    objective = GradientPenalty("l2", lam, "finite-difference", TRAINING["h"])
    objective(model, x, y).backward()
    found = node("playground/network", "objective", net, batch, lam, TRAINING["h"])
    expected = nn.utils.parameters_to_vector(p.grad for p in model.parameters())
    assert found["gradient"] == close(expected.tolist())
    loss, squared = objective.penalty(model, x, y)
    assert found["loss"] == close(loss.mean().item())
    assert found["penalty"] == close(squared.mean().item() if lam else 0)


def steps_in_the_browser(node, net, points, lam, count):
    for _ in range(count):
        found = node("playground/network", "objective", net, points, lam, TRAINING["h"])
        net = node("playground/network", "descend", net, found["gradient"], TRAINING)
    return net, found


@pytest.mark.parametrize(("activation", "lam"), [("relu", 0.0), ("smooth-relu", 0.1), ("smooth-relu", 3.0)])
def test_both_languages_take_the_same_steps(node, activation, lam):
    model, net = both(node, activation, playground.initial_weights())
    playground.train(model, POINTS, lam, 30)
    net, _ = steps_in_the_browser(node, net, POINTS, lam, 30)
    assert net["flat"] == close(playground.flat(model), absolute=1e-7)


def test_a_long_gradient_is_shortened_and_a_short_one_is_not(node):
    net = node("playground/network", "network", [0.0] * 18, "relu")  # 2 → 2 → 2 → 2
    options = {"rate": 1.0, "momentum": 0.0, "clip": 1.0}
    assert node("playground/network", "descend", net, [3.0, 4.0] + [0.0] * 16, options)["flat"][:2] == close(
        [-0.6, -0.8]
    )
    assert node("playground/network", "descend", net, [0.3, 0.4] + [0.0] * 16, options)["flat"][:2] == close(
        [-0.3, -0.4]
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_training_lowers_the_loss_and_the_penalty_lowers_the_input_gradient(node, activation):
    _, net = both(node, activation, playground.initial_weights())
    before = node("playground/network", "objective", net, POINTS, 0)
    _, plain = steps_in_the_browser(node, net, POINTS, 0.0, 150)
    _, regularised = steps_in_the_browser(node, net, POINTS, 0.3, 150)
    assert plain["loss"] < 0.7 * before["loss"]
    assert regularised["slope"] < 0.6 * plain["slope"]


def test_a_saturated_point_has_no_direction_and_no_penalty(node):
    # all weights zero: the gradient vanishes, and the finite difference must not divide by its length
    _, net = both(node, "relu", [0.0] * 18)
    found = node("playground/network", "objective", net, POINTS[:3], 1.0)
    assert found["penalty"] == found["slope"] == 0
    assert found["loss"] == close(math.log(2))
    assert all(math.isfinite(g) for g in found["gradient"])


def test_weights_that_fit_no_network_are_refused(node):
    with pytest.raises(ValueError, match="17 weights fit no network"):
        playground.network([0.0] * 17, "relu")
    with pytest.raises(AssertionError, match="17 weights fit no network"):
        node("playground/network", "network", [0.0] * 17, "relu")
    with pytest.raises(AssertionError, match="unknown activation gelu"):
        node("playground/network", "network", [0.0] * 18, "gelu")


# --- bounds and attacks ---


def test_l_and_c_are_torchs_and_relu_has_no_c(node, trained):
    model, net = trained
    found = node("playground/maths", "constants", net, POINTS)
    lipschitz, curvature = playground.constants(model, playground.tensors(POINTS)[0])
    assert found["L"] == close(lipschitz)
    assert found["C"] == (close(curvature) if net["activation"] == "smooth-relu" else None)


def linear_weights(u, v, b):
    """A network whose score is u x + v y + b: two hidden units far on their straight side."""
    first, second = [u, v, 0, 0], [1, 0, 0, 1]
    return [*first, 20, 20, *second, 0, 0, 0, 0, 1, 0, 0, b - 20]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@given(st.floats(0, 2 * math.pi), st.floats(0.5, 4), st.floats(-0.5, 0.5), st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))
@settings(max_examples=30)
def test_the_attack_on_a_straight_boundary_is_the_exact_distance(node, activation, angle, length, offset, x, y):
    u, v, b = length * math.cos(angle), length * math.sin(angle), length * offset
    net = node("playground/network", "network", linear_weights(u, v, b), activation)
    segments = node("playground/maths", "boundary", node("playground/maths", "scores", net))
    found = node("playground/maths", "attack", net, segments, x, y)
    expected = abs(u * x + v * y + b) / length
    assert found["distance"] == pytest.approx(expected, abs=1e-6)
    assert u * found["x"] + v * found["y"] + b == pytest.approx(0, abs=1e-6 * length)


def test_no_boundary_in_the_picture_is_an_infinite_distance(node):
    net = node("playground/network", "network", linear_weights(0.1, 0, 5), "relu")
    segments = node("playground/maths", "boundary", node("playground/maths", "scores", net))
    assert segments == []
    assert node("playground/maths", "attack", net, segments, 0.0, 0.0)["distance"] == math.inf


def test_no_direction_beats_the_attack_and_the_bounds_stay_inside(node, trained):
    model, net = trained
    segments = node("playground/maths", "boundary", node("playground/maths", "scores", net))
    constant = node("playground/maths", "constants", net, POINTS)
    angles = torch.linspace(0, 2 * math.pi, 721, dtype=torch.float64)[:-1]
    directions = torch.stack([angles.cos(), angles.sin()], 1)
    compared = 0
    for x, y, label in POINTS[:60]:
        at = torch.tensor([x, y], dtype=torch.float64)
        found = node("playground/maths", "derivatives", net, "margin", x, y, label)
        if found["value"] >= 0:
            continue
        attack = node("playground/maths", "attack", net, segments, x, y)
        d = attack["distance"]
        if d > playground.EDGE - max(abs(x), abs(y)):
            continue  # something nearer may lie outside the picture
        with torch.no_grad():
            inside = model(
                at + 0.995 * d * torch.linspace(0.02, 1, 50, dtype=torch.float64)[:, None, None] * directions
            )
            end = model(torch.tensor([attack["x"], attack["y"]], dtype=torch.float64))
        assert (inside.argmax(-1) == label).all()
        assert end[0].item() == pytest.approx(end[1].item(), abs=1e-6)
        # the constants are maxima over a grid: 2 % above the distance is the grid's doing, more would be a wrong bound
        assert node("bounds/maths", "lipschitzBound", -found["value"], constant["L"]) <= 1.02 * d
        if constant["C"]:
            slope = math.hypot(*found["gradient"])
            assert node("bounds/maths", "curvatureBound", -found["value"], slope, constant["C"]) <= 1.02 * d
        compared += 1
    assert compared > 30


def test_distances_and_robust_accuracy_count_what_is_wrong_already(node):
    net = node("playground/network", "network", linear_weights(1, 0, 0), "relu")  # class 1 on the right
    segments = node("playground/maths", "boundary", node("playground/maths", "scores", net))
    found = node(
        "playground/maths", "distances", net, segments, [[0.5, 0, 1], [0.1, 0.3, 1], [-0.3, 0, 0], [0.4, 0, 0]]
    )
    assert found == close([0.5, 0.1, 0.3, 0], absolute=1e-6)
    assert [node("playground/maths", "robustAccuracy", found, r) for r in (0, 0.2, 0.4)] == [0.75, 0.5, 0.25]


def test_inspecting_a_point_collects_what_is_known_of_it(node, trained):
    _, net = trained
    segments = node("playground/maths", "boundary", node("playground/maths", "scores", net))
    constant = node("playground/maths", "constants", net, POINTS)
    x, y, label = POINTS[6]
    found = node("playground/maths", "inspect", net, segments, constant, [x, y, label])
    margin = node("playground/maths", "derivatives", net, "margin", x, y, label)
    slope = math.hypot(*margin["gradient"])
    assert found["gap"] == -margin["value"] > 0
    assert found["lipschitz"] == close(found["gap"] / constant["L"])
    expected = constant["C"] and node("bounds/maths", "curvatureBound", found["gap"], slope, constant["C"])
    assert found["curvature"] == expected
    assert found["attack"] == node("playground/maths", "attack", net, segments, x, y)
    # without a label the network's answer stands for it; with the other one the point is wrong already
    assert node("playground/maths", "inspect", net, segments, constant, [x, y, -1]) == found
    wrong = node("playground/maths", "inspect", net, segments, constant, [x, y, 1 - label])
    assert [wrong["gap"], wrong["lipschitz"], wrong["attack"]["distance"]] == [-found["gap"], 0, 0]


def test_the_field_is_the_gradient_against_the_networks_own_answer(node, trained):
    model, net = trained
    field = torch.tensor(node("playground/maths", "gradientField", net, 4), dtype=torch.float64)
    at = field[:, :2].clone().requires_grad_()
    logits = model(at)
    (gradient,) = torch.autograd.grad(losses.cross_entropy(logits, logits.argmax(1)).sum(), at)
    torch.testing.assert_close(field[:, 2:], gradient, rtol=1e-5, atol=1e-9)
    assert sorted(set(field[:, 0].tolist())) == close([-1.05, -0.35, 0.35, 1.05])


def test_fresh_weights_follow_their_seed_and_their_law(node):
    weights = node("playground/maths", "freshWeights", 12, 7)
    assert weights == node("playground/maths", "freshWeights", 12, 7) != node("playground/maths", "freshWeights", 12, 8)
    playground.network(weights, "relu")
    many = torch.tensor([node("playground/maths", "freshWeights", 12, seed) for seed in range(50)])
    first, biases, second = many[:, :24], many[:, 24:36], many[:, 36:180]
    assert first.std().item() == pytest.approx(1, rel=0.1)
    assert second.std().item() == pytest.approx(math.sqrt(2 / 12), rel=0.1)
    assert biases.abs().max() <= 1 and biases.mean().abs() < 0.1


# --- the figure in Python ---


@pytest.mark.parametrize("data", list(playground.DATA))
def test_points_fit_the_picture_and_the_seed_decides_them(data):
    sets = playground.points(data)
    assert sets == playground.points(data)
    assert [len(sets[part]) for part in ("train", "test")] == [120, 200]
    assert all(abs(x) <= 1.05 and abs(y) <= 1.05 and k in (0, 1) for part in sets.values() for x, y, k in part)


def test_unknown_data_are_refused_with_the_choices():
    with pytest.raises(ValueError, match="unknown data 'moon'; choose from moons, rings, waves"):
        playground.points("moon")


def test_making_the_first_weights_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Playground(steps=0)
    playground.initial_weights()
    assert torch.equal(torch.rand(3), expected)


def test_the_page_opens_with_a_trained_network_and_its_picture():
    shown = Playground(lam=0.1, steps=100)
    x, y = playground.tensors(shown.points["moons"]["train"])
    first, last = (playground.network(w, "smooth-relu") for w in (shown.initial, shown.weights))
    objective = GradientPenalty("l2", 0.1)
    assert objective(last, x, y) < 0.8 * objective(first, x, y)
    figure = shown.still()
    assert [ax.get_title() for ax in figure.axes] == ["λ = 0", "λ = 0.1"]
    labels = [text.get_text().split(" 0")[0] for text in figure.axes[1].get_legend().get_texts()]
    assert labels == ["L-bound", "C-bound", "nearest attack"]


def test_the_exercise_on_both_constants():
    """Chapter "All of it in two dimensions": the bound from L and C together stays inside, and is the best of the three."""
    net = playground.network(playground.initial_weights(), "smooth-relu")
    playground.train(net, POINTS, 0.1, 600)
    x, y = playground.tensors(POINTS)
    margin, gradient, _ = playground.margin_derivatives(net, x, y)
    L, C = playground.constants(net, x)
    slope = gradient.norm(dim=1)
    both = bounds.slope_limited_bound(-margin, slope, L, C)
    better = torch.maximum(bounds.lipschitz_bound(-margin, L), bounds.curvature_bound(-margin, slope, C))
    side = torch.linspace(-playground.EDGE, playground.EDGE, 281, dtype=torch.float64)
    nodes = torch.cartesian_prod(side, side)
    same = net(nodes).argmax(1)[None] == y[:, None]
    distance = torch.cdist(x, nodes).masked_fill(same, torch.inf).amin(1)
    assert (both <= distance).all() and (both >= better * (1 - 1e-12)).all()
    assert both.mean() > better.mean()
