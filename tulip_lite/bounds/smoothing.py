"""Randomised smoothing (Cohen, Rosenfeld and Kolter 2019, arXiv 1902.02918): an ℓ2 certificate that holds for any network.

The smoothed classifier g gives an image the class that the network f most often gives its noisy copies::

    g(x) = argmax_c P(f(x + σξ) = c),  ξ standard normal

Theorem 1 (with p_B = 1 − p_A): where P(f(x + σξ) = c) ≥ p > ½, g(x + δ) = c for every ‖δ‖₂ < σ Φ⁻¹(p). So the certificate is of
g, and says nothing of f. p is not known but estimated, hence it holds with probability at least 1 − α *an image*, over the noise
that was drawn: of N certified images up to about αN may be wrong.

What is certified is what was sampled: the float32 network here, and under autocast the bfloat16 one. The theorem is about real
numbers. Noise of floating-point numbers ends near 6σ, and x + σξ, being rounded, tells something of x: networks can be built
that use this to get false certificates (Voráček and Hein 2023, who also show a remedy). Nothing here excludes it for others.

Differences from the authors' code: every image has noise of its own, drawn on the CPU from the seed and the image's index, so
that its certificate is the same in any batch, and on any device as far as scores are rounded alike there.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tulip_lite import norms
from tulip_lite.attacks.adversarial import attacking
from tulip_lite.checks import check_counts, check_images, check_logits, check_positive
from tulip_lite.gradients import value_and_gradient
from tulip_lite.intervals import check_alpha, clopper_pearson, scipy_stats
from tulip_lite.models import evaluating

ABSTAIN = -1
_NEEDS = "randomised smoothing needs scipy"
# drawn at a time: torch.randn(200, …) is not two torch.randn(100, …), so the noise would depend on what fits into memory
BLOCK = 100


class Certified(NamedTuple):
    """What is certified of each image; all (B,), on the CPU.

    Attributes:
        predicted: The class of g, long, or ABSTAIN.
        radius: Float64, ℓ2 pixel units, inside which g gives no other class, 0 where abstained.
        count: How many of the n noisy copies got the class that n0 others had picked.
        lower: Float64, the Clopper-Pearson lower bound on its probability.
    """

    predicted: Tensor
    radius: Tensor
    count: Tensor  # type: ignore[assignment]  # the field has the name of a tuple's method, which nobody calls here
    lower: Tensor


def certify(
    model: nn.Module,
    x: Tensor,
    sigma: float,
    *,
    n0: int = 100,
    n: int = 1000,
    alpha: float = 0.001,
    batch_size: int = BLOCK,
    seed: int = 0,
    index: Sequence[int] | Tensor | None = None,
) -> Certified:
    """CERTIFY: the class of g and a radius within which it does not change, wrong with probability at most alpha an image.

    n0 noisy copies pick the class c, n others bound its probability from below by p; the radius is σ Φ⁻¹(p), and g abstains
    where p ≤ ½. With n copies it cannot exceed σ Φ⁻¹(α^(1/n)). The noise is not clamped. The network runs in eval mode, and
    afterwards is in its own again.

    Args:
        x: (B, C, H, W) in [0, 1], on the model's device.
        sigma: σ > 0, pixel units.
        batch_size: Noisy copies of one image that the network sees at once, up to 100.
        index: B numbers ≥ 0 that with `seed` decide the noise of each image, by default its position.

    Raises:
        ValueError, TypeError: For bad images or options and for a model that returns NaN.
        ImportError: Without scipy.
    """
    scipy_stats(_NEEDS)  # where it is missing, that is to be known before the images are sampled
    check_alpha(alpha)
    check_counts(n0=n0, n=n)
    images = _with_generators(x, sigma, batch_size, seed, index, "certify")
    top, hits = [], []
    with evaluating(model):
        for image, generator in images:
            top.append(int(_votes(model, image, sigma, n0, batch_size, generator).argmax()))
            hits.append(int(_votes(model, image, sigma, n, batch_size, generator)[top[-1]]))
    count = torch.tensor(hits)
    lower = clopper_pearson(count, n, alpha)
    sure = lower > 0.5
    radius = torch.where(sure, sigma * torch.special.ndtri(lower), 0.0)
    return Certified(torch.where(sure, torch.tensor(top), ABSTAIN), radius, count, lower)


def predict(
    model: nn.Module,
    x: Tensor,
    sigma: float,
    *,
    n: int = 100,
    alpha: float = 0.001,
    batch_size: int = BLOCK,
    seed: int = 0,
    index: Sequence[int] | Tensor | None = None,
) -> Tensor:
    """PREDICT: the class (B,) of g, or ABSTAIN; another class than that of g with probability at most alpha an image.

    Abstains where the two classes that most of n noisy copies get could be equally probable: where the two-sided binomial test
    of their counts gives more than alpha. Arguments and errors as for `certify`; the noise is another.
    """
    stats = scipy_stats(_NEEDS)
    check_alpha(alpha)
    check_counts(n=n)
    images = _with_generators(x, sigma, batch_size, seed, index, "predict")
    with evaluating(model):
        votes = torch.stack([_votes(model, image, sigma, n, batch_size, generator) for image, generator in images])
    votes = F.pad(votes, (0, 1))  # a network of one class has no second
    first, second = votes.topk(2).values.T
    # a binomial distribution of probability ½ is symmetric, so both tails together are twice the upper one
    both = 2 * stats.binom.sf(first.numpy() - 1, (first + second).numpy(), 0.5)
    return torch.where(torch.from_numpy(both) <= alpha, votes.argmax(1), ABSTAIN)


def smoothed_attack(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    sigma: float,
    radius: float | Tensor,
    steps: int = 20,
    draws: int = 32,
    *,
    seed: int = 0,
    index: Sequence[int] | Tensor | None = None,
) -> Tensor:
    """Images x_adv (B, C, H, W) in [0, 1] within `radius` of x at which g should no longer give the class y.

    Projected gradient ascent in ℓ2 on −log of the mean of softmax(f(x + σξ))_y over `draws` noisy copies (Salman et al. 2019,
    arXiv 1906.04584), with steps of 2.5 · radius / steps from x. A certificate that it breaks is wrong; one that it does not
    break proves nothing. Call `predict` on the result: whether g is fooled is not known here. Other arguments and errors as for
    `certify`. Differences from the authors' code: the noise is drawn anew at each step, so that the ascent does not fit a few
    draws of it.

    Args:
        y: (B,), the class to leave.
        radius: A number or (B,), ℓ2 pixel units.
    """
    check_counts(steps=steps, draws=draws)
    geometry = norms.get("l2")
    images = _with_generators(x, sigma, draws, seed, index, "attack")
    radius = torch.as_tensor(radius, dtype=x.dtype, device=x.device)
    if not (radius >= 0).all() or not radius.isfinite().all() or (radius.dim() and radius.shape != (len(x),)):
        raise ValueError(f"radius must be a number or ({len(x)},), finite and ≥ 0, got {radius}")
    found = []
    with attacking(model, x, y), torch.enable_grad():
        for (image, generator), label, within in zip(images, y.split(1), radius.expand(len(x)), strict=True):
            moved = image
            for _ in range(steps):
                _, gradient = value_and_gradient(
                    partial(_loss_of_the_mean, model, sigma, draws, generator), moved, label
                )
                ahead = moved + 2.5 * within / steps * geometry.steepest(gradient)
                moved = (image + geometry.project(ahead - image, within)).clamp(0, 1)
            found.append(moved)
    return torch.cat(found)


def _with_generators(
    x: Tensor, sigma: float, batch_size: int, seed: int, index: Sequence[int] | Tensor | None, purpose: str
) -> list[tuple[Tensor, torch.Generator]]:
    """Each image (1, C, H, W) and the generator of its noise, for each purpose another: an attack must not know the judge's."""
    check_images(x)
    check_positive(sigma=sigma)
    check_counts(batch_size=batch_size)
    index = range(len(x)) if index is None else torch.as_tensor(index).tolist()
    if len(index) != len(x) or min(index) < 0 or seed < 0:
        raise ValueError(f"index must be {len(x)} numbers ≥ 0 and seed ≥ 0, got index {list(index)} and seed {seed}")
    entropy = [np.random.SeedSequence([seed, i, zlib.crc32(purpose.encode())]) for i in index]
    seeds = [int(one.generate_state(1, np.uint64)[0]) for one in entropy]
    return [(image, torch.Generator().manual_seed(own)) for image, own in zip(x.detach().split(1), seeds, strict=True)]


def _noisy(image: Tensor, sigma: float, count: int, generator: torch.Generator) -> Tensor:
    """`count` noisy copies (count, C, H, W) of an image (1, C, H, W), in the memory format in which convolutions are fast."""
    noise = torch.randn((count, *image.shape[1:]), generator=generator, dtype=image.dtype).to(image.device)
    layout = torch.channels_last if image.dim() == 4 else torch.contiguous_format
    return (image + sigma * noise).contiguous(memory_format=layout)


def _loss_of_the_mean(
    model: nn.Module, sigma: float, draws: int, generator: torch.Generator, image: Tensor, label: Tensor
) -> Tensor:
    """−log of the summed probabilities of `label` (1,) over noisy copies of an image (1, C, H, W): (1,)."""
    log_p = model(_noisy(image, sigma, draws, generator)).log_softmax(1)[:, label]
    return -log_p.logsumexp(0)


@torch.inference_mode()
def _votes(
    model: nn.Module, image: Tensor, sigma: float, count: int, batch_size: int, generator: torch.Generator
) -> Tensor:
    """How many (K,) of `count` noisy copies of an image (1, C, H, W) get each class."""
    votes: Tensor | int = 0
    for begin in range(0, count, BLOCK):
        for copies in _noisy(image, sigma, min(BLOCK, count - begin), generator).split(batch_size):
            logits = model(copies)
            check_logits(logits)
            votes = votes + logits.argmax(1).bincount(minlength=logits.shape[1])
    return torch.as_tensor(votes).cpu()
