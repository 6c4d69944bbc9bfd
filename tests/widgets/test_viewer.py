import base64
import json
import math
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_viewer import FAILED, WRONG, exact, ingredients, small_viewer, timid

from tulip_lite import norms, results
from tulip_lite.attacks.adversarial import Adversarial
from tulip_lite.data import originals
from tulip_lite.losses import cross_entropy
from tulip_lite.widgets.viewer import AttackViewer
from tulip_lite.widgets.viewer.blocks import GRIDS, direction

levels_ = st.lists(st.integers(-3, 3), min_size=3, max_size=60).map(lambda v: [128 + k for k in v[: len(v) // 3 * 3]])
rising = st.lists(st.floats(0, 10), min_size=2, max_size=8, unique=True).map(sorted)


def inflated(text: str) -> list[int]:
    return list(zlib.decompress(base64.b64decode(text)))


@pytest.fixture(scope="module")
def viewer():
    return small_viewer()


@pytest.fixture(scope="module")
def stored(viewer):
    """The state as the page has it."""
    return json.loads(json.dumps(viewer.get_state(list(AttackViewer.class_own_traits())), allow_nan=False))


# --- what is stored is what the network says ---


def test_the_images_are_stored_exactly(viewer, stored, node):
    _, x, *_ = ingredients()
    found = node("packing", "summed", inflated(stored["images"]), stored["shape"][2])
    assert found == (255 * x).round().byte().flatten().tolist()


def test_the_answers_are_the_networks_at_every_stop(viewer, stored, node):
    """Recomputed here from the perturbation as it was found, scaled to the radius."""
    networks, x, y, classes, found = ingredients()
    layout = {"entries": stored["entries"], "grids": stored["grids"], "images": len(x), "classes": len(classes)}
    flat = inflated(stored["answers"])
    for e, entry in enumerate(stored["entries"]):
        key = entry["network"], entry["norm"], entry["attack"]
        assert entry == node("viewer/maths", "settled", stored["entries"], entry) | {"distances": entry["distances"]}
        assert node("viewer/maths", "entryOf", stored["entries"], entry) == e
        result = found[key]
        for i in range(len(x)):
            distance = result.distance[i].item()
            assert entry["distances"][i] == (None if math.isinf(distance) else pytest.approx(distance, rel=1e-4))
            rows = node("viewer/maths", "answers", flat, layout, e, i)
            stops = node("viewer/maths", "stops", stored["grids"][entry["norm"]], distance)
            assert len(rows) == len(stored["grids"][entry["norm"]]) + 1
            share = 1 / distance if 0 < distance < math.inf else 0.0
            points = [(x[i] + r * share * (result.x_adv[i] - x[i])).clamp(0, 1) for r in stops["radii"]]
            with torch.no_grad():
                logits = networks[key[0]](torch.stack(points))
            for k, (row, scores) in enumerate(zip(stops["rows"], logits, strict=True)):
                expected = scores.softmax(0)
                assert rows[row]["probabilities"] == pytest.approx(expected.tolist(), abs=0.5 / 255 + 1e-5)
                if k != stops["found"]:  # there two scores are nearly equal
                    assert rows[row]["predicted"] == scores.argmax().item()
            if stops["found"] >= 0:
                assert rows[stops["rows"][stops["found"]]]["predicted"] != y[i]


def test_what_has_no_perturbation_stays_the_clean_image(viewer, stored, node):
    """A failed attack and an image that is wrong already: no levels, and the same answer at every radius."""
    _, x, y, classes, _ = ingredients()
    layout = {"entries": stored["entries"], "grids": stored["grids"], "images": len(x), "classes": len(classes)}
    pixels = x[0].numel()
    for attack, image, distance in (("exact", WRONG, 0), ("timid", FAILED, None)):
        e = node("viewer/maths", "entryOf", stored["entries"], {"network": "first", "norm": "l2", "attack": attack})
        assert stored["entries"][e]["distances"][image] == distance
        rows = node("viewer/maths", "answers", inflated(stored["answers"]), layout, e, image)
        assert all(row == rows[0] for row in rows)
        assert (rows[0]["predicted"] == y[image]) == (distance is None)
        start = (e * len(x) + image) * pixels
        assert set(inflated(stored["levels"])[start : start + pixels]) == {128}
        assert node("viewer/maths", "stops", stored["grids"]["l2"], math.inf if distance is None else 0)["found"] == -1


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_what_is_drawn_is_close_to_what_was_found(viewer, norm):
    """ℓ∞: signs, so to the last pixel. ℓ2: within the rounding to seven levels."""
    _, x, _, _, found = ingredients()
    result, block = found["second", norm, "exact"], viewer._blocks["second", norm, "exact"]
    for i in range(len(x)):
        true = (result.x_adv[i] - x[i]).double()
        drawn = torch.from_numpy(direction(block.levels[i], norm)) * result.distance[i]
        assert norms.get(norm).size(drawn[None]).item() == pytest.approx(result.distance[i].item())
        assert ((drawn - true).norm() / true.norm()).item() < {"l2": 0.35, "linf": 1e-3}[norm]


def test_the_state_of_ten_images_two_networks_three_attacks_and_two_norms_is_small():
    """The weight is that of the perturbations: gradients of the shipped networks have the structure of attacks."""
    split = originals.cifar10()
    x, y = split.images[:10].float() / 255, split.labels[:10]
    networks = {name: results.load(name).model for name in ("undefended-smooth", "squared-l2-0.1-smooth")}
    found = {}
    for name, network in networks.items():
        for attack in range(3):
            noise = 0.02 * torch.randn(x.shape, generator=torch.Generator().manual_seed(attack))
            points = (x + noise).clamp(0, 1).requires_grad_()
            (gradient,) = torch.autograd.grad(cross_entropy(network(points), y).sum(), points)
            for norm, distance in (("l2", 0.9), ("linf", 4 / 255)):
                x_adv = (x + distance * norms.get(norm).steepest(gradient)).clamp(0, 1)
                size = norms.get(norm).size(x_adv - x)
                found[name, norm, f"attack {attack}"] = Adversarial(x_adv, size, ("attack",) * 10)
    viewer = AttackViewer.of(networks, x, y, originals.CIFAR10_CLASSES, found)
    state = viewer.get_state(list(AttackViewer.class_own_traits()))
    weights = {name: len(json.dumps(value)) for name, value in state.items()}
    assert sum(weights.values()) <= 160_000, weights


# --- the mathematics of the view ---


@given(rising, st.floats(-1, 12) | st.just(math.inf))
def test_the_slider_stops_on_the_grid_and_at_the_distance(node, grid, distance):
    found = node("viewer/maths", "stops", grid, distance)
    there = 0 < distance < math.inf
    assert found["radii"] == sorted({*grid, distance} if there else grid)
    assert (found["found"] >= 0) == there
    for k, (radius, row) in enumerate(zip(found["radii"], found["rows"], strict=True)):
        if k == found["found"]:
            assert radius == distance and row == len(grid)
        else:
            assert grid[row] == radius


@given(rising, st.floats(-1, 12))
def test_places_between_stops(node, xs, x):
    assert node("viewer/maths", "placeOf", xs, x) == pytest.approx(np.interp(x, xs, range(len(xs))), abs=1e-9)
    nearest = node("viewer/maths", "nearest", xs, x)
    assert abs(xs[nearest] - x) == min(abs(at - x) for at in xs)
    ys = [math.sin(5 * at) for at in xs]
    assert node("viewer/maths", "heightAt", xs, ys, x) == pytest.approx(np.interp(x, xs, ys), abs=1e-6)


@given(levels_, st.sampled_from(["l2", "linf"]), st.just(0.0) | st.floats(1e-6, 3), st.randoms())
def test_pictures_are_the_image_moved_by_the_radius(node, stored, norm, radius, random):
    stored = np.array(stored, np.uint8).reshape(3, -1, 1)
    expected = direction(stored, norm)
    flat = stored.ravel().tolist()
    along = node("viewer/maths", "direction", flat, norm)
    assert along == pytest.approx(expected.ravel().tolist(), abs=1e-12)
    assert node("viewer/maths", "size", along, norm) == pytest.approx(0 if set(flat) <= {128} else 1)
    image = [random.randrange(256) for _ in flat]
    moved = 255 * (np.array(image) / 255 + radius * np.array(along)).clip(0, 1)
    # half a grey level is rounded to either side by the last digit
    assert np.abs(np.array(node("viewer/maths", "moved", image, along, radius)) - moved).max() <= 0.5 + 1e-9
    factor = node("viewer/maths", "magnification", along, radius)
    grey = 127.5 + 255 * factor * radius * np.array(along)
    assert (
        np.abs(np.array(node("viewer/maths", "aroundGrey", along, radius, factor)) - grey.clip(0, 255)).max()
        <= 0.5 + 1e-9
    )
    painted = np.array(node("pixels", "rgba", image)).reshape(-1, 4)
    assert (painted[:, :3].T.ravel() == image).all() and (painted[:, 3] == 255).all()


@given(st.lists(st.integers(-99, 99).map(lambda k: k / 99), min_size=3, max_size=60), st.floats(1e-3, 0.2))
def test_the_magnification_is_the_largest_round_one(node, along, radius):
    along = np.array(along)
    factor = node("viewer/maths", "magnification", along.tolist(), radius)
    peak = radius * min(np.abs(along).max(), 2.5 * np.sqrt((along**2).mean()))
    assert factor >= 1
    if peak == 0 or factor == 1:
        assert peak == 0 or peak > 0.25 * (1 - 1e-6)
    else:
        lead, next_ = factor / 10 ** math.floor(math.log10(factor) + 1e-9), {1: 2, 2: 3, 3: 5, 5: 7, 7: 10}
        assert round(lead) in next_ and lead == pytest.approx(round(lead))
        assert factor * peak <= 0.5 * (1 + 1e-6) < factor * peak * next_[round(lead)] / lead * (1 + 1e-5)


@given(st.lists(st.floats(0, 2) | st.just(math.inf), min_size=1, max_size=12), st.floats(0, 2))
def test_the_curve_is_the_share_of_images_within_a_distance(node, distances, radius):
    share = (np.array(distances) <= radius).mean()
    assert node("viewer/maths", "errorAt", distances, radius) == pytest.approx(share)
    curve = node("viewer/maths", "errorCurve", distances, 2.0)
    assert curve["xs"] == sorted(curve["xs"]) and curve["xs"][0] == 0 and curve["xs"][-1] == 2
    assert node("viewer/maths", "heightAt", curve["xs"], curve["ys"], radius) == pytest.approx(share)


def test_choices_that_do_not_go_together_are_settled(node, stored):
    entries = stored["entries"]
    chosen = {"network": "second", "norm": "linf", "attack": "timid"}
    assert node("viewer/maths", "entryOf", entries, chosen) == -1
    assert node("viewer/maths", "settled", entries, chosen) == chosen | {"attack": "exact"}
    assert node("viewer/maths", "settled", entries, {}) == {"network": "first", "norm": "l2", "attack": "exact"}
    assert node("viewer/maths", "offered", entries, "attack", {"norm": "l2"}) == ["exact", "timid"]
    assert node("viewer/maths", "offered", entries, "attack", {"norm": "linf"}) == ["exact"]


# --- the object in Python ---


def test_it_opens_where_the_first_attack_ended():
    *_, found = ingredients()
    viewer = small_viewer()
    assert viewer.key == next(iter(found)) and viewer.image == 0
    assert viewer.radius == viewer.distance() == found[viewer.key].distance[0].item()
    chosen = small_viewer(image=FAILED, network="second", attack="timid", norm="l2")
    assert chosen.distance() == math.inf and chosen.radius == chosen.grids["l2"][-1]
    assert small_viewer(radius=0.25, image=1).radius == 0.25


def test_the_grid_ends_where_nothing_more_happens():
    *_, found = ingredients()
    viewer = small_viewer()
    for norm, grid in viewer.grids.items():
        distances = torch.cat([result.distance for key, result in found.items() if key[1] == norm])
        largest = distances[distances.isfinite()].max().item()
        assert list(grid) == list(GRIDS[norm][: len(grid)]) and all(r <= 1.2 * largest for r in grid[:-1])
        assert grid[-1] > 1.2 * largest or len(grid) == len(GRIDS[norm])


def test_curves_over_more_images_are_shares_on_the_grid():
    *_, found = ingredients()
    key = ("second", "l2", "exact")
    distances = torch.tensor([0.0, 0.05, 0.1, 0.3, math.inf])
    viewer = small_viewer(curves={each: distances if each == key else torch.tensor([0.1]) for each in found})
    entries = {(e["network"], e["norm"], e["attack"]): e for e in viewer.entries}
    expected = [(distances <= r).float().mean().item() for r in viewer.grids["l2"]]
    assert entries[key]["errors"] == pytest.approx(expected) and entries[key]["count"] == 5
    assert entries["first", "l2", "timid"]["count"] == 1


def test_there_is_a_still_picture_of_the_state():
    from matplotlib import pyplot

    *_, found = ingredients()
    viewer = small_viewer(image=4, network="second", norm="linf", attack="exact")
    figure = viewer.still()
    original, attacked, change, bars = figure.axes
    _, x, y, classes, _ = ingredients()
    assert np.abs(original.images[0].get_array() - x[4].permute(1, 2, 0).numpy()).max() < 1e-6
    expected = found["second", "linf", "exact"].x_adv[4].permute(1, 2, 0).numpy()
    assert np.abs(attacked.images[0].get_array() - expected).max() < 1e-6
    grey = np.asarray(change.images[0].get_array())
    assert grey.min() == pytest.approx(0, abs=1e-6) and grey.max() == pytest.approx(1, abs=1e-6)
    assert original.get_title().endswith(classes[y[4]]) and not attacked.get_title().endswith(classes[y[4]])
    widths = [patch.get_width() for patch in bars.patches]
    answers = viewer._blocks[viewer.key].answers[4]
    assert widths == pytest.approx([*(answers[-1, 1:] / 255), *(answers[0, 1:] / 255)])
    pyplot.close(figure)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"found": {}}, "found is empty"),
        ({"classes": ("one", "two")}, "returns 4 scores, but 2 classes are named"),
        ({"networks": {}}, "'first' is none of"),
        ({"x": torch.rand(6, 1, 8, 8)}, r"images must be of shape \(N, 3, H, W\)"),
        ({"x": torch.rand(5, 3, 8, 8), "y": torch.zeros(5, dtype=torch.long)}, "the images"),
        ({"x": 2 * torch.ones(6, 3, 8, 8)}, r"images must lie in \[0, 1\]"),
        ({"attack": "none"}, r"nothing was found for \('first', 'l2', 'none'\)"),
        ({"image": 6}, "image 6; .* 6 images"),
        ({"curves": {("first", "l2", "exact"): torch.ones(3)}}, r"curves has nothing for \('first', 'l2', 'timid'\)"),
        ({"y": torch.full((6,), 9)}, r"labels must lie in \[0, 4\)"),
    ],
)
def test_what_does_not_fit_is_refused(changed, message):
    given = dict(zip(("networks", "x", "y", "classes", "found"), ingredients(), strict=True)) | changed
    with pytest.raises(ValueError, match=message):
        AttackViewer.of(**given)


def test_an_unknown_norm_is_refused():
    networks, x, y, classes, found = ingredients()
    with pytest.raises(ValueError, match="'l1' is none of"):
        AttackViewer.of(networks, x, y, classes, {("first", "l1", "exact"): found["first", "l2", "exact"]})


# --- with a kernel ---


@pytest.fixture
def talk(monkeypatch):
    """A viewer with attacks to run, and what it says when a view says something."""
    viewer = small_viewer(attacks={"exact": exact, "timid": timid})
    said = []
    monkeypatch.setattr(viewer, "send", lambda content, buffers=None: said.append(content))

    def say(**message: object) -> list[dict]:
        said.clear()
        viewer._handle_custom_msg(json.loads(json.dumps(message)), [])
        return json.loads(json.dumps(said, allow_nan=False))

    return viewer, say


def test_a_view_is_told_which_attacks_can_be_run(talk):
    _, say = talk
    assert say(kind="hello") == [
        {"kind": "attacks", "options": {"exact": {"rank": 1, "seed": 0}, "timid": {"seed": 0}}}
    ]


def test_without_attacks_there_are_none(viewer, monkeypatch):
    said = []
    monkeypatch.setattr(viewer, "send", lambda content, buffers=None: said.append(content))
    viewer._handle_custom_msg({"kind": "hello"}, [])
    assert said == [{"kind": "attacks", "options": {}}]


def test_an_attack_that_is_run_anew_takes_the_old_ones_place(talk, node):
    viewer, say = talk
    networks, x, y, *_ = ingredients()
    key, before = ("first", "l2", "exact"), {name: getattr(viewer, name) for name in ("entries", "answers", "levels")}
    running, done = say(kind="run", key=key, image=0, options={"rank": 2, "seed": 1})
    expected = exact(networks["first"], x[:1], y[:1], "l2", rank=2).distance.item()
    assert running == {"kind": "running"} and done["kind"] == "done" and done["seconds"] > 0
    assert done["distance"] == pytest.approx(expected) and viewer.radius == pytest.approx(expected)
    assert all(getattr(viewer, name) != value for name, value in before.items())
    distances = viewer.entries[0]["distances"]
    assert distances[0] == pytest.approx(expected, rel=1e-4) and distances[1:] == before["entries"][0]["distances"][1:]
    assert viewer.entries[1:] == before["entries"][1:]
    # run as at first it is what it was at first
    say(kind="run", key=key, image=0, options={"rank": 1})
    assert {name: getattr(viewer, name) for name in before} == before


def test_another_image_run_anew_leaves_the_radius(talk):
    viewer, say = talk
    viewer.radius = radius = 0.01
    say(kind="run", key=("second", "l2", "exact"), image=1, options={"rank": 2})
    assert viewer.radius == radius


def test_what_goes_wrong_is_one_line(talk):
    viewer, say = talk
    entries = viewer.entries
    _, error = say(kind="run", key=("first", "l2", "exact"), image=0, options={"rank": 0})
    assert error == {"kind": "error", "text": "ValueError: rank must be at least 1,"}
    _, error = say(kind="run", key=("first", "l2", "exact"), image=0, options={"steps": 3})
    assert error["text"].startswith("TypeError: ") and "steps" in error["text"]
    _, error = say(kind="run", key=("first", "linf", "timid"), image=0, options={})
    assert "there is no image 0 with network 'first', norm 'linf', attack 'timid'" in error["text"]
    _, error = say(kind="run", key=("first", "l2", "cw"), image=0, options={})
    assert "'cw' cannot be run here" in error["text"]
    assert viewer.entries is entries or viewer.entries == entries


def test_a_failure_is_told_as_none(talk, monkeypatch):
    viewer, say = talk
    failing = lambda model, x, y, norm, *, seed=0: Adversarial(x.clone(), torch.full((1,), math.inf), ("",))  # noqa: E731
    viewer._attacks["timid"] = failing
    _, done = say(kind="run", key=("first", "l2", "timid"), image=1, options={})
    assert done["distance"] is None
    assert viewer.entries[1]["distances"][1] is None
