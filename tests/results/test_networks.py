"""The shipped networks: whole, loadable without unpickling, and still doing what their cards say."""

import json
import os

import pytest
import torch

from tulip_lite import data, measure, recipes, results
from tulip_lite.data import originals
from tulip_lite.results import networks
from tulip_lite.training import clean_error

NETWORKS = recipes.SHIPPED


@pytest.fixture(scope="module", params=NETWORKS)
def shipped(request):
    return request.param, results.load(request.param)


def test_the_card_says_where_the_network_comes_from(shipped):
    name, result = shipped
    card = result.card
    assert card["recipe"] == name and card["profile"] == "pocket"
    assert card["objective"] == repr(recipes.get(name).objective)
    assert (
        card["schedule"]["epochs"]
        == len(result.history)
        == recipes.profile("pocket").schedule_for(recipes.get(name)).epochs
    )
    for key in ("seed", "commit", "torch", "python", "processor", "threads", "data", "seconds", "clean_error"):
        assert card[key] not in (None, "", "unknown"), key
    assert not card["commit"].endswith("dirty")


def test_the_card_agrees_with_the_per_image_measurements(shipped):
    _, result = shipped
    table, card = result.per_image, result.card
    assert all(len(column) == card["test_images"] for column in table.values())
    wrong = (table["predicted"] != table["label"]).float().mean().item()
    assert wrong == pytest.approx(card["clean_error"], abs=1e-6)
    assert torch.equal(table["margin"] < 0, table["predicted"] == table["label"])
    assert wrong == pytest.approx(result.history[-1]["clean_error"], abs=1e-3)


def test_remeasured_on_the_twenty_original_images(shipped):
    """In any clone: the shipped weights say of foolbox's CIFAR-10 images what they said when they were measured."""
    _, result = shipped
    table = measure.per_image(result.model, originals.cifar10())
    stored = result.card["originals"]
    assert table["predicted"].tolist() == stored["predicted"]
    assert table["margin"].tolist() == pytest.approx(stored["margin"], abs=2e-3)
    assert table["margin_gradient"].tolist() == pytest.approx(stored["margin_gradient"], rel=0.02, abs=2e-3)


def test_remeasured_on_the_whole_test_set(shipped):
    source = os.environ.get("TULIP_CIFAR10")
    if not source:
        pytest.skip("set TULIP_CIFAR10 to the image folder the networks were trained on to measure them again")
    _, result = shipped
    images = data.load(source)
    assert images.name == result.card["data"]
    assert clean_error(result.model, images.test) == pytest.approx(result.card["clean_error"], abs=5e-4)


def test_what_a_quarter_of_an_hour_on_two_cores_reaches():
    card = results.load("undefended").card
    assert card["clean_error"] < 0.12
    assert card["seconds"] < 15 * 60 and card["threads"] <= 2


@pytest.mark.parametrize("activation", ["", "-smooth"])
def test_the_penalty_shrank_gradients_and_errors_under_attack(activation):
    plain, penalised = (results.load(f"{name}{activation}") for name in ("undefended", "squared-l2-0.1"))
    assert penalised.per_image["margin_gradient"].mean() < plain.per_image["margin_gradient"].mean() / 2
    for norm in ("l2", "linf"):
        before, after = (result.card["pgd"]["error"][norm] for result in (plain, penalised))
        assert all(b > a for b, a in zip(before[2:], after[2:], strict=True))


# --- the format ------------------------------------------------------------------------------------


CARD = {"classes": ["a"] * 10, "activation": "relu"}


@pytest.fixture
def stored(tmp_path):
    """A result folder of our own, of an untrained network."""
    result = results.Result(recipes.get("undefended").model(), CARD, [{"loss": 1.0}], {"margin": torch.zeros(3)})
    networks.save(result, "undefended", "sample", tmp_path)
    return tmp_path


def test_what_is_stored_is_loaded(stored):
    loaded = results.load("undefended", "sample", stored)
    assert loaded.card == CARD and loaded.history == [{"loss": 1.0}]
    assert torch.equal(loaded.per_image["margin"], torch.zeros(3)) and not loaded.model.training


def test_storing_again_replaces_the_folder_as_a_whole(stored):
    (stored / "sample" / "undefended" / "old-file").write_text("")
    networks.save(results.load("undefended", "sample", stored), "undefended", "sample", stored)
    folder = stored / "sample"
    assert [p.name for p in folder.iterdir()] == ["undefended"]
    assert sorted(p.name for p in (folder / "undefended").iterdir()) == [
        "card.json",
        "per_image.safetensors",
        "weights.safetensors",
    ]


@pytest.mark.parametrize("name", ["weights.safetensors", "per_image.safetensors", "card.json"])
def test_a_damaged_file_is_named(stored, name):
    path = stored / "sample" / "undefended" / name
    if name == "card.json":
        path.write_text(path.read_text()[:-10])
    else:
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=name):
        results.load("undefended", "sample", stored)


def test_the_weights_of_another_network_are_refused(stored):
    path = stored / "sample" / "undefended" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"classes": ["a"] * 3}))
    with pytest.raises(ValueError, match="weights of another model"):
        results.load("undefended", "sample", stored)


@pytest.mark.parametrize("key", ["classes", "activation", "history"])
def test_a_card_that_lacks_what_the_network_is_built_from_is_refused(stored, key):
    path = stored / "sample" / "undefended" / "card.json"
    card = json.loads(path.read_text())
    del card[key]
    path.write_text(json.dumps(card))
    with pytest.raises(ValueError, match=f"card.json lacks {key}: restore it with git, or train again"):
        results.load("undefended", "sample", stored)


def test_a_network_not_trained_yet_says_how_to_train_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m tulip_lite train undefended --profile sample"):
        results.load("undefended", "sample", tmp_path)
    with pytest.raises(ValueError, match="unknown recipe 'undefeated'"):
        results.load("undefeated")
    with pytest.raises(ValueError, match="unknown profile 'big'"):
        results.load("undefended", "big")
