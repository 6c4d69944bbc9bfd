"""Short hashes that tell whether a stored result still belongs to these weights and these images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn


def of(tensors: Mapping[str, Tensor]) -> str:
    """The fingerprint of named tensors: 16 hexadecimal digits.

    They change with any name, shape, type or value; memory format and device do not matter.
    """
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def weights(model: nn.Module) -> str:
    """The fingerprint of all parameters and buffers."""
    return of(model.state_dict())


def architecture(model: nn.Module) -> str:
    """The fingerprint of what a model is besides its weights: its modules, their numbers and texts, such as a factor.

    Two models with equal weights and architecture could still differ in code, or in attributes of other types.
    """
    modules = [
        (name, type(module).__qualname__, sorted((k, v) for k, v in vars(module).items() if _says_something(k, v)))
        for name, module in model.named_modules()
    ]
    return hashlib.sha256(repr(modules).encode()).hexdigest()[:16]


def _says_something(name: str, value: object) -> bool:
    # an attack runs in eval mode, whichever the model came in
    return name != "training" and isinstance(value, (int, float, str, tuple))
