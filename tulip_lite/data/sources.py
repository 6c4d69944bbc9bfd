"""Images and labels: CIFAR-10 or CIFAR-100, any image folder, or the sample that is embedded in the book."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from tulip_lite.checks import check_labels
from tulip_lite.data import folder
from tulip_lite.data.images import Dataset, Split
from tulip_lite.storage import places

SAMPLE = places.FOLDER / "sample" / "fashion-mnist-7000.npz"
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


def load(name: str | Path = "auto") -> Dataset:
    """The images to work with. Where there are none, the error says what to do.

    Args:
        name: ``"sample"`` (embedded), ``"cifar10"``, ``"cifar100"`` (downloaded before), the path of an image folder
            `<root>/{train,test}/<class>/*.{png,jpg}`, or ``"auto"``: the name or path in the environment variable
            TULIP_DATA if it is set, else CIFAR-10 where it lies under data/, else the sample.

    Raises:
        FileNotFoundError: Where the images are not there.
        ValueError: Where they are damaged.
    """
    if str(name) == "auto":
        name = os.environ.get("TULIP_DATA") or ("cifar10" if _Cifar("cifar10").is_there() else "sample")
    if str(name) == "sample":
        return _sample()
    if str(name) in _CIFAR:
        return _Cifar(str(name)).load()
    return _folder(Path(name))


def download(name: str) -> Path:
    """Downloads ``"cifar10"`` or ``"cifar100"`` with torchvision into data/, whole or not at all; returns the folder.

    Does nothing where the images already lie there undamaged.

    Raises:
        ConnectionError: Without a network.
        ValueError: For a wrong checksum, or an unknown name.
        OSError: For a folder that cannot be written.
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
        self.folder = places.FOLDER / self.source.base_folder

    def is_there(self) -> bool:
        return self.folder.is_dir()

    def load(self) -> Dataset:
        if not self.is_there():
            raise FileNotFoundError(
                f"{self.name} is not in {places.FOLDER}: run `python -m tulip_lite data {self.name}`, or name an image folder "
                "with TULIP_DATA, or use the embedded images with TULIP_DATA=sample"
            )
        try:
            parts = [self.source(places.FOLDER, train=train) for train in (True, False)]
        except (RuntimeError, EOFError) as error:  # a missing file or a wrong checksum
            raise ValueError(
                f"{self.folder} is incomplete or damaged: delete it and run `python -m tulip_lite data {self.name}` again"
            ) from error
        train, test = (
            Split(torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(part.targets))
            for part in parts
        )
        return Dataset(self.name.upper().replace("CIFAR", "CIFAR-"), tuple(parts[0].classes), train, test)

    def download(self) -> Path:
        if self.is_there():
            self.load()
            return self.folder
        places.FOLDER.mkdir(parents=True, exist_ok=True)
        # an archive that stops half-way, or fails its checksum, goes away with its temporary folder
        with tempfile.TemporaryDirectory(dir=places.FOLDER, prefix=f".{self.name}-") as temporary:
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
    cache = places.FOLDER / ".cache" if os.access(places.FOLDER, os.W_OK) else Path.home() / ".cache" / "tulip_lite"
    classes, arrays = folder.read(root, cache)
    train, test = (Split(arrays[f"{part}_images"], arrays[f"{part}_labels"]) for part in folder.PARTS)
    for split in (train, test):
        check_labels(split.labels, len(classes))
    return Dataset(folder.title(root), classes, train, test, GET_CIFAR)
