"""Any folder of images as tensors, decoded once and then cached.

The images lie in `<root>/{train,test}/<class>/*.{png,jpg}`.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm.auto import tqdm

from tulip_lite.storage.files import written_whole

PARTS = ("train", "test")
ENDINGS = {".png", ".jpg", ".jpeg"}
NAME_FILE = "NAME"


def title(root: Path) -> str:
    """What the images are called in cards and chapters: the first line of `<root>/NAME`, else the folder's name."""
    named = root / NAME_FILE
    return named.read_text().splitlines()[0].strip() if named.is_file() else root.resolve().name


def read(root: Path, cache: Path) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """(class names, {``"train_images"``: (N, 3, H, W) uint8, ``"train_labels"``: (N,) int64, ``"test_images"``: …, …}).

    Images are converted to RGB and must all have one size. The decoded tensors are kept in the folder `cache`, under a key
    that changes with every file's name, size and time.

    Raises:
        FileNotFoundError: If a part is missing.
        ValueError: For fewer than two classes, an empty class, different classes in train and test, an unreadable file or a
            second image size, naming it.
    """
    files = {part: _list(root, part) for part in PARTS}
    classes = tuple(files["train"])
    if set(files["test"]) != set(classes):
        odd = sorted(set(files["test"]) ^ set(classes))
        raise ValueError(f"{root}: train and test must have the same classes, these are in one only: {', '.join(odd)}")
    cached = cache / f"{_key(root, files)}.safetensors"
    if cached.is_file():
        return classes, load_file(cached)

    arrays: dict[str, Tensor] = {}
    size = None
    for part in PARTS:
        paths = [path for name in classes for path in files[part][name]]
        images = None
        for i, path in enumerate(tqdm(paths, desc=f"decoding {root.name}/{part}", unit="image")):
            pixels = _decode(path)
            size = size or pixels.shape
            if pixels.shape != size:
                raise ValueError(
                    f"{path} is {pixels.shape[1]}×{pixels.shape[0]} pixels, the images before it {size[1]}×{size[0]}: "
                    "resize them to one size first"
                )
            if images is None:
                images = np.empty((len(paths), *size), np.uint8)
            images[i] = pixels
        arrays[f"{part}_images"] = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        counts = torch.tensor([len(files[part][name]) for name in classes])
        arrays[f"{part}_labels"] = torch.arange(len(classes)).repeat_interleave(counts)
    with written_whole(cached) as temporary:
        save_file(arrays, temporary)
    return classes, arrays


def _list(root: Path, part: str) -> dict[str, list[Path]]:
    folder = root / part
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is not there: an image folder holds {root.name}/train/<class>/*.png and {root.name}/test/<class>/*.png"
        )
    found = {
        child.name: sorted(path for path in child.iterdir() if path.suffix.lower() in ENDINGS)
        for child in sorted(folder.iterdir())
        if child.is_dir() and not child.name.startswith(".")
    }
    if len(found) < 2:
        raise ValueError(f"{folder} has {len(found)} class folder(s): classification needs at least two")
    for name, paths in found.items():
        if not paths:
            raise ValueError(f"{folder / name} holds no .png or .jpg image")
    return found


def _key(root: Path, files: dict[str, dict[str, list[Path]]]) -> str:
    digest = hashlib.sha256()
    for paths in (paths for part in files.values() for paths in part.values()):
        for path in paths:
            status = os.stat(path)
            digest.update(json.dumps([str(path.resolve()), status.st_size, status.st_mtime_ns]).encode())
    return f"{root.resolve().name}-{digest.hexdigest()[:16]}"


def _decode(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"{path} cannot be read as an image ({error}): replace or delete it") from error
