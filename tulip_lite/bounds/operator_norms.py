"""How much a convolution can lengthen an image: its ℓ2 operator norm, bounded from above.

Power iteration approaches the norm from below and proves nothing. A convolution on a torus is diagonal in the Fourier basis, so
that its norm is the largest singular value of one small matrix for each frequency (Sedghi, Gupta & Long, 2019). A convolution
padded with zeros is a part of one on a torus with one pixel more in each direction, where the zeros meet: it first embeds the
image, then drops pixels, and neither lengthens anything.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# what the largest singular value is raised by, so that rounding cannot make a bound too small: LAPACK's error in double
# precision is below 1e-12 of the largest singular value for matrices of the sizes met here
INFLATION = 1 + 1e-9


def convolution_norm(weight: Tensor, size: tuple[int, int], stride: int = 1) -> float:
    """Upper bound on ‖conv(u)‖₂/‖u‖₂ of the convolution padded with one zero on each side, over images u of `size` pixels.

    The bound is the norm of the convolution on the torus (exact there, but for rounding, which is added).

    Args:
        weight: (out, in, 3, 3).
        size: Height and width of the input.
        stride: 1 or 2.

    Raises:
        ValueError: For kernels other than 3×3, other strides, or weights that are not finite.
    """
    if weight.dim() != 4 or weight.shape[2:] != (3, 3) or stride not in (1, 2):
        raise ValueError(
            f"only 3×3 convolutions of stride 1 or 2 are bounded here, got kernel {tuple(weight.shape[2:])}, stride {stride}"
        )
    if not weight.isfinite().all():
        raise ValueError("the convolution's weights are not finite: its training diverged, or its file is damaged")
    rows, columns = (_taps(pixels, stride) for pixels in size)
    # (frequencies, frequencies, out, in · phases)
    symbol = torch.einsum("oikl,pak,qbl->aboipq", weight.detach().double().to(rows.dtype), rows, columns).flatten(3)
    return torch.linalg.svdvals(symbol).max().item() * INFLATION


def _taps(pixels: int, stride: int) -> Tensor:
    """What each of three taps, at −1, 0 and 1, does to each phase of a row: (phases, frequencies, 3).

    With stride 2 the even and the odd pixels are two images of half the size: output i takes the odd pixel i − 1, the even
    pixel i and the odd pixel i.
    """
    outputs = math.ceil(pixels / stride)
    turn = torch.exp(-2j * math.pi * torch.arange(outputs + 1, dtype=torch.float64) / (outputs + 1))
    one, zero = torch.ones_like(turn), torch.zeros_like(turn)
    if stride == 1:
        return torch.stack([turn, one, turn.conj()], 1)[None]
    return torch.stack([torch.stack([zero, one, zero], 1), torch.stack([turn, zero, one], 1)])
