"""Promised and refuted bounds: what is stored is what was given, and the view's mathematics under Node is Python's."""

import base64
import json
import math
import re
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_promises import CLASSES, DISTANCES, LOWER, ingredients, small_promises

from tulip_lite import norms, results
from tulip_lite.attacks.adversarial import Adversarial
from tulip_lite.attacks.margin import margin_gradient
from tulip_lite.data import originals
from tulip_lite.figures.style import COLORS
from tulip_lite.widgets.promises import PromisesExplorer, still

# from bounds that proofs give to those of an estimate that fails, and what has no place on a logarithmic axis
sizes = st.floats(1e-6, 1e2) | st.sampled_from([0.0, math.inf, 1e-3, 0.1, 1.0, 10.0])
distances_ = st.lists(sizes, min_size=1, max_size=30)


def stored(explorer: PromisesExplorer) -> dict:
    """The state as the page has it."""
    return json.loads(json.dumps(explorer.get_state(list(PromisesExplorer.class_own_traits())), allow_nan=False))


def inflated(text: str) -> list[int]:
    return list(zlib.decompress(base64.b64decode(text)))


# --- what is stored ---


def test_numbers_are_stored_with_what_json_does_not_know():
    explorer = small_promises()
    state = stored(explorer)
    assert [entry["network"] for entry in state["entries"]] == list(DISTANCES)
    assert state["names"] == state["kinds"] == ["bold", "sampled", "proof", "slope"] and state["proofs"] == ["proof"]
    for name in DISTANCES:
        explorer.network = name
        distances, bounds = explorer.numbers()
        assert distances.tolist() == pytest.approx(DISTANCES[name], rel=1e-7)
        assert list(bounds) == list(LOWER[name])
        for kind, values in bounds.items():
            assert values.tolist() == pytest.approx(LOWER[name][kind], rel=1e-7, nan_ok=True)
    assert state["entries"][0]["attacks"] == [
        "first attack",
        "",
        "first attack",
        "clean",
        "first attack",
        "first attack",
    ]
    assert state["entries"][1]["predicted"] == [1, 2, 3, 0, 1, 2]
    assert stored(small_promises(predicted=None))["entries"][0]["predicted"] is None


def test_the_pictures_are_stored_to_the_byte(node):
    given_, state = ingredients(), stored(small_promises())
    clean = node("packing", "summed", inflated(state["images"]), state["shape"][2])
    assert clean == (255 * given_["x"]).round().byte().flatten().tolist()
    differences = inflated(state["differences"])
    for e, found in enumerate(given_["found"].values()):
        part = differences[e * len(clean) : (e + 1) * len(clean)]
        expected = (255 * found.x_adv).round().byte().flatten().tolist()
        assert expected != clean and node("promises/maths", "attacked", clean, part) == expected


def test_the_state_of_four_networks_on_twenty_images_is_small():
    """The weight is that of the perturbations: steps along the gradients of shipped networks, as long as their distances."""
    x, y = originals.cifar10().tensors()
    found, lower = {}, {}
    generator = torch.Generator().manual_seed(0)
    for name, recipe, distance in (("a", "undefended", 0.2), ("b", "undefended-smooth", 0.25),
                                   ("c", "squared-l2-0.1", 0.67), ("d", "squared-l2-0.1-smooth", 0.7)):  # fmt: skip
        *_, gradient = margin_gradient(results.load(recipe).model, x, y)
        x_adv = (x + distance * norms.get("l2").steepest(gradient)).clamp(0, 1)
        found[name] = Adversarial(x_adv, torch.full((20,), distance), ("pgd",) * 20)
        lower[name] = {f"kind {k}": torch.rand(20, generator=generator) for k in range(6)}
    state = stored(PromisesExplorer.of(x, y, originals.CIFAR10_CLASSES, found, lower))
    weights = {name: len(json.dumps(value)) for name, value in state.items()}
    assert sum(weights.values()) <= 200_000, weights


# --- the mathematics of the view ---


@given(distances_)
def test_images_are_sorted_by_distance(node, distances):
    assert node("promises/maths", "sorted", distances) == np.argsort(distances, kind="stable").tolist()


@given(st.data())
def test_a_bound_beyond_an_attack_is_refuted(node, data):
    distances = data.draw(distances_)
    rows = st.lists(sizes.filter(math.isfinite) | st.just(math.nan), min_size=len(distances), max_size=len(distances))
    kinds = data.draw(st.lists(rows, max_size=3))
    beyond = np.array([np.array(row) > distances for row in kinds]).reshape(len(kinds), len(distances))
    for row, refuted in zip(kinds, beyond, strict=True):
        assert node("promises/maths", "tally", row, distances) == {
            "computed": int((~np.isnan(row)).sum()),
            "refuted": int(refuted.sum()),
        }
        for bound, distance, wrong in zip(row, distances, refuted, strict=True):
            expected = "not computed" if math.isnan(bound) else "refuted" if wrong else "holds so far"
            assert node("promises/maths", "verdict", bound, distance, False) == expected
            expected = "not computed" if math.isnan(bound) else "proved"
            assert node("promises/maths", "verdict", bound, distance, True) == expected
    assert node("promises/maths", "lit", kinds, distances) == beyond.any(0).nonzero()[0].tolist()


@given(st.lists(sizes | st.just(math.nan), max_size=30))
def test_the_axis_has_a_place_for_every_value(node, values):
    found = node("promises/maths", "axis", values)
    expected = still.axis(np.array(values, float))
    for name, value in expected._asdict().items():
        assert found[name] == (None if value is None else pytest.approx(value, rel=1e-9))
    low, high = found["low"], found["high"]
    assert (found["zero"] is None) == (0 not in values) and (found["none"] is None) == (math.inf not in values)
    assert (found["range"][0] < low) == (0 in values) and (found["range"][1] > high) == (math.inf in values)
    assert all(low < v < high for v in values if 0 < v < math.inf)
    tens = [n for n in range(-12, 8) if found["range"][0] * (1 + 1e-9) < 10.0**n < found["range"][1] * (1 - 1e-9)]
    inside = [n for n in tens if low * (1 - 1e-9) <= 10.0**n <= high * (1 + 1e-9)]
    assert tens == inside  # none in a row
    assert sum(low * (1 - 1e-9) <= 10.0**n <= high * (1 + 1e-9) for n in range(-12, 8)) >= 2
    places = [node("promises/maths", "placed", v, found) for v in values]
    assert places == pytest.approx(expected.placed(np.array(values, float)).tolist(), rel=1e-9, nan_ok=True)
    for value, place in zip(values, places, strict=True):
        if value == 0:
            assert found["range"][0] < place < low
        if value == math.inf:
            assert high < place < found["range"][1]


@given(st.floats(-5, 40), st.integers(1, 30))
def test_the_nearest_place_is_one_that_is_there(node, x, count):
    place = node("promises/maths", "nearestPlace", x, count)
    assert abs(place - x) <= min(abs(each - x) for each in range(1, count + 1)) + 1e-9


def test_every_kind_has_a_look_of_its_own_the_same_in_both_pictures(node):
    looks = node("promises/maths", "LOOKS")
    colours = {"blue": COLORS[0], "green": COLORS[2], "pink": COLORS[3], "grey": COLORS[4], "ink": "black"}
    assert [colours[look["color"]] for look in looks] == [color for color, _ in still.LOOKS]
    shapes = [(look["corners"], look["turn"] % 360) for look in looks]
    # the direction of the first corner in matplotlib's marks of the same name
    marks = {
        "s": (4, 45),
        "D": (4, 0),
        "^": (3, 270),
        "v": (3, 90),
        "<": (3, 180),
        ">": (3, 0),
        "p": (5, 270),
        "h": (6, 0),
    }
    assert shapes == [marks[mark] for _, mark in still.LOOKS] and len(set(shapes)) == len(shapes)


@given(st.integers(3, 6), st.integers(-180, 180), st.floats(1, 10))
def test_an_outline_is_the_regular_polygon(node, corners, turn, radius):
    path = node("promises/maths", "outline", {"corners": corners, "turn": turn}, radius)
    assert path[0] == "m" and path[-1] == "z" and path.count("l") == corners - 1
    steps = np.array([[float(v) for v in pair.split(",")] for pair in re.findall(r"[ml]([^mlz]+)", path)])
    angles = np.deg2rad(turn + 360 * np.arange(corners) / corners)
    expected = radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    assert np.abs(steps.cumsum(0) - expected).max() <= 0.005 * (corners + 1)


# --- the object in Python ---


def test_it_opens_at_the_first_of_everything_or_as_told():
    explorer = small_promises()
    assert (explorer.network, explorer.image, explorer.kinds) == ("first", 0, ["bold", "sampled", "proof", "slope"])
    chosen = small_promises(network="second", image=4, kinds=["slope"])
    assert (chosen.network, chosen.image, chosen.kinds) == ("second", 4, ["slope"])


def test_the_still_picture_is_of_the_chosen_network_and_kinds():
    from matplotlib import pyplot

    (axis,) = small_promises(kinds=["bold", "proof", "slope"]).still().axes
    order = np.argsort(DISTANCES["first"], kind="stable")
    lines = {line.get_label(): line for line in axis.lines}
    hollow, filled = lines["bold (estimate, refuted on 2)"], lines["proof (proof)"]
    assert hollow.get_fillstyle() == "none" and filled.get_fillstyle() == "full"
    assert not any(label.startswith(("sampled", "slope")) for label in lines)
    for line, values in ((hollow, LOWER["first"]["bold"]), (filled, LOWER["first"]["proof"])):
        seen, values = line.get_ydata(), np.array(values)[order]
        assert seen[values > 0] == pytest.approx(values[values > 0])
        low, high = axis.get_ylim()
        assert all(low < place < values[values > 0].min() for place in seen[values == 0])
    dots = lines["nearest adversarial image known"].get_ydata()
    assert dots[1:5] == pytest.approx(sorted(DISTANCES["first"])[1:5]) and 0.8 < dots[5] < high
    rings = [line for line in axis.lines if line.get_markersize() == 12]
    assert [list(ring.get_xdata()) for ring in rings] == [[2, 5], []]
    assert {text.get_text() for text in axis.texts} == {"0", "none"}
    pyplot.close("all")


def without(name: str, **mapping: dict) -> dict:
    ((what, given_),) = mapping.items()
    return {what: {key: value for key, value in given_.items() if key != name}}


GIVEN = ingredients()
X = GIVEN["x"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"found": {}}, "found is empty"),
        (without("second", lower=GIVEN["lower"]), "found and lower must have the same networks, but 'second'"),
        (
            without("first", predicted=GIVEN["predicted"]),
            "found and predicted must have the same networks, but 'first'",
        ),
        ({"lower": {"first": {}, "second": {}}}, "between 1 and 8 kinds of bound, got 0"),
        ({"lower": {"first": {f"{k}": torch.ones(6) for k in range(9)}, "second": {}}}, "between 1 and 8 .* got 9"),
        ({"proofs": ["prof"]}, "proofs: 'prof' is none of 'bold', 'sampled', 'proof', 'slope'"),
        ({"x": X[:, :1]}, r"images must be of shape \(N, 3, H, W\), got \(6, 1, 8, 8\)"),
        ({"x": 2 * X + 1}, r"images must lie in \[0, 1\]"),
        ({"x": X[:5]}, r"labels must have shape \(5,\)"),
        ({"x": X[:5], "y": GIVEN["y"][:5]}, r"found\['first'\] has images, distances and attacks of shape"),
        ({"classes": CLASSES[:3]}, r"labels must lie in \[0, 3\), got 3 at index 3"),
        ({"network": "third"}, "no network 'third' or no image 0: there are 'first', 'second', and 6 images"),
        ({"image": 6}, "no image 6"),
        ({"kinds": ["slope", "steep"]}, "kinds: 'steep' is none of"),
    ],
)
def test_what_does_not_fit_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        small_promises(**changed)


def changed_first(kind: str, **entries: float) -> dict:
    """`lower` with entries of one kind of the first network replaced: i3=0.5 is image 3."""
    values = GIVEN["lower"]["first"].get(kind, torch.zeros(6)).clone()
    for name, value in entries.items():
        values[int(name[1:])] = value
    return {"lower": GIVEN["lower"] | {"first": GIVEN["lower"]["first"] | {kind: values}}}


@pytest.mark.parametrize("bad", [-1e-6, math.inf])
def test_a_bound_is_a_size_or_not_there(bad):
    with pytest.raises(ValueError, match=r"lower\['first'\]\['bold'\] must be ≥ 0 and finite.*it is \S+ for image 2"):
        small_promises(**changed_first("bold", i2=bad))
    small_promises(**changed_first("bold", i2=math.nan))


@pytest.mark.parametrize("bad", [-0.1, math.nan])
def test_a_distance_is_a_size_or_infinite(bad):
    distance = GIVEN["found"]["first"].distance.clone()
    distance[1] = bad
    with pytest.raises(ValueError, match=r"found\['first'\] has a distance that is negative or NaN"):
        small_promises(found=GIVEN["found"] | {"first": GIVEN["found"]["first"]._replace(distance=distance)})


def test_shapes_and_kinds_of_tensors_are_checked():
    first = GIVEN["lower"]["first"]
    with pytest.raises(ValueError, match=r"lower\['first'\]\['bold'\] must be of shape \(6,\).*got \(5,\)"):
        small_promises(lower=GIVEN["lower"] | {"first": first | {"bold": torch.ones(5)}})
    for values in ([0.1] * 6, torch.ones(6, dtype=torch.long)):
        with pytest.raises(TypeError, match=r"lower\['first'\]\['bold'\] must be a floating-point tensor"):
            small_promises(lower=GIVEN["lower"] | {"first": first | {"bold": values}})
    with pytest.raises(TypeError, match="proofs must be a collection of kinds, got the text 'proof'"):
        small_promises(proofs="proof")
    with pytest.raises(TypeError, match="labels must be an integer tensor"):
        small_promises(predicted=GIVEN["predicted"] | {"first": torch.ones(6)})


def test_an_attack_that_changes_no_answer_is_none():
    predicted = GIVEN["predicted"]["first"].clone()
    predicted[4] = GIVEN["y"][4]
    with pytest.raises(ValueError, match=r"predicted\['first'\] is the true class of image 4: no attack has succeeded"):
        small_promises(predicted=GIVEN["predicted"] | {"first": predicted})


@pytest.mark.parametrize(("image", "bound"), [(2, 0.1201), (3, 1e-9)])
def test_a_proof_beyond_an_attack_is_refused(image, bound):
    """Also on an image that is wrong already, where a proof must be 0."""
    message = rf"'proof' on 'first', image {image}: a proved bound, .*, exceeds an attack, .*: one of them is wrong"
    with pytest.raises(ValueError, match=message):
        small_promises(**changed_first("proof", **{f"i{image}": bound}))
    small_promises(**changed_first("proof", i2=0.12, i1=50.0))  # up to it is right, and without an attack anything is
    small_promises(**changed_first("bold", **{f"i{image}": bound}))
