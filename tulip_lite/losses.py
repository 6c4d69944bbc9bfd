"""Losses per image: what is trained on, and what Prop. 2.1 bounds.

Every function takes `logits` (B, K) and `y` (B,) and returns (B,).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """−log softmax(logits)_y per image, (B,), in nats. Computed in at least float32, also under autocast."""
    if logits.dtype in (torch.bfloat16, torch.float16):
        logits = logits.float()
    return F.cross_entropy(logits, y, reduction="none")


def _others(p: Tensor, y: Tensor, fill: float) -> Tensor:
    return p.scatter(1, y[:, None], fill)


def margin(logits: Tensor, y: Tensor, k: int = 1) -> Tensor:
    """The modified Carlini-Wagner loss of Sec. 2.2: the k-th largest p_i, i ≠ y, minus p_y, with p = softmax(logits).

    Returns:
        (B,) in [−1, 1]. Negative exactly where y is among the `k` most probable classes, so ℓ₀ = 0 in Prop. 2.1: k = 1 for
        the classification itself, 5 for the paper's ImageNet rows. As in the authors' code it is taken on probabilities,
        not on logits.

    Raises:
        ValueError: Unless 1 ≤ k < K.
    """
    _check_k(logits, k)
    p = logits.softmax(1)
    return _others(p, y, -torch.inf).topk(k, dim=1).values[:, -1] - p.gather(1, y[:, None])[:, 0]


def logit_margin(logits: Tensor, y: Tensor) -> Tensor:
    """The largest wrong score minus the true one, (B,): the loss of Carlini and Wagner (2017) on scores instead of probabilities.

    Positive where y is not the largest. Its gradient does not vanish where the softmax saturates, so attacks climb it.
    """
    return _others(logits, y, -torch.inf).amax(1) - logits.gather(1, y[:, None])[:, 0]


def soft_margin(logits: Tensor, y: Tensor, temperature: float = 10.0, kind: str = "paper", k: int = 1) -> Tensor:
    """A smooth margin (B,): the maximum over the wrong classes becomes a soft maximum, the k-th largest a soft k-th largest.

    Args:
        temperature: T > 0; the larger, the closer to the maximum.
        kind: ``"paper"`` is Σ_i softmax(T q)_i q_i − p_y, where q is p with the true class set to 0 (and left in the
            softmax), as in the authors' code. It lies *below* the margin, so a negative value does not imply a correct
            classification. ``"logsumexp"`` is (1/T) log Σ_{i≠y} exp(T p_i) − p_y. It lies above the margin, by at most
            log(K − 1)/T.
        k: As in `margin`; above 1 for ``"logsumexp"`` only. With e_k the k-th elementary symmetric polynomial of exp(T
            p_i), i ≠ y, it is (1/T) log(k e_k/e_{k−1}) − p_y: above the margin, by at most log(k (K−1 choose k))/T, and as
            smooth (for k = 1 the same).

    Raises:
        ValueError: For another kind, temperature ≤ 0, or k outside [1, K − 1].
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be > 0, got {temperature!r}")
    _check_k(logits, k)
    p = logits.softmax(1)
    true = p.gather(1, y[:, None])[:, 0]
    if kind == "paper":
        if k > 1:
            raise ValueError("the paper's soft margin is for k = 1: choose kind='logsumexp' for the top k")
        q = _others(p, y, 0.0)
        return ((temperature * q).softmax(1) * q).sum(1) - true
    if kind == "logsumexp":
        others = _others(temperature * p, y, -torch.inf)
        return (others.logsumexp(1) if k == 1 else _soft_kth_largest(others, k)) / temperature - true
    raise ValueError(f"unknown kind {kind!r} of soft margin: choose 'paper' or 'logsumexp'")


def _soft_kth_largest(values: Tensor, k: int) -> Tensor:
    """log(k e_k/e_{k−1}) of exp(values), (B, K) -> (B,), at least the k-th largest value.

    Any k − 1 of the numbers leave one out that is at least the k-th largest, x; so k e_k, the sum of each product of k − 1 times
    what it leaves out, is at least x e_{k−1}.
    """
    kth = values.detach().topk(k, 1).values[:, -1:]  # subtracted, so that nothing overflows that matters
    e = F.pad(values.new_ones(len(values), 1, dtype=torch.float64), (0, k))  # e_0 … e_k of the numbers so far
    for factor in (values - kth).double().exp().unbind(1):
        e = e + factor[:, None] * F.pad(e[:, :-1], (1, 0))
    return (kth[:, 0] + (k * e[:, k] / e[:, k - 1]).log()).to(values.dtype)


def _check_k(logits: Tensor, k: int) -> None:
    if not 1 <= k < logits.shape[1]:
        raise ValueError(f"k must lie in [1, {logits.shape[1] - 1}] for {logits.shape[1]} classes, got {k!r}")


def of(
    model: nn.Module, loss: Callable[..., Tensor], **options: float | str | int
) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of a network as a function of images: `(x, y) -> loss(model(x), y, **options)`, (B, C, H, W), (B,) -> (B,).

    That is the form which `curvature.hessian_extremes` and `gradients` take. The model runs in its own mode: put it in eval mode.
    """
    loss = partial(loss, **options)
    return lambda x, y: loss(model(x), y)
