"""Makes the embedded images from Fashion-MNIST, as Debian's package dataset-fashion-mnist installs it:

    apt-get install dataset-fashion-mnist
    python data/sample/make.py /usr/share/datasets/fashion-mnist

The first 600 training and the first 100 test images of each class, in their original order; 28×28 bytes, one file.
"""

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

PER_CLASS = {"train": 600, "test": 100}
PREFIX = {"train": "train", "test": "t10k"}
TARGET = Path(__file__).with_name("fashion-mnist-7000.npz")


def idx(path: Path) -> np.ndarray:
    """The array in a gzipped IDX file: 4 bytes of magic, whose last is the number of axes, then each axis's length."""
    raw = gzip.decompress(path.read_bytes())
    axes = raw[3]
    shape = np.frombuffer(raw, ">i4", axes, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def main(source: Path) -> None:
    arrays = {}
    for part, count in PER_CLASS.items():
        images = idx(source / f"{PREFIX[part]}-images-idx3-ubyte.gz")
        labels = idx(source / f"{PREFIX[part]}-labels-idx1-ubyte.gz")
        chosen = np.sort(np.concatenate([np.flatnonzero(labels == k)[:count] for k in range(10)]))
        arrays |= {f"{part}_images": images[chosen], f"{part}_labels": labels[chosen]}
    np.savez_compressed(TARGET, **arrays)
    print(hashlib.sha256(TARGET.read_bytes()).hexdigest(), TARGET.name)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
