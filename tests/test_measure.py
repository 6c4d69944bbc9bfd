import pytest
import torch
from conftest import LinearModel

from tulip_lite import measure, norms, recipes
from tulip_lite.data import Split
from tulip_lite.losses import margin


@pytest.fixture
def linear():
    """A linear model on bytes near the middle of the box, labelled as it says: every distance is known."""
    generator = torch.Generator().manual_seed(0)
    model = LinearModel(torch.randn(3, 8, 8, generator=generator))
    images = torch.randint(118, 138, (400, 3, 8, 8), generator=generator, dtype=torch.uint8)
    labels = model(images.float() / 255).argmax(1)
    return model, Split(images, labels)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_error_against_radius_is_the_distribution_of_the_exact_distances(linear, norm):
    model, data = linear
    x, _ = data.tensors()
    distance = model(x)[:, 0].abs() / norms.get(norm).dual(model.weight[None])
    radii = [0.0, *distance.detach().quantile(torch.tensor([0.2, 0.5, 0.9])).tolist()]
    errors = measure.error_against_radius(model, data, norm, radii, steps=40)
    # with PGD's own step size the start's sideways part has shrunk to a tenth: at most 0.5 % of the radius is lost
    assert errors == pytest.approx([0, 0.2, 0.5, 0.9], abs=0.03)


def test_radii_must_increase(linear):
    with pytest.raises(ValueError, match="radii must increase"):
        measure.error_against_radius(*linear, "l2", [0.1, 0.05])


def test_per_image_columns_are_those_of_each_image_alone(linear):
    model, data = linear
    table = measure.per_image(model, data, batch_size=150)
    assert {len(column) for column in table.values()} == {400}
    assert torch.equal(table["predicted"], data.labels)
    x, y = Split(data.images[7:8], data.labels[7:8]).tensors()
    x.requires_grad_()
    loss = margin(model(x), y)
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    assert table["margin"][7].item() == pytest.approx(loss.item(), rel=1e-5)
    assert table["margin_gradient"][7].item() == pytest.approx(gradient.norm().item(), rel=1e-4)


def test_recognised_by_all_gives_only_images_that_every_model_gets_right(sample):
    models = {str(k): recipes.get("undefended").model() for k in range(2)}
    x, y = measure.recognised_by_all(models, sample.test, 5)
    for model in models.values():
        assert torch.equal(measure.predict(model, x), y)
