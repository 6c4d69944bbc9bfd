import pytest
import torch
from torch import nn

from tulip_lite.objectives import AdversarialTraining, CrossEntropy, GradientPenalty
from tulip_lite.objectives.passes import forward_passes


def chain(layers=6, pixels=12, width=12):
    """Square layers, all of the same cost; nothing else that is counted."""
    parts = [nn.Flatten()]
    for _ in range(layers):
        parts += [nn.Linear(pixels, width), nn.Softplus()]
    return nn.Sequential(*parts)


@pytest.mark.parametrize(("objective", "passes"), [
    # the first layer's input needs no gradient in plain training: 1/6 less than 3
    (CrossEntropy(), 3 - 1 / 6),
    (GradientPenalty(), 7 - 1 / 6),
    (GradientPenalty("linf"), 7 - 1 / 6),
    (GradientPenalty(method="central-difference"), 10 - 2 / 6),
    (GradientPenalty(method="double-backprop"), 6),
    # 7 × (forward + gradient in the image) + clean image + last image + training step
    (AdversarialTraining(steps=7), 7 * 2 + 2 + 3 - 1 / 6),
    (AdversarialTraining(steps=3), 3 * 2 + 2 + 3 - 1 / 6),
])  # fmt: skip
def test_a_step_costs_what_the_chapter_derives(objective, passes):
    x, y = torch.rand(4, 3, 2, 2), torch.tensor([0, 1, 2, 3])
    assert forward_passes(objective, chain(), x, y) == pytest.approx(passes, abs=1e-9)


def test_convolutions_count_too():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Flatten(), nn.Linear(128, 10)
    )
    x, y = torch.rand(2, 3, 4, 4), torch.tensor([0, 1])
    first, second, last = 16 * 3 * 8 * 9, 16 * 8 * 8 * 9, 1280
    passes = (3 * (first + second + last) - first) / (first + second + last)
    assert forward_passes(CrossEntropy(), model, x, y) == pytest.approx(passes)


def test_a_model_without_products_is_refused():
    with pytest.raises(ValueError, match="Flatten has neither convolutions nor matrix products"):
        forward_passes(CrossEntropy(), nn.Flatten(), torch.rand(2, 3, 1, 1), torch.tensor([0, 1]))


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 10)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    forward_passes(GradientPenalty(), model, torch.rand(2, 3, 4, 4), torch.tensor([0, 1]))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
