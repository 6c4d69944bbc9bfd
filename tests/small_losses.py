"""Images of a few pixels and losses whose slopes are known, for the searches around an image."""

import torch

SHAPE = (3, 2, 2)
PIXELS = 12


def images(count=3, low=0.4, high=0.6):
    x = torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return low + (high - low) * x, torch.arange(count) % 3


def bowl(x, y, steepness=2.0, centre=0.3):
    """½ a ‖x − c‖²: its gradient a(x − c) is longest on the far side of the ball, in every norm."""
    return 0.5 * steepness * (x - centre).flatten(1).square().sum(1)
