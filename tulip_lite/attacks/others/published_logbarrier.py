"""The LogBarrier attack as published (Finlay, Pooladian & Oberman 2019), with its defaults: to compare `logbarrier` with.

From a misclassified image u it descends, with the network's probabilities p(u) and a multiplier λ_k = α βᵏ,

::

    d(u) − λ_k log(max_{i≠y} p_i(u) − p_y(u)),   u ← clip(u − step · gradient, 0, 1),   k = 0 … outer − 1,

and where the step made the network right again, pulls u back, u ← (1 − γ) u + γ u_previous, until it is wrong. In ℓ2 d is half
the squared distance; in ℓ∞ it is Σ_i w_i ``|u − x|_i`` with the weights w = softmax(T ``|u − x|``). The start is x plus Gaussian
noise that grows by 1 % a trial and is not clipped.

Differences from the authors' code, none of which changes what it does where it works:

- An image for which no start is found fails alone (distance ∞); theirs raises an error for the whole batch.
- After 100 halvings, more than float64 resolves, an image that is still classified right returns to the previous iterate; theirs
  would go on for ever. Only the images that were pulled back are looked at again; theirs evaluates the whole batch each time.
- Images that are wrong from the start leave the batch at once (theirs carries them along without moving them), and "wrong" means
  `attacks.adversarial.fooled`: another class leads by more than float32's rounding.
- What it returns is clamped to [0, 1] and judged like every attack here; theirs may return points of the unclipped start.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tulip_lite import norms
from tulip_lite.attacks.adversarial import Adversarial, attacking, fooled, judged
from tulip_lite.checks import check_positive
from tulip_lite.gradients import value_and_gradient
from tulip_lite.norms import per_image

TRIALS = 1001
HALVINGS = 100


def published(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str = "l2",
    *,
    inner: int = 500,
    outer: int = 15,
    step: float = 0.01,
    alpha: float = 0.1,
    beta: float = 0.75,
    gamma: float = 0.5,
    tolerance: float = 1e-6,
    temperature: float = 500.0,
    seed: int = 0,
) -> Adversarial:
    """The nearest misclassified images that LogBarrier finds as published, with at most outer × inner gradients.

    Called like `attacks.logbarrier.logbarrier`, but for its start.

    Args:
        inner: Steps at one multiplier, fewer only where no image of the batch moved by more than `tolerance`.
        seed: Of the starts.

    Raises:
        TypeError, ValueError: For bad images, labels or norm, numbers that are not positive, or a model that returns NaN.
    """
    size = norms.get(norm).size
    check_positive(outer=outer, inner=inner, step=step, alpha=alpha, beta=beta, gamma=gamma)
    check_positive(tolerance=tolerance, temperature=temperature)
    with attacking(model, x, y) as (clean, wrong):
        best = clean.clone()
        start, found = _start(model, clean, y, wrong, seed)
        if found.any():
            u, x, labels = start[found], clean[found], y[found]
            nearest, best_distance = u, size(u - x).fill_(torch.inf)
            for k in range(outer):
                for _ in range(inner):
                    previous = u
                    gradient = _distance_gradient(norm, u - x, temperature)
                    gradient = gradient + _barrier_gradient(model, u, labels, alpha * beta**k)
                    u = _pulled_back(model, (u - step * gradient).clamp(0, 1), previous, labels, gamma)
                    distance = size(u - x)
                    better = per_image(distance <= best_distance, u).bool()
                    nearest = torch.where(better, u, nearest)
                    best_distance = torch.minimum(distance, best_distance)
                    if size(u - previous).max() <= tolerance:
                        break
            best[found] = nearest
        return judged(model, clean, y, best, norm, "published logbarrier")


@torch.no_grad()
def _start(model: nn.Module, clean: Tensor, y: Tensor, wrong: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """(u, found): x + 0.01 · 1.01ʲ · noise with the first j that fools the network, not clipped; found (B,)."""
    generator = torch.Generator(clean.device).manual_seed(seed)
    u, found = clean.clone(), torch.zeros_like(wrong)
    for j in range(TRIALS):
        left = (~wrong & ~found).nonzero().flatten()
        if not len(left):
            break
        noise = torch.randn(clean[left].shape, generator=generator, device=clean.device, dtype=clean.dtype)
        tried = clean[left] + 0.01 * 1.01**j * noise
        hit = fooled(model(tried), y[left])
        u[left[hit]], found[left[hit]] = tried[hit], True
    return u, found


def _barrier_gradient(model: nn.Module, u: Tensor, y: Tensor, multiplier: float) -> Tensor:
    """∇ of −multiplier · log(max_i p_i − p_y): an image that is wrong has its maximum at another class."""

    def barrier(u: Tensor, y: Tensor) -> Tensor:
        p = model(u).softmax(1)
        return -multiplier * (p.amax(1) - p.gather(1, y[:, None])[:, 0]).log()

    return value_and_gradient(barrier, u, y)[1]


def _distance_gradient(norm: str, offset: Tensor, temperature: float) -> Tensor:
    """∇ of ½‖offset‖² in ℓ2, of Σ softmax(T|offset|)|offset| in ℓ∞."""
    if norm == "l2":
        return offset
    size = offset.abs().flatten(1)
    weights = (temperature * size).softmax(1)
    mean = (weights * size).sum(1, keepdim=True)
    slope = weights * (1 + temperature * (size - mean))
    return slope.reshape(offset.shape) * offset.sign()


@torch.no_grad()
def _pulled_back(model: nn.Module, u: Tensor, previous: Tensor, y: Tensor, gamma: float) -> Tensor:
    """u, halved (γ = ½) towards `previous` where the network is right about it, until it is not."""
    left = (~fooled(model(u), y)).nonzero().flatten()
    for _ in range(HALVINGS):
        if not len(left):
            return u
        u[left] = (1 - gamma) * u[left] + gamma * previous[left]
        left = left[~fooled(model(u[left]), y[left])]
    u[left] = previous[left]
    return u
