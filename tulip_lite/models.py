"""Networks. They take images in [0, 1] without normalisation, as the paper's CIFAR networks do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from torch import Tensor, nn

from tulip_lite import activations


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in eval mode inside the block; every module gets its own mode back afterwards, also on an error."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


class _Block(nn.Module):
    """3×3 convolution, batch normalisation, activation; where the shape allows, added to its input."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: Callable[[], nn.Module]):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.activation = activation()
        self.residual = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.norm(self.conv(x)))
        return x + y if self.residual else y


class PocketNet(nn.Module):
    """A small residual network of about half a million weights that two CPU cores train in minutes.

    A 3×3 convolution at full resolution, then three pairs of one that halves the resolution and one that is added
    to its input (He et al. 2016); the mean over the image; a linear layer. There is no max-pooling, so that with a
    smooth activation the network is C² in its input, as the C-bound of Prop. 2.1 asks.

    x: (B, 3, H, W) in [0, 1]. Returns logits (B, classes).
    activation: a name in `activations.ACTIVATIONS`, or a factory of modules.
    """

    def __init__(self, classes: int = 10, activation: str | Callable[[], nn.Module] = "relu"):
        super().__init__()
        act = activations.get(activation)
        layers = [_Block(3, 24, 1, act)]
        for inputs, outputs in ((24, 64), (64, 128), (128, 128)):
            layers += [_Block(inputs, outputs, 2, act), _Block(outputs, outputs, 1, act)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))
