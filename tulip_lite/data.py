"""Images and labels: CIFAR-10 or CIFAR-100, any image folder, or the sample that is embedded in the book."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tulip_lite import image_folder
from tulip_lite.checks import check_labels

FOLDER = Path(__file__).resolve().parent.parent / "data"
SAMPLE = FOLDER / "sample" / "fashion-mnist-7000.npz"
SAMPLE_SHA256 = "b3a5ef00123a6fcb94b9de321db87656eb8fb8f8a3ae1a4a4b2175975aec0fce"
SAMPLE_CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
GET_CIFAR = "for CIFAR-10 run: python -m tulip_lite data cifar10"


@dataclass(frozen=True)
class Split:
    """images: (N, C, H, W) uint8; labels: (N,) int64. Both on one device."""

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

        ValueError if a class has too few images.
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
    """name: as shown in cards and chapters; classes: their names; train, test: the images; hint: how to get CIFAR-10."""

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    hint: str = ""

    def __str__(self) -> str:
        size = "×".join(map(str, self.train.images.shape[2:]))
        text = f"{self.name}: {len(self.train)} training and {len(self.test)} test images, {len(self.classes)} classes, {size}"
        return f"{text} ({self.hint})" if self.hint else text


def load(name: str | Path = "auto") -> Dataset:
    """The images to work with.

    name: "sample" (embedded), "cifar10", "cifar100" (downloaded before), the path of an image folder
    `<root>/{train,test}/<class>/*.{png,jpg}`, or "auto": the name or path in the environment variable TULIP_DATA if it is
    set, else CIFAR-10 where it lies under data/, else the sample.
    FileNotFoundError where the images are not there, ValueError where they are damaged; both say what to do.
    """
    if str(name) == "auto":
        name = os.environ.get("TULIP_DATA") or ("cifar10" if _Cifar("cifar10").is_there() else "sample")
    if str(name) == "sample":
        return _sample()
    if str(name) in _CIFAR:
        return _Cifar(str(name)).load()
    return _folder(Path(name))


def download(name: str) -> Path:
    """Downloads "cifar10" or "cifar100" with torchvision into data/, whole or not at all; returns the folder.

    Does nothing where the images already lie there undamaged. ConnectionError without a network, ValueError for a wrong
    checksum, OSError for a folder that cannot be written.
    """
    if name not in _CIFAR:
        raise ValueError(f"unknown data set {name!r}: choose one of {', '.join(map(repr, _CIFAR))}")
    return _Cifar(name).download()


_CIFAR = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}


class _Cifar:
    def __init__(self, name: str):
        from torchvision import datasets

        self.name = name
        self.source = getattr(datasets, _CIFAR[name])
        self.folder = FOLDER / self.source.base_folder

    def is_there(self) -> bool:
        return self.folder.is_dir()

    def load(self) -> Dataset:
        if not self.is_there():
            raise FileNotFoundError(
                f"{self.name} is not in {FOLDER}: run `python -m tulip_lite data {self.name}`, or name an image folder "
                "with TULIP_DATA, or use the embedded images with TULIP_DATA=sample"
            )
        try:
            parts = [self.source(FOLDER, train=train) for train in (True, False)]
        except (RuntimeError, EOFError) as error:  # a missing file or a wrong checksum
            raise ValueError(
                f"{self.folder} is incomplete or damaged: delete it and run `python -m tulip_lite data {self.name}` again"
            ) from error
        splits = [
            Split(torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(part.targets))
            for part in parts
        ]
        return Dataset(self.name.upper().replace("CIFAR", "CIFAR-"), tuple(parts[0].classes), *splits)

    def download(self) -> Path:
        if self.is_there():
            self.load()
            return self.folder
        FOLDER.mkdir(parents=True, exist_ok=True)
        # an archive that stops half-way, or fails its checksum, goes away with its temporary folder
        with tempfile.TemporaryDirectory(dir=FOLDER, prefix=f".{self.name}-") as temporary:
            try:
                self.source(temporary, download=True)
            except RuntimeError as error:
                raise ValueError(
                    f"what was downloaded for {self.name} is not what its checksum promises ({error}); nothing was kept: "
                    "try again, or another network"
                ) from error
            except OSError as error:
                if not isinstance(error, (ConnectionError, TimeoutError)) and error.errno is not None:
                    raise
                raise ConnectionError(
                    f"{self.name} could not be downloaded ({error}); nothing was kept. Without a network, set "
                    "TULIP_DATA to an image folder with train/ and test/, or use the embedded images (TULIP_DATA=sample)"
                ) from error
            os.replace(Path(temporary) / self.source.base_folder, self.folder)
        return self.folder


def _sample() -> Dataset:
    if not SAMPLE.is_file():
        raise FileNotFoundError(f"{SAMPLE} is missing: the embedded images come with the book's repository, clone it")
    if hashlib.sha256(SAMPLE.read_bytes()).hexdigest() != SAMPLE_SHA256:
        raise ValueError(f"{SAMPLE} does not have its checksum: restore it with `git checkout data/sample`")
    with np.load(SAMPLE, allow_pickle=False) as file:
        parts = {key: torch.from_numpy(file[key]) for key in file.files}

    def split(part: str) -> Split:
        images = F.pad(parts[f"{part}_images"], (2, 2, 2, 2))  # 28 × 28 to CIFAR's 32 × 32
        return Split(images[:, None].repeat(1, 3, 1, 1), parts[f"{part}_labels"].long())

    return Dataset("Fashion-MNIST sample", SAMPLE_CLASSES, split("train"), split("test"), GET_CIFAR)


def _folder(root: Path) -> Dataset:
    cache = FOLDER / ".cache" if os.access(FOLDER, os.W_OK) else Path.home() / ".cache" / "tulip_lite"
    classes, arrays = image_folder.read(root, cache)
    splits = [Split(arrays[f"{part}_images"], arrays[f"{part}_labels"]) for part in image_folder.PARTS]
    for part in splits:
        check_labels(part.labels, len(classes))
    return Dataset(image_folder.title(root), classes, *splits, GET_CIFAR)
