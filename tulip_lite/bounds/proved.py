"""A proved local Lipschitz constant of a PocketNet, and the ℓ2 radius that it certifies.

Everything else in the book estimates L. Here is a number that is an upper bound, by this argument. Let f be the difference of two
logits, g its gradient at x, and let ‖δ‖₂ ≤ R.

1. *Forward.* A layer with operator norm N lengthens a deviation at most N times, an activation with slopes in [0, 1] not at all,
   and adding the input adds 1: so the pre-activations of layer k move by at most Nₖ ρₖ₋₁ in ℓ2, ρₖ growing from ρ₋₁ = R.
2. *Slopes.* To change a neuron's slope costs some of that: ``|aᵢ|`` for a ReLU, which must cross its kink. The most that the
   gradient arriving there can change, q, is therefore the largest Σ gᵢ² over neurons whose costs aᵢ² sum to at most (Nₖ ρₖ₋₁)²: a
   knapsack, of which the fractional relaxation, solved by sorting, is an upper bound.
3. *Backward.* If the gradient above layer k has changed by at most e, below it has by at most N (q + e), plus e where the layer's
   input is added. Down at the image ‖∇f(x + δ)‖₂ ≤ ‖g‖₂ + e =: L(R).

L(R) tends to the gradient at x as R → 0 and never falls, so f(x + δ) − f(x) ≤ ∫₀^R L, which is summed from above. What is
certified is the network in exact arithmetic with its stored weights; the computation is in double precision, whose rounding is
some 1e-12, and L and the gap are moved by 1e-9 of themselves to the safe side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tulip_lite.activations import SmoothReLU
from tulip_lite.bounds.layers import Layer, both_signs, layers_of, passes
from tulip_lite.bounds.operator_norms import INFLATION
from tulip_lite.checks import check_images, check_labels
from tulip_lite.models import PocketNet, evaluating

RADII = tuple(1e-6 * 1.2**k for k in range(85))  # 1e-6 … 4.5, ℓ2 pixel units


class Certified(NamedTuple):
    """What is proved of each image.

    Attributes:
        radius: (B,), ℓ2 pixel units; no perturbation shorter than it changes a right answer; 0 where the answer is wrong.
        lipschitz: (B,), L at that radius of the two logits that limit it, per pixel unit.
    """

    radius: Tensor
    lipschitz: Tensor


class Certifier:
    """The operator norms of a PocketNet's layers, computed once, in coordinates in which their product is small.

    A diagonal change of coordinates between two layers changes neither the network nor the argument, since activations act
    on each neuron by itself; it takes what one layer amplifies and the next weakens out of both (equilibration, as in
    Osborne 1960).

    Args:
        model: ReLU or smooth ReLU, in any mode.
        size: Height and width of its images.
        rounds: How often the coordinates are balanced.

    Raises:
        TypeError: For another network or activation, whose argument this is not.
        ValueError: For weights that are not finite.
    """

    def __init__(self, model: nn.Module, size: tuple[int, int] = (32, 32), rounds: int = 3):
        if not isinstance(model, PocketNet):
            raise TypeError(
                f"the proof follows PocketNet layer by layer, and this is a {type(model).__name__}: use an estimate, "
                "such as bounds.constants.lipschitz.ascended, or randomised smoothing"
            )
        stem = model.layers()[0]
        self.smooth = isinstance(stem.activation, SmoothReLU)
        if not (self.smooth or isinstance(stem.activation, nn.ReLU)):
            raise TypeError(f"the proof needs ReLU or SmoothReLU, got {type(stem.activation).__name__}")
        self.model = model
        with torch.no_grad():
            layers, self.streams = layers_of(model, size)
            candidates = [torch.ones(count, dtype=torch.float64) for count in self._channels(layers)]
            self.scales, self.norms, best = candidates, [], math.inf
            for _ in range(rounds + 1):
                norms = [layer.norm() for layer in self._scaled(layers, candidates)]
                product = math.prod(1 + n if layer.residual else n for n, layer in zip(norms, layers, strict=True))
                product *= (candidates[-1] * model.head.weight.double()).norm(dim=1).max().item()
                if product < best:
                    self.scales, self.norms, best = candidates, norms, product
                candidates = self._equilibrated(layers, candidates, norms)
            self.residual = [layer.residual for layer in layers]

    def radius(self, x: Tensor, y: Tensor, radii: Sequence[float] = RADII, batch_size: int = 20) -> Certified:
        """The certified radius of each image: x (B, 3, H, W) in [0, 1], y (B,). See `Certified`.

        Args:
            radii: Rising; where L is computed, ℓ2 pixel units. More of them make the radius larger, never wrong.
        """
        parts = [self._radius(*batch, radii) for batch in zip(x.split(batch_size), y.split(batch_size), strict=True)]
        return Certified(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def local_lipschitz(self, x: Tensor, y: Tensor, radii: Sequence[float]) -> tuple[Tensor, Tensor]:
        """(gap (B, K), L (B, K, R)) in double precision: for each class i the score of y less that of i, rounded down, and an
        upper bound on ‖∇(zᵢ − z_y)‖₂ over the ball of each radius. For i = y both are 0. Scores, not probabilities."""
        check_images(x)
        check_labels(y, self.model.head.out_features, len(x))
        reach = torch.tensor(list(radii), dtype=torch.float64)
        if not (len(reach) and (reach > 0).all() and (reach.diff() > 0).all() and reach.isfinite().all()):
            raise ValueError("radii must be positive, finite and rising")
        network = PocketNet(self.model.head.out_features, SmoothReLU if self.smooth else nn.ReLU)
        network.load_state_dict(self.model.state_dict())
        network = network.double().requires_grad_(False)
        with evaluating(network), torch.enable_grad():
            return self._lipschitz(network, x.detach().double().cpu().requires_grad_(), y.cpu(), reach)

    def _lipschitz(self, network: PocketNet, x: Tensor, y: Tensor, reach: Tensor) -> tuple[Tensor, Tensor]:
        before, after, scores = passes(network, x)
        deviation = [reach * self.norms[0]]
        for norm, residual in zip(self.norms[1:], self.residual[1:], strict=True):
            deviation.append(deviation[-1] * (norm + residual))
        budgets = [reach * self.norms[0], *(d * n for d, n in zip(deviation, self.norms[1:], strict=False))]
        steps = [self._flips(a.detach(), scale) for a, scale in zip(before, self._of_layers(), strict=True)]

        gap, lipschitz = scores.new_zeros(scores.shape), scores.new_zeros(*scores.shape, len(reach))
        head = network.logit_scale * network.head.weight
        true = scores.gather(1, y[:, None])[:, 0]
        for i in range(scores.shape[1]):
            difference = scores[:, i] - true
            gap[:, i] = -difference.detach() - 1e-9 * (scores[:, i].abs() + true.abs()).detach()
            at_x, *above = torch.autograd.grad(difference.sum(), [x, *after], retain_graph=True)
            row = self.scales[-1] * (head[i] - head[y])
            error = _pooling_error(row, self.scales[-1], deviation[-1], network.temperature)
            limit = row.norm(dim=1, keepdim=True)
            for k in reversed(range(len(before))):
                change = self._slope_change(above[k], k, *steps[k], budgets[k])
                error = self.norms[k] * (change + error) + self.residual[k] * error
                limit = limit * (self.norms[k] + self.residual[k])
            lipschitz[:, i] = torch.minimum(at_x.flatten(1).norm(dim=1, keepdim=True) + error, limit) * INFLATION
        own = F.one_hot(y, scores.shape[1]).bool()
        return gap.masked_fill(own, 0), lipschitz.cummax(2).values.masked_fill(own[:, :, None], 0)

    def _radius(self, x: Tensor, y: Tensor, radii: Sequence[float]) -> Certified:
        gap, lipschitz = self.local_lipschitz(x, y, radii)
        reach = torch.tensor([0.0, *radii], dtype=torch.float64)
        rise = F.pad((lipschitz * reach.diff()).cumsum(2), (1, 0))  # (B, K, R + 1)
        gap = gap.clamp_min(0)[:, :, None]
        # the last radius at which the rise is still below the gap, and as far into the next cell as its L allows
        last = (rise <= gap).sum(2, keepdim=True) - 1
        slope = lipschitz.gather(2, last.clamp_max(len(radii) - 1))
        beyond = torch.where(last < len(radii), (gap - rise.gather(2, last)) / slope, 0)
        radius = (reach[last] + beyond)[:, :, 0] * (1 - 1e-9)
        radius[torch.arange(len(y)), y] = torch.inf
        least = radius.min(1)
        return Certified(least.values, slope[:, :, 0].gather(1, least.indices[:, None])[:, 0])

    def _of_layers(self) -> list[Tensor]:
        """For each layer the scale of its output's channels."""
        return [self.scales[out] for _, out in self.streams]

    def _flips(self, a: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """For each neuron with pre-activation a (B, C, H, W): by how much its slope can change, squared, and what the whole of
        that change costs of the squared deviation. In between, the squared change is at most in proportion to the cost."""
        size = a.abs()
        if self.smooth:
            # near the kink's place |σ″| ≤ 3/2; beyond it a must first come back, see tests/bounds/test_proved.py
            slope = (t := (a + 0.5).clamp(0, 1)) * t * (3 - 2 * t)
            most = torch.maximum(slope, 1 - slope) ** 2
            cost = torch.where(size < 0.5, most / 2.25, (size - 0.5 + 8 / 9) ** 2)
        else:
            most, cost = torch.ones_like(a), size**2
        return most.flatten(1), (cost / scale[:, None, None] ** 2).flatten(1)

    def _slope_change(self, gradient: Tensor, k: int, most: Tensor, cost: Tensor, budget: Tensor) -> Tensor:
        """(B, R): the largest ℓ2 change of the gradient below layer k's activation by changed slopes, q of step 2."""
        if k == 0:  # two activations of opposite sign on each of the first layer's outputs, whose slopes add up to 1
            gradient = gradient.unflatten(1, (2, -1)).sum(1)
        value = most * (self._of_layers()[k][:, None, None] * gradient).flatten(1) ** 2
        return _fractional_knapsack(value, cost, (budget**2).expand(len(value), -1)).sqrt()

    def _channels(self, layers: list[Layer]) -> list[int]:
        widths = {out: layer.weight.shape[0] for layer, (_, out) in zip(layers, self.streams, strict=True)}
        return [widths[stream] for stream in sorted(widths)]

    def _scaled(self, layers: list[Layer], scales: list[Tensor]) -> list[Layer]:
        found = []
        for layer, (into, out) in zip(layers, self.streams, strict=True):
            weight = layer.weight / scales[out][:, None, None, None]
            if into is not None:
                weight = weight * both_signs(scales[into], weight.shape[1])[:, None, None]
            found.append(layer._replace(weight=weight))
        return found

    def _equilibrated(self, layers, scales, norms) -> list[Tensor]:
        """Each channel's scale such that what produces it and what takes it up are equally large, as measured now."""
        made, taken = ([torch.zeros_like(scale) for scale in scales] for _ in range(2))
        for layer, norm, (into, out) in zip(self._scaled(layers, scales), norms, self.streams, strict=True):
            squares = (layer.pool * layer.weight / norm) ** 2
            made[out] += squares.sum((1, 2, 3))
            if into is not None:
                taken[into] += squares.sum((0, 2, 3)).unflatten(0, (-1, len(scales[into]))).sum(0)
        head = (scales[-1] * self.model.head.weight.double()) ** 2
        taken[-1] += head.sum(0) / head.sum(1).max()
        return [s * (m / t.clamp_min(1e-12 * t.max())) ** 0.25 for s, m, t in zip(scales, made, taken, strict=True)]


def _pooling_error(row: Tensor, scale: Tensor, deviation: Tensor, temperature: float) -> Tensor:
    """(B, R): by how much the gradient of the soft maximum over the image can change. Its weights are a softmax, whose Jacobian
    has norm at most ½ (so they move at most temperature/2 times as far as what they weigh), and two of which are at most √2
    apart. row: (B, C), the head's, scaled."""
    moved = temperature / 2 * (scale * row).abs().amax(1, keepdim=True) * deviation
    return torch.minimum(moved, math.sqrt(2) * row.norm(dim=1, keepdim=True))


def _fractional_knapsack(value: Tensor, cost: Tensor, budget: Tensor) -> Tensor:
    """max Σ zᵢ valueᵢ with 0 ≤ zᵢ ≤ 1 and Σ zᵢ costᵢ ≤ budget, for (B, n), (B, n) and (B, R): (B, R). Best ratio first."""
    order = (value / cost.clamp_min(torch.finfo(cost.dtype).tiny)).argsort(1, descending=True)
    values, costs = (F.pad(v.gather(1, order).cumsum(1), (1, 0)) for v in (value, cost))
    whole = torch.searchsorted(costs, budget.contiguous(), right=True) - 1  # so many fit as a whole
    following = (whole + 1).clamp_max(value.shape[1])
    left = budget - costs.gather(1, whole)
    share = (left / costs.diff(dim=1).gather(1, (following - 1)).clamp_min(torch.finfo(cost.dtype).tiny)).clamp(0, 1)
    taken = values.gather(1, whole)
    return taken + share * (values.gather(1, following) - taken)
