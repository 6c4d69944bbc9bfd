"""How a library of others sees a network, and what it may not change while it runs."""

from __future__ import annotations

import contextlib
import logging
import random
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn


def plain(images: Tensor) -> Tensor:
    """Contiguous float32, which is all that the libraries are known to take."""
    return images.float().contiguous()


class Seen(nn.Module):
    """The model as a library sees it: float32 images in, float32 scores of its own out, whatever the model computes with."""

    def __init__(self, model: nn.Module, dtype: torch.dtype):
        super().__init__()
        self.model, self.dtype = model, dtype

    def forward(self, x: Tensor) -> Tensor:
        # a copy in the memory format in which convolutions are fast
        layout = torch.channels_last if x.dim() == 4 else torch.contiguous_format
        inner = x.to(self.dtype).clone(memory_format=layout)
        logits = self.model(inner).to(torch.float32, copy=True)
        if inner.requires_grad and not logits.requires_grad:  # a constant model has a gradient too: zero
            logits = logits + 0 * inner.flatten(1).sum(1, keepdim=True).float()
        return logits


@contextlib.contextmanager
def sealed(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, all global random numbers come from `seed` and libraries are silent; outside, nothing has changed."""
    states, trace, disabled = (random.getstate(), np.random.get_state()), sys.gettrace(), logging.root.manager.disable
    quiet = logging.NullHandler()  # logging.info, as foolbox calls it, installs a handler for good where there is none
    with torch.random.fork_rng([device] if device.type == "cuda" else []), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.root.addHandler(quiet)
        logging.disable(max(disabled, logging.WARNING))
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            sys.settrace(trace)  # AutoAttack's check for dynamic defences ends any trace, also that of a debugger
            logging.disable(disabled)
            logging.root.removeHandler(quiet)
