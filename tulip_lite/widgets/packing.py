"""Bytes packed into texts that are small enough for a page; `packing.mjs` reads them back."""

from __future__ import annotations

import base64
import zlib

import numpy as np


def changes(values: np.ndarray) -> np.ndarray:
    """Each byte as its change, modulo 256, from the one before it on the last axis, which deflates better.

    Args:
        values: bytes, (…, N).

    Returns:
        Bytes of the same shape; each run along the last axis begins anew at 0.
    """
    before = np.concatenate([np.zeros_like(values[..., :1]), values[..., :-1]], -1)
    return values - before


def packed(*arrays: np.ndarray) -> str:
    """The arrays' bytes, one after another, deflated, as base64."""
    return base64.b64encode(zlib.compress(_joined(arrays), 9)).decode()


def packed_noise(*arrays: np.ndarray) -> str:
    """As `packed`, but for bytes in which a repetition is chance.

    They deflate better when short repetitions are not looked for.
    """
    deflate = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_FILTERED)
    stream = deflate.compress(_joined(arrays)) + deflate.flush()
    return base64.b64encode(stream).decode()


def _joined(arrays: tuple[np.ndarray, ...]) -> bytes:
    return b"".join(a.tobytes() for a in arrays)
