"""Random pad-crop, flip and cutout: batched, on whatever device the images are on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tulip_lite.checks import check_not_negative


@dataclass(frozen=True)
class Augmentation:
    """What happens to a batch of images (B, C, H, W), of any dtype, before the network sees it.

    Random numbers come from torch's global CPU generator, so that a device does not change them.

    Attributes:
        pad: Shift by up to `pad` pixels in each direction, black beyond the border.
        flip: Mirror half of the images.
        cutout: Side of a square (DeVries & Taylor 2017), centred anywhere, that is filled with the patch's own mean, as in
            the authors' code.
    """

    pad: int = 4
    flip: bool = True
    cutout: int = 0

    def __post_init__(self):
        check_not_negative(pad=self.pad, cutout=self.cutout)

    def __call__(self, images: Tensor) -> Tensor:
        if self.pad:
            images = _crop(images, self.pad)
        if self.flip:
            mirrored = (torch.rand(len(images)) < 0.5).to(images.device)
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        if self.cutout:
            images = _cut(images, self.cutout)
        return images


def _offsets(count: int, size: int, device: torch.device) -> Tensor:
    return torch.randint(size, (count,)).to(device)


def _crop(images: Tensor, pad: int) -> Tensor:
    count, _, height, width = images.shape
    padded = F.pad(images, (pad,) * 4)
    rows = _offsets(count, 2 * pad + 1, images.device)[:, None] + torch.arange(height, device=images.device)
    columns = _offsets(count, 2 * pad + 1, images.device)[:, None] + torch.arange(width, device=images.device)
    image = torch.arange(count, device=images.device)
    # (B, H, W, C): the indexed axes come first
    return padded[image[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _cut(images: Tensor, side: int) -> Tensor:
    count, _, height, width = images.shape

    def band(size: int) -> Tensor:
        first = _offsets(count, size, images.device)[:, None] - side // 2
        at = torch.arange(size, device=images.device)
        return (at >= first) & (at < first + side)

    patch = (band(height)[:, :, None] & band(width)[:, None, :])[:, None]
    values = images.float()
    mean = (values * patch).sum((2, 3), keepdim=True) / patch.sum((2, 3), keepdim=True)
    return torch.where(patch, mean.to(images.dtype), images)
