"""The signs of gradient masking: each fires on what it is there for, none on networks that hide nothing."""

import pytest
import torch
from conftest import LinearModel
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta
from torch import nn

from tulip_lite import results
from tulip_lite.attacks import masking
from tulip_lite.attacks.fmn import fmn
from tulip_lite.attacks.masking import Check, diagnose
from tulip_lite.attacks.others import foolbox
from tulip_lite.attacks.pgd import pgd, smallest_radius
from tulip_lite.data.originals import cifar10
from tulip_lite.models import Scaled

IMAGES, DISTANCE = 20, 0.1
SATURATED = ("zero gradients", "unbounded attack", "loss against radius", "logit margin", "black box")


@pytest.fixture
def bright():
    """Grey images and a linear model that tells bright ones from dark: each is 0.1 from the boundary in ℓ∞."""
    model = LinearModel(torch.ones(3, 2, 2, dtype=torch.float64))
    model.bias.data.fill_(-0.5 * 12)
    x = torch.full((IMAGES, 3, 2, 2), 0.5 + DISTANCE, dtype=torch.float64)
    # each image has a brightness of its own, so that an attack can tell them apart
    return model, x + torch.linspace(0, 1e-3, IMAGES, dtype=torch.float64).view(-1, 1, 1, 1), torch.zeros(IMAGES).long()


def last(x, images):
    """Which (B,) of the images are among the last `images` of the fixture."""
    return x[:, 0, 0, 0] > 0.5 + DISTANCE + 1e-3 * (IMAGES - images - 0.5) / (IMAGES - 1)


def weak(images, **helped_by):
    """An attack that goes 40 % of the way, but for the last `images` all of it if it is called with the options `helped_by`;
    without a random start it does what it should."""

    def attack(model, x, y, norm, radius, steps=20, *, random_start=True, restarts=1, generator=None):
        options = {"steps": steps, "restarts": restarts}
        helped = all(options[name] == value for name, value in helped_by.items())
        strong = last(x, images) & helped | (not random_start)
        return (x - (torch.where(strong, 1.0, 0.4).to(x) * radius).view(-1, 1, 1, 1)).clamp(0, 1)

    return attack


def blind(images):
    """An attack that does what it should, but for the last `images`, which it does not move."""

    def attack(model, x, y, *arguments, **options):
        moved = pgd(model, x, y, *arguments, **options)
        return torch.where(last(x, images).view(-1, 1, 1, 1), x, moved)

    return attack


@given(count=st.integers(0, 60), more=st.integers(0, 60))
def test_the_interval_is_clopper_and_pearson_s(count, more):
    check = Check("", "", count, count + more, "", 0.0)
    low, high = check.interval
    assert low == pytest.approx(beta.ppf(0.025, count, more + 1) if count else 0)
    assert high == pytest.approx(beta.ppf(0.975, count + 1, more) if more else 1)
    assert check.fires == (count > 0)  # a single image is more than none


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_nothing_fires_on_a_linear_model(bright, norm):
    found = diagnose(*bright, norm, 2 * DISTANCE if norm == "linf" else 1.0)
    assert (found.fired, found.images, found.error) == ((), IMAGES, 1.0)


def test_saturated_scores_are_found_out(bright):
    model, x, y = bright
    found = diagnose(Scaled(model, 1e4), x, y, "linf", 2 * DISTANCE)
    assert found.fired == SATURATED and found.error == 0
    assert [check.count for check in found.checks] == [20, 20, 20, 0, 0, 20, 20]


@pytest.mark.parametrize(("name", "helped_by"), [("restarts", {"restarts": 5}), ("more steps", {"steps": 100})])
def test_an_attack_that_more_effort_helps_is_found_out(bright, name, helped_by):
    found = diagnose(*bright, "linf", 2 * DISTANCE, attack=weak(IMAGES, **helped_by))
    assert found.fired == (name, "black box")  # the images are there, so an attack without gradients finds them, too


@pytest.mark.parametrize(("images", "fires"), [(0, False), (3, False), (4, True)])
def test_what_few_images_say_is_no_sign_of_anything(bright, images, fires):
    """3 of 20 may be 5 % by chance, 4 hardly: their interval begins at 5.7 %."""
    found = diagnose(*bright, "linf", 2 * DISTANCE, attack=weak(images, restarts=5))
    restarts = found.checks[3]
    assert (restarts.name, restarts.count, restarts.fires) == ("restarts", images, fires)


@pytest.mark.parametrize(("images", "fires"), [(0, False), (5, False), (6, True)])
def test_an_attack_without_gradients_may_be_luckier_but_not_six_to_none(bright, images, fires):
    """Of two equally good attacks each is the only one to fool an image as often: six times the same has a chance of 1/64."""
    black = diagnose(*bright, "linf", 2 * DISTANCE, attack=blind(images)).checks[-1]
    assert (black.name, black.count, black.of, black.fires) == ("black box", images, images, fires)


def test_a_loss_that_falls_with_the_radius_is_found_out(bright):
    def timid(model, x, y, norm, radius, steps=20, **options):
        return pgd(model, x, y, norm, radius if torch.is_tensor(radius) else DISTANCE**2 / radius, steps, **options)

    assert "loss against radius" in diagnose(*bright, "linf", DISTANCE, attack=timid).fired


def test_where_nothing_is_to_be_found_nothing_fires(bright):
    """Half the distance: no attack can succeed, and that the attack fails is no sign of masking."""
    found = diagnose(*bright, "linf", DISTANCE / 2)
    assert found.fired == () and found.error == 0
    assert found.checks[-1].interval == (0, 1)  # neither attack fools any: there is nothing to compare


def test_a_surrogate_s_images_are_tried_on_the_model(bright, monkeypatch):
    model, x, y = bright
    monkeypatch.setattr(foolbox, "run", None)
    masked, opposite = Scaled(model, 1e4), LinearModel(-model.weight.detach())
    assert diagnose(masked, x, y, "linf", 2 * DISTANCE, surrogate=model).fired == SATURATED
    # brighter images do not fool the model, however bright
    assert "black box" not in diagnose(masked, x, y, "linf", 2 * DISTANCE, surrogate=opposite).fired


def test_misclassified_images_are_left_out(bright):
    model, x, y = bright
    y[::2] = 1
    assert diagnose(model, x, y, "linf").images == IMAGES / 2
    with pytest.raises(ValueError, match="recognises none of these images"):
        diagnose(model, x, 1 - model(x).argmax(1), "linf")


@pytest.mark.parametrize(("change", "complaint"), [
    ({"norm": "l3"}, "unknown norm 'l3'"),
    ({"radius": 0.0}, "radius must be a finite number > 0"),
    ({"x": torch.full((IMAGES, 3, 2, 2), 1.5)}, r"\[0, 1\]"),
    ({"y": torch.full((IMAGES,), 2)}, "labels must lie in"),
])  # fmt: skip
def test_bad_input_is_refused(bright, change, complaint):
    model, x, y = bright
    with pytest.raises(ValueError, match=complaint):
        diagnose(model, **({"x": x, "y": y} | change))
    with pytest.raises(ValueError, match="NaN"):
        diagnose(nn.Sequential(model, nn.Threshold(torch.inf, torch.nan)), x, y)


def test_the_model_and_the_caller_s_random_numbers_are_left_as_they_were_and_the_seed_decides(bright):
    model, x, y = bright
    model.train()
    state = torch.get_rng_state()
    first = diagnose(model, x, y, "linf", DISTANCE, seed=3)
    assert model.training and model.weight.requires_grad and model.weight.grad is None
    assert torch.equal(state, torch.get_rng_state())
    assert diagnose(model, x, y, "linf", DISTANCE, seed=3) == first


@pytest.fixture(scope="module")
def originals():
    return cifar10().tensors()


@pytest.mark.parametrize("name", ["undefended", "undefended-smooth", "squared-l2-0.1", "squared-l2-0.1-smooth"])
def test_the_shipped_networks_hide_nothing(originals, name):
    surrogate = results.load(name.removesuffix("-smooth") if name.endswith("-smooth") else f"{name}-smooth").model
    assert diagnose(results.load(name).model, *originals, surrogate=surrogate).fired == ()


def test_a_network_used_as_if_it_were_distilled_is_found_out(originals):
    """Logits × 100: what defensive distillation at temperature 100 leaves at use (Papernot et al. 2016)."""
    x, y = (part[:12] for part in originals)
    surrogate = results.load("undefended-smooth").model
    found = diagnose(Scaled(results.load("undefended").model, 100), x, y, "linf", surrogate=surrogate)
    assert found.fired == SATURATED


@pytest.mark.parametrize("attack", [smallest_radius, fmn])
def test_attacks_that_climb_the_logit_margin_see_through_it(originals, attack):
    x, y = (part[:3] for part in originals)
    network = results.load("undefended").model
    plain, scaled = attack(network, x, y), attack(Scaled(network, 100), x, y)
    torch.testing.assert_close(scaled.distance, plain.distance, rtol=0.02, atol=0)


def test_a_diagnosis_prints_as_a_table(bright):
    model, x, y = bright
    honest, masked = diagnose(model, x, y, "linf"), diagnose(Scaled(model, 1e4), x, y, "linf", 2 * DISTANCE)
    rows = masking.table({"as it is": honest, "logits × 10⁴": masked}).splitlines()
    assert rows[0].split("|")[-3:-1] == [" as it is ", " logits × 10⁴ "] and len(rows) == 2 + 7 + 2
    cells = [cell.strip() for cell in rows[2].strip("|").split("|")]
    assert cells[0] == "zero gradients" and cells[2] == "none"
    assert cells[3:] == ["0 of 20 (0 to 17 %): passes", "20 of 20 (83 to 100 %): **fires**"]
    assert "as it is: 20 images, 0% of them fooled within linf 0.0314" in rows[-1]
    assert str(masked) == masking.table({"measured": masked})
    with pytest.raises(ValueError, match="no diagnoses"):
        masking.table({})
    assert masking.RADII["linf"] == 8 / 255
