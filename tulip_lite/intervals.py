"""Exact confidence intervals of a probability of which only counts are known (Clopper and Pearson 1934)."""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor

from tulip_lite.checks import check_counts


def share(count: int, of: int) -> tuple[float, float]:
    """The two-sided 95 % interval (low, high) of a share, in [0, 1], of which `count` of `of` draws were hits.

    (0, 1) where there was nothing to count.

    Raises:
        ImportError: Saying what to install, without scipy.
    """
    if not of:
        return 0.0, 1.0
    interval = scipy_stats("confidence intervals come from scipy").binomtest(count, of).proportion_ci()
    return float(interval.low), float(interval.high)


def clopper_pearson(count: Tensor, n: int, alpha: float) -> Tensor:
    """The lower confidence bound p (B,), float64, on a probability of which n draws hit `count` (B,) times.

    P(X ≥ count) = α for X binomial of n and p (Clopper and Pearson 1934, one-sided); 0 where nothing was hit, α^(1/n) where
    all were. It exceeds the true probability with probability at most alpha.

    Raises:
        ValueError: For counts outside [0, n].
    """
    check_alpha(alpha)
    check_counts(n=n)
    if ((count < 0) | (count > n)).any():
        raise ValueError(f"counts must lie in [0, {n}], got {int(count.min())} to {int(count.max())}")
    count = count.cpu()
    stats = scipy_stats("confidence bounds come from scipy")
    below = stats.beta.ppf(alpha, count.clamp_min(1).numpy(), (n - count + 1).numpy())
    return torch.where(count > 0, torch.as_tensor(below, dtype=torch.float64), 0.0)


def check_alpha(alpha: float) -> None:
    """alpha, the chance of an error, must lie strictly between 0 and 1.

    Raises:
        ValueError: Otherwise.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie strictly between 0 and 1, got {alpha!r}")


def scipy_stats(why: str) -> ModuleType:
    """scipy.stats, imported when it is needed.

    Args:
        why: What it is needed for.

    Raises:
        ImportError: Saying what to install, without it.
    """
    try:
        import scipy.stats
    except ImportError as error:
        raise ImportError(f"{why}: pip install 'tulip_lite[attacks]'") from error
    return scipy.stats
