"""PocketNet as the proof of `proved` follows it: the linear part of each layer, and what stands before and after each."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tulip_lite.bounds.operator_norms import convolution_norm
from tulip_lite.models.pocket import PocketNet


class Layer(NamedTuple):
    """The linear part of a layer, with what its operator norm depends on."""

    weight: Tensor  # (out, in, 3, 3), with the scale of the batch normalisation
    size: tuple[int, int]  # of the convolution's input
    stride: int
    pool: float  # operator norm of the mean pooling before it
    residual: bool

    def norm(self) -> float:
        """Upper bound on how much the layer lengthens a deviation of its input, ℓ2."""
        return convolution_norm(self.weight, self.size, self.stride) * self.pool


def layers_of(model: PocketNet, size: tuple[int, int]) -> tuple[list[Layer], list[tuple[int | None, int]]]:
    """The linear part of each layer, and which stream of channels it reads and writes: a sum keeps its stream."""
    stem, blocks = model.layers()
    filters = stem.filters.double() * _gain(stem.norm)[:, None, None, None]
    layers = [Layer(filters, size, 1, 1.0, False)]
    streams: list[tuple[int | None, int]] = [(None, 0)]
    for block in blocks:
        pool = 1.0
        if isinstance(block.pool, nn.AvgPool2d):
            # a mean of two pixels along an axis shortens by √2, but for the lone last pixel of an odd row
            pool = math.prod(1.0 if pixels % 2 else 2**-0.5 for pixels in size)
            size = (math.ceil(size[0] / 2), math.ceil(size[1] / 2))
        stride, gain = block.conv.stride[0], block.norm.weight.double() * _gain(block.norm)
        weight = block.conv.weight.double() * gain[:, None, None, None]
        layers.append(Layer(weight, size, stride, pool, block.residual))
        streams.append((streams[-1][1], streams[-1][1] + (not block.residual)))
        size = (math.ceil(size[0] / stride), math.ceil(size[1] / stride))
    return layers, streams


def _gain(norm: nn.BatchNorm2d) -> Tensor:
    """What batch normalisation multiplies each channel by, before its own weight."""
    assert norm.running_var is not None
    return (norm.running_var.double() + norm.eps).rsqrt()


def both_signs(scale: Tensor, channels: int) -> Tensor:
    """The first layer's outputs go on with both signs: the same scale for either."""
    return scale.repeat(channels // len(scale))


def passes(network: PocketNet, x: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Pre-activations of each layer, what stands after each, and the scores (B, K)."""
    stem, blocks = network.layers()
    before = [stem.norm(F.conv2d(x, stem.filters, padding=1))]
    after = [stem.activation(torch.cat([before[0], -before[0]], 1))]
    for block in blocks:
        before.append(block.norm(block.conv(block.pool(after[-1]))))
        y = block.activation(before[-1])
        after.append(after[-1] + y if block.residual else y)
    y = network.temperature * after[-1].flatten(2)
    pooled = (y.logsumexp(2) - math.log(y.shape[2])) / network.temperature
    return before, after, network.logit_scale * network.head(pooled)
