"""Images and labels as tensors: a part of a data set, and a data set of two parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Split:
    """Images and their labels, both on one device.

    Attributes:
        images: (N, C, H, W) uint8.
        labels: (N,) int64.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> Split:
        """The same images and labels on `device`."""
        return Split(self.images.to(device), self.labels.to(device))

    def tensors(self) -> tuple[Tensor, Tensor]:
        """(x, y): float32 images in [0, 1] and their labels."""
        return self.images.float() / 255, self.labels

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(x, y) in order, `size` images at a time, the rest last."""
        for i in range(0, len(self), size):
            yield Split(self.images[i : i + size], self.labels[i : i + size]).tensors()

    def subset(self, count: int, seed: int = 0) -> Split:
        """`count` images, the same number of each class up to one, drawn at random with `seed` and shuffled.

        Raises:
            ValueError: If a class has too few images.
        """
        classes = self.labels.unique()
        draw = torch.Generator().manual_seed(seed)
        chosen = []
        for rank, label in enumerate(classes):
            wanted = (count + len(classes) - 1 - rank) // len(classes)
            members = (self.labels.cpu() == label.cpu()).nonzero().flatten()
            if len(members) < wanted:
                raise ValueError(f"class {int(label)} has {len(members)} images, {wanted} were asked for")
            chosen.append(members[torch.randperm(len(members), generator=draw)[:wanted]])
        index = torch.cat(chosen)
        index = index[torch.randperm(len(index), generator=draw)].to(self.labels.device)
        return Split(self.images[index], self.labels[index])


@dataclass(frozen=True)
class Dataset:
    """A data set of two parts.

    Attributes:
        name: As shown in cards and chapters.
        classes: The names of the classes, by label.
        train: The images to learn from.
        test: The images to be judged by.
        hint: How to get CIFAR-10.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    hint: str = ""

    def __str__(self) -> str:
        size = "×".join(map(str, self.train.images.shape[2:]))
        text = f"{self.name}: {len(self.train)} training and {len(self.test)} test images, {len(self.classes)} classes, {size}"
        return f"{text} ({self.hint})" if self.hint else text
