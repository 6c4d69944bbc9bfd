"""Where a network is trained, and in which precision: what the device can do and the objective tolerates."""

from __future__ import annotations

import torch

from tulip_lite.objectives import Objective

PRECISIONS = ("auto", "float32", "bfloat16")


def has_bfloat16(device: torch.device) -> bool:
    """Does this device multiply in bfloat16 (and not merely emulate it)?"""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        have = torch.cpu.get_capabilities()
        return any(have.get(feature, False) for feature in ("avx512_bf16", "amx_bf16", "bf16"))
    return False


def choose_precision(precision: str, objective: Objective, device: torch.device) -> str:
    """``"float32"`` or ``"bfloat16"``. ``"auto"`` takes bfloat16 where the device has it and the objective tolerates it.

    Raises:
        ValueError: For an unknown precision, or bfloat16 for an objective that it would spoil.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: choose one of {', '.join(map(repr, PRECISIONS))}")
    if precision == "bfloat16" and not objective.tolerates_bfloat16:
        raise ValueError(
            f"{objective} subtracts nearly equal losses, which bfloat16 cannot tell apart: use precision='float32' or 'auto'"
        )
    if precision == "auto":
        return "bfloat16" if objective.tolerates_bfloat16 and has_bfloat16(device) else "float32"
    return precision


def default_device() -> torch.device:
    """The first GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
