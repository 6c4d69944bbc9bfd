"""The norm of a convolution against the largest singular value of its matrix."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tulip_lite.bounds.operator_norms import convolution_norm


def matrix(weight, size, stride):
    """The convolution as a matrix: its columns are what it makes of each pixel."""
    pixels = torch.eye(weight.shape[1] * size[0] * size[1], dtype=weight.dtype)
    return F.conv2d(pixels.reshape(-1, weight.shape[1], *size), weight, stride=stride, padding=1).flatten(1).T


@settings(max_examples=40)
@given(
    st.integers(0, 2**31), st.integers(1, 3), st.integers(1, 3), st.tuples(*[st.integers(1, 7)] * 2), st.integers(1, 2)
)
def test_the_bound_is_above_the_norm_and_not_far(seed, inputs, outputs, size, stride):
    weight = torch.randn(outputs, inputs, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    exact = torch.linalg.matrix_norm(matrix(weight, size, stride), 2).item()
    bound = convolution_norm(weight, size, stride)
    assert exact <= bound
    if min(size) >= 6:
        assert bound <= 1.25 * exact


@pytest.mark.parametrize(("stride", "norm"), [(1, 9), (2, 5)])
def test_it_is_the_norm_over_large_images(stride, norm):
    """Sums of nine pixels: of constant images, or, at every second place, of rows and columns that alternate between 1 and 2."""
    weight = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    for pixels in (8, 32):
        assert convolution_norm(weight, (pixels, pixels), stride) == pytest.approx(norm, rel=1e-8)
    exact = torch.linalg.matrix_norm(matrix(weight, (32, 32), stride), 2).item()
    assert 0.98 * norm < exact <= norm


@pytest.mark.parametrize(("weight", "stride", "complaint"), [
    (torch.ones(1, 1, 5, 5), 1, r"only 3×3 convolutions of stride 1 or 2 .* got kernel \(5, 5\), stride 1"),
    (torch.ones(1, 1, 3, 3), 3, "stride 3"),
    (torch.full((1, 1, 3, 3), torch.nan), 1, "weights are not finite"),
])  # fmt: skip
def test_what_it_cannot_bound_is_refused(weight, stride, complaint):
    with pytest.raises(ValueError, match=complaint):
        convolution_norm(weight, (4, 4), stride)
