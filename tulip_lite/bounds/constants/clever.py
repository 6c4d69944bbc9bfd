"""CLEVER: the end of the distribution of gradient norms near an image, by extreme value theory (Weng et al. 2018).

Largest values of many independent draws follow one of three distributions, and where the draws have a finite upper end, the
reverse Weibull. Its fitted end (the location) is CLEVER's estimate of the local constant L. It extrapolates what random points
saw; where the gradient is large only in few directions, no random point sees it (`lipschitz.ascended` looks for
these). So this too is an estimate, in practice from below, and no certificate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tulip_lite.bounds.constants import lipschitz
from tulip_lite.checks import check_counts
from tulip_lite.gradients import Loss
from tulip_lite.intervals import scipy_stats

_FIRST_SHAPES = (1.0, 2.0, 5.0)  # of the reverse Weibull, where the search for the likeliest begins
_WORST_P_VALUE = 1e-3  # as in the authors' code, which takes the largest sample then
_PENALTY = 0.01  # on (scale / range of the maxima)², added to −log likelihood, as there


class Clever(NamedTuple):
    """What `clever` returns, each (B,).

    Attributes:
        estimate: The fitted end, or `largest` where there is none; loss per pixel unit of the norm.
        largest: The largest norm sampled, in the same unit.
        p_value: Of the Kolmogorov-Smirnov test of the maxima against the fit.
        shape: Of the fit, without a unit.
        scale: Of the fit, in the unit of `estimate`.
    """

    estimate: Tensor
    largest: Tensor
    p_value: Tensor
    shape: Tensor
    scale: Tensor


def clever(
    loss: Loss,
    x: Tensor,
    y: Tensor,
    norm: str,
    radius: float | Tensor,
    batches: int = 32,
    samples: int = 32,
    seed: int = 0,
) -> Clever:
    """The end of a reverse Weibull distribution fitted to largest gradient norms: an estimate of the local L (Weng et al. 2018).

    Each of `batches` maxima is the largest dual norm of ∇ₓ ℓ at `samples` uniform points of the ball (arguments as everywhere
    in `lipschitz`). To them a reverse Weibull, F(m) = exp(−((a − m)/scale)^shape) for m ≤ a, is fitted by maximum
    likelihood, from several first guesses, of which the best p-value is kept. Where the maxima look like a Gumbel
    distribution, which has no end, the likeliest end lies at infinity; so −log likelihood gets the authors' penalty
    0.01 (scale/range)², with the range from the smallest to the largest maximum. There the estimate is what the penalty allows,
    a few ranges beyond the largest, with a large shape: read the two together.

    The plain Kolmogorov-Smirnov p-value is too kind, since the parameters were fitted to the same maxima: a small one speaks
    against the fit, a large one says little. The estimate is `largest` where the p-value is below 0.001, and where the maxima
    are equal up to rounding, as for a linear loss: p_value, shape and scale are NaN then.

    Differences from the authors' code: there the lengths of the ℓ2 perturbations are uniform, so that most points lie nearer the
    image than points uniform in the ball, and the first guesses of the shape run from 0.1 to 100. Its penalty is called one on
    the shape, but the parameter that it squares is the scale.

    Raises:
        ValueError: As in `lipschitz`, and for fewer than 4 batches.
        ImportError: Without scipy.
    """
    scipy_stats("CLEVER fits its distribution with scipy")  # where it is missing, before the long part
    check_counts(batches=batches, samples=samples)
    if batches < 4:
        raise ValueError(f"batches must be at least 4, got {batches}: three parameters are fitted to as many maxima")
    found = lipschitz.random_norms(loss, x, y, norm, radius, batches * samples, seed)
    maxima = found.view(len(x), batches, samples).amax(2)
    largest = maxima.amax(1)
    fits = torch.tensor([_fit(m, torch.finfo(x.dtype).eps) for m in maxima.cpu()], dtype=torch.float64).to(largest)
    return Clever(torch.maximum(fits[:, 0], largest), largest, *fits[:, 1:].T)


def _fit(maxima: Tensor, eps: float) -> tuple[float, float, float, float]:
    """(estimate, p-value, shape, scale) of one image's maxima (n,), whose rounding is `eps` of their size."""
    from scipy.stats import kstest, weibull_max

    values = maxima.double().numpy()
    largest = float(values.max())
    spread = largest - float(values.min())
    if spread <= 100 * eps * largest:
        return largest, math.nan, math.nan, math.nan
    # fitted with the largest at 0 and the smallest at −1: the search has absolute tolerances
    scaled = (values - largest) / spread
    fits = []
    for first in _FIRST_SHAPES:
        # location and scale that give the maxima's mean and deviation
        mean, second = math.gamma(1 + 1 / first), math.gamma(1 + 2 / first)
        wide = scaled.std() / math.sqrt(second - mean**2)
        far = max(scaled.mean() + wide * mean, 0.01)
        shape, end, scale = weibull_max.fit(scaled, first, loc=far, scale=wide, optimizer=_penalised)
        p_value = float(kstest(scaled, weibull_max(shape, end, scale).cdf).pvalue)
        fits.append((p_value, float(end), float(shape), float(scale)))
    p_value, end, shape, scale = max(fits)
    estimate = largest + spread * end if p_value >= _WORST_P_VALUE else largest
    return estimate, p_value, shape, spread * scale


def _penalised(negative_log_likelihood: Callable[..., float], start: Sequence[float], args: tuple, **options) -> object:
    """scipy's own search (Nelder-Mead), with the penalty. It minimises over (shape, location, scale)."""
    from scipy.optimize import fmin

    return fmin(
        lambda theta, *data: negative_log_likelihood(theta, *data) + _PENALTY * theta[2] ** 2, start, args, **options
    )
