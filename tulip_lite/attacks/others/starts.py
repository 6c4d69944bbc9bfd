"""Misclassified images to begin at, for attacks that follow the boundary from outside."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tulip_lite.attacks.adversarial import Adversarial, fooled, judged, nearer, to_boundary

# rounds of the search; most images have a start after the first
_ROUNDS = 25


@torch.no_grad()
def with_starts(
    model: nn.Module, clean: Tensor, y: Tensor, known: Adversarial, norm: str, name: str, seed: int
) -> Adversarial:
    """`known`, and for each image that is not found in it the nearest misclassified one on the way to images that other classes
    may hold: others of the batch, its own negative, uniform and black-and-white noise, black and white."""
    lost = known.distance.isinf().nonzero()[:, 0]
    if not len(lost):
        return known
    generator = torch.Generator(clean.device).manual_seed(seed)
    images, labels = clean[lost], y[lost]
    best = judged(model, images, labels, images, norm, name)
    ends = [torch.zeros_like(images), torch.ones_like(images), 1 - images]
    for _ in range(_ROUNDS):
        order = torch.randperm(len(clean), generator=generator, device=clean.device)
        noise = torch.rand(images.shape, generator=generator, device=clean.device, dtype=clean.dtype)
        for end in (*ends, clean[order[lost]], noise, noise.round(), 1 - noise.round()):
            hit = fooled(model(end), labels).nonzero()[:, 0]
            if len(hit):
                pulled = images.clone()
                pulled[hit] = to_boundary(model, images[hit], labels[hit], end[hit])
                best = nearer(best, judged(model, images, labels, pulled, norm, name))
        ends = []
        if best.distance.isfinite().all():
            break
    names = dict(zip(lost.tolist(), best.attack, strict=True))
    return Adversarial(
        known.x_adv.index_copy(0, lost, best.x_adv),
        known.distance.index_copy(0, lost, best.distance),
        tuple(names.get(i, given) for i, given in enumerate(known.attack)),
    )
