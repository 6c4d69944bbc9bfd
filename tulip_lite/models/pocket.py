"""Networks that take images in [0, 1] without normalisation, as the paper's CIFAR networks do."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tulip_lite import activations


class OpponentCosines(nn.Module):
    """Fixed first layer: 3×3 cosine transforms of brightness and two colour differences, each brought to variance 1.

    Sixteen orthonormal filters in `activation(u)` and `activation(−u)`, so 32 channels at full resolution. Neighbouring
    pixels say almost the same; a cosine transform takes that correlation out (it is what JPEG does), batch normalisation
    makes the rare fine detail as loud as the coarse, and training need not learn either. It takes
    (B, 3, H, W) to (B, 32, H, W). No weights are trained; the variances are those of the training images.
    """

    channels = 32
    filters: Tensor

    def __init__(self, activation: Callable[[], nn.Module]):
        super().__init__()
        i = torch.arange(3, dtype=torch.float64)
        cosines = torch.cos(torch.pi * i[:, None] * (2 * i + 1) / 6)  # DCT-II: row k is frequency k
        cosines /= cosines.norm(dim=1, keepdim=True)
        colours = torch.tensor([[1, 1, 1], [1, 0, -1], [1, -2, 1]], dtype=torch.float64)
        colours /= colours.norm(dim=1, keepdim=True)
        # all frequencies of the brightness but the finest, of the colours those up to 1
        kept = [(0, k, m) for k in range(3) for m in range(3) if k + m < 4]
        kept += [(c, k, m) for c in (1, 2) for k in range(2) for m in range(2)]
        filters = [torch.einsum("c,h,w->chw", colours[c], cosines[k], cosines[m]) for c, k, m in kept]
        self.register_buffer("filters", torch.stack(filters).float())
        # eps: what varies by less than 0.03 is noise and stays quiet
        self.norm = nn.BatchNorm2d(len(kept), affine=False, eps=1e-3)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        u = self.norm(F.conv2d(x, self.filters, padding=1))
        return self.activation(torch.cat([u, -u], 1))


class _Block(nn.Module):
    """3×3 convolution, batch normalisation, activation; where the shape allows, added to its input."""

    def __init__(self, inputs: int, outputs: int, activation: Callable[[], nn.Module], stride: int = 1, pool: int = 1):
        super().__init__()
        self.pool = nn.AvgPool2d(pool, ceil_mode=True) if pool > 1 else nn.Identity()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.activation = activation()
        self.residual = inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.norm(self.conv(self.pool(x))))
        return x + y if self.residual else y


class PocketNet(nn.Module):
    """A small residual network of about half a million weights that two CPU cores train in minutes.

    A fixed first layer at full resolution; five 3×3 convolutions at a half, a quarter and an eighth of it, two of them
    added to their input (He et al. 2016); a soft maximum over the image, log-mean-exp; a linear layer. No maximum in it is
    a hard one, so that with a smooth activation the network is C² in its input, as the C-bound of Prop. 2.1 asks.

    It takes images (B, 3, H, W) in [0, 1] to logits (B, classes).

    Args:
        classes: How many.
        activation: A name in `activations.ACTIVATIONS`, or a factory of modules.
    """

    temperature = 4.0
    # maxima are larger than means: without it a learning rate that suits the convolutions is too high for the head
    logit_scale = 0.25

    def __init__(self, classes: int = 10, activation: str | Callable[[], nn.Module] = "relu"):
        super().__init__()
        act = activations.get(activation)
        stem = OpponentCosines(act)
        self.features = nn.Sequential(
            stem,
            _Block(stem.channels, 64, act, stride=2),
            _Block(64, 64, act),
            _Block(64, 128, act, pool=2),
            _Block(128, 128, act),
            _Block(128, 256, act, pool=2),
        )
        self.head = nn.Linear(256, classes)

    def layers(self) -> tuple[OpponentCosines, list[_Block]]:
        """The first layer, and the blocks after it."""
        stem, *blocks = self.features
        assert isinstance(stem, OpponentCosines)
        return stem, [block for block in blocks if isinstance(block, _Block)]

    def forward(self, x: Tensor) -> Tensor:
        y = self.features(x).flatten(2)
        y = y.to(torch.promote_types(y.dtype, torch.float32))  # a sum of exponentials wants more than bfloat16 has
        y = (torch.logsumexp(self.temperature * y, 2) - math.log(y.shape[2])) / self.temperature
        return self.logit_scale * self.head(y)
