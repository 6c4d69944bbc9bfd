"""What the playground measures on a network: derivatives of the margin in the input, and L and C as maxima of them.

The same is in `maths.mjs` and agrees with this to 1e-5 (tests/widgets/test_playground.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tulip_lite import losses
from tulip_lite.widgets.playground.data import EDGE


def margin_derivatives(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The margin (B,), its gradient (B, 2) and its Hessian (B, 2, 2) in the input x (B, 2), for labels y (B,)."""
    x = x.detach().requires_grad_()
    margin = losses.margin(model(x), y)
    (gradient,) = torch.autograd.grad(margin.sum(), x, create_graph=True)
    rows = [torch.autograd.grad(gradient[:, k].sum(), x, retain_graph=True)[0] for k in range(2)]
    return margin.detach(), gradient.detach(), torch.stack(rows, 1)


def constants(model: nn.Module, x: Tensor, nodes: int = 33) -> tuple[float, float]:
    """L and C of the margin as maxima over a grid of the picture and the points x (B, 2); C over both labels. Estimates."""
    side = torch.linspace(-EDGE, EDGE, nodes, dtype=torch.float64)
    where = torch.cat([torch.cartesian_prod(side, side), x])
    _, gradient, hessian = margin_derivatives(model, where, torch.zeros(len(where), dtype=torch.long))
    # the margin of the other label is the negative: its largest eigenvalue is minus the smallest one here
    return gradient.norm(dim=1).max().item(), torch.linalg.eigvalsh(hessian).abs().max().item()
