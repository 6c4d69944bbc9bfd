"""Weights and training state on disk, as safetensors: loading one never runs code that came with it."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tulip_lite.storage.files import written_whole


def save(path: Path, tensors: Mapping[str, Tensor], **about) -> None:
    """Writes tensors and JSON-able facts `about` them to `path`, whole or not at all."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with written_whole(path) as temporary:
        try:
            save_file(tensors, temporary, {key: json.dumps(value) for key, value in about.items()})
        except SafetensorError as error:  # how safetensors reports a full disk
            raise OSError(errno.EIO, str(error)) from error


def load(path: Path) -> tuple[dict[str, Tensor], dict]:
    """(tensors, facts) of a file `save` wrote.

    Raises:
        FileNotFoundError: If missing.
        ValueError: If truncated or of another format.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, "pt") as file:
            about = {key: json.loads(value) for key, value in (file.metadata() or {}).items()}
            return {name: file.get_tensor(name) for name in file.keys()}, about
    except (SafetensorError, ValueError) as error:
        raise ValueError(
            f"{path} is not a whole safetensors file ({error}): it was cut short or is of another format. Pickled "
            "checkpoints (.pt, .pth) are refused, since loading one can run code; delete the file or restore it"
        ) from error


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], source: Path | str) -> None:
    """Puts `tensors` into `model`.

    Raises:
        ValueError: Naming what differs, where they belong to another model.
    """
    own = model.state_dict()
    wrong = [f"{name} is missing" for name in own.keys() - tensors.keys()]
    wrong += [f"{name} is not in the model" for name in tensors.keys() - own.keys()]
    wrong += [
        f"{name} is {tuple(tensors[name].shape)}, the model's {tuple(own[name].shape)}"
        for name in own.keys() & tensors.keys()
        if own[name].shape != tensors[name].shape
    ]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ValueError(
            f"{source} holds the weights of another model than this {type(model).__name__}: {min(wrong)}{more}"
        )
    bad = [name for name, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()]
    if bad:
        raise ValueError(f"{source} holds NaN or infinite weights in {bad[0]}: its training diverged")
    model.load_state_dict(tensors)
