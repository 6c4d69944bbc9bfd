"""An attack viewer of two linear networks, whose nearest misclassified images are known exactly."""

import torch
from torch import nn

from tulip_lite import norms
from tulip_lite.attacks.adversarial import Adversarial, attacking, judged
from tulip_lite.losses import cross_entropy
from tulip_lite.widgets.viewer import AttackViewer

CLASSES = ("red", "green", "blue", "grey")
WRONG, FAILED = 2, 3  # the image that "first" misclassifies unperturbed, and the one on which "timid" fails


def exact(
    model: nn.Module, x: torch.Tensor, y: torch.Tensor, norm: str = "l2", *, rank: int = 1, seed: int = 0
) -> Adversarial:
    """Just across the boundary to the class that is `rank`-th in score, on the straight way. For linear networks."""
    if rank < 1:
        raise ValueError("rank must be at least 1,\nas the first is the class itself")
    with attacking(model, x, y) as (clean, _):
        with torch.no_grad():
            logits = model(clean)
        target = logits.argsort(1, descending=True)[:, rank]
        weight = model[1].weight.detach()
        change = weight[target] - weight[y]
        geometry = norms.get(norm)
        gap = logits.gather(1, y[:, None])[:, 0] - logits.gather(1, target[:, None])[:, 0]
        step = 1.01 * gap / geometry.dual(change)
        offset = step[:, None] * geometry.steepest(change)
        return judged(model, clean, y, clean + offset.view_as(clean), norm, f"rank {rank}")


def timid(model: nn.Module, x: torch.Tensor, y: torch.Tensor, norm: str = "l2", *, seed: int = 0) -> Adversarial:
    """Goes for the third class, and fails on one image."""
    found = exact(model, x, y, norm, rank=2)
    if len(x) > FAILED:
        found.x_adv[FAILED], found.distance[FAILED] = x[FAILED], torch.inf
    return found


def ingredients(images: int = 6, size: int = 8) -> tuple:
    """networks, x, y, classes, found, as `AttackViewer.of` takes them."""
    generator = torch.Generator().manual_seed(0)
    x = 0.35 + 0.3 * torch.rand(images, 3, size, size, generator=generator)
    x = (255 * x).round() / 255
    networks = {}
    for name in ("first", "second"):
        network = nn.Sequential(nn.Flatten(), nn.Linear(3 * size**2, len(CLASSES)))
        nn.init.normal_(network[1].weight, std=0.3, generator=generator)
        nn.init.zeros_(network[1].bias)
        networks[name] = network
    y = networks["first"](x).argmax(1)
    y[WRONG] = (y[WRONG] + 1) % len(CLASSES)
    # the second network is right about all: it would otherwise have nothing to attack
    second = networks["second"][1]
    for _ in range(200):
        (gradient,) = torch.autograd.grad(cross_entropy(networks["second"](x), y).mean(), second.weight)
        second.weight.data -= gradient
    found = {
        (name, norm, attack): run(network, x, y, norm)
        for name, network in networks.items()
        for norm in ("l2", "linf")
        for attack, run in {"exact": exact, "timid": timid}.items()
        if (norm, attack) != ("linf", "timid")
    }
    return networks, x, y, CLASSES, found


def small_viewer(**options: object) -> AttackViewer:
    return AttackViewer.of(*ingredients(), **options)
