"""What training and measuring cost, as ratios: the arms take turns within one run, since the machine is never quiet.

Each benchmark returns a table as text and stores its numbers, with their spread and machine, in
data/results/bench/<name>.json.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tulip_lite.activations import SmoothReLU
from tulip_lite.curvature import HessianProducts
from tulip_lite.experiments import setting
from tulip_lite.losses import soft_margin
from tulip_lite.models import PocketNet, placed
from tulip_lite.objectives import AdversarialTraining, CrossEntropy, GradientPenalty, Objective
from tulip_lite.results import benchmarks, provenance
from tulip_lite.training import default_device, has_bfloat16

BATCH = 128
ROUNDS = 15


def _by_formula(x: Tensor) -> Tensor:
    return torch.where(x.abs() >= 0.5, x.clamp_min(0), -0.5 * (x + 0.5) ** 4 + (x + 0.5) ** 3)


class _ByFormula(nn.Module):
    """Remark 2.2 as printed, left to autograd: what a plain composition of tensor operations costs."""

    def forward(self, x: Tensor) -> Tensor:
        return _by_formula(x)


def activations(*, threads: setting.THREADS = None) -> str:
    """A step of PocketNet with ReLU, our smooth ReLU, and the paper's formula composed of tensor operations."""
    setting.use(threads)
    arms = {
        f"{name}, {precision}": _step(PocketNet(activation=activation), CrossEntropy(), precision)
        for precision in _precisions()
        for name, activation in (("relu", "relu"), ("smooth-relu", SmoothReLU), ("composition", _ByFormula))
    }
    return _report("activations", arms, lambda arm: f"relu, {arm.split(', ')[1]}")


def objectives(*, threads: setting.THREADS = None) -> str:
    """A step of PocketNet in float32 under each objective."""
    setting.use(threads)
    kinds: dict[str, Objective] = {
        "cross-entropy": CrossEntropy(),
        "finite difference": GradientPenalty(),
        "central difference": GradientPenalty(method="central-difference"),
        "double backprop": GradientPenalty(method="double-backprop"),
        "7-step adversarial training": AdversarialTraining(),
    }
    arms = {name: _step(PocketNet(), objective, "float32") for name, objective in kinds.items()}
    return _report("objectives", arms, lambda arm: "cross-entropy")


def curvature(*, threads: setting.THREADS = None) -> str:
    """A Hessian-vector product in the image, two ways, against a gradient in the image.

    With GELU, since forward mode does not know our smooth ReLU.
    """
    setting.use(threads)
    device = default_device()
    model = placed(PocketNet(activation="gelu"), device).eval().requires_grad_(False)
    x = torch.rand(BATCH, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last)
    y = torch.randint(10, (BATCH,), device=device)
    v = torch.randn(BATCH, x[0].numel(), device=device)

    def total(x: Tensor) -> Tensor:
        return soft_margin(model(x), y).sum()

    kept = HessianProducts(lambda x, y: soft_margin(model(x), y), x, y)
    arms = {
        "gradient": lambda: torch.autograd.grad(total(x.requires_grad_()), x),
        "product, double backward": lambda: kept.product(v),
        "product, forward over reverse": lambda: torch.func.jvp(torch.func.grad(total), (x.detach(),), (v.view_as(x),)),
    }
    return _report("curvature", arms, lambda arm: "gradient", "128 images through PocketNet")


BENCHMARKS = {"activations": activations, "objectives": objectives, "curvature": curvature}


def _precisions() -> list[str]:
    return ["float32", "bfloat16"] if has_bfloat16(default_device()) else ["float32"]


def _step(model: nn.Module, objective: Objective, precision: str) -> Callable[[], None]:
    device = default_device()
    model = placed(model, device).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9, nesterov=True)
    x = torch.rand(BATCH, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last)
    y = torch.randint(10, (BATCH,), device=device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            loss = objective(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _report(
    name: str,
    arms: Mapping[str, Callable[[], object]],
    baseline_of: Callable[[str], str],
    what: str = "a training step of PocketNet",
) -> str:
    seconds: dict[str, list[float]] = {arm: [] for arm in arms}
    for turn in range(ROUNDS + 2):
        for arm, step in arms.items():
            began = time.perf_counter()
            step()
            if default_device().type == "cuda":
                torch.cuda.synchronize()
            if turn >= 2:  # the first two turns warm up
                seconds[arm].append(time.perf_counter() - began)
    rows: dict[str, dict[str, Any]] = {}
    for arm in arms:
        # each turn's ratio to its own baseline, so that a slow moment of the machine slows both
        ratios = [s / b for s, b in zip(seconds[arm], seconds[baseline_of(arm)], strict=True)]
        quartiles = statistics.quantiles(ratios, n=4)
        rows[arm] = {
            "ratio": round(statistics.median(ratios), 3),
            "quartiles": [round(quartiles[0], 3), round(quartiles[2], 3)],
            "milliseconds": round(1000 * statistics.median(seconds[arm]), 1),
        }
    record = {"batch": BATCH, "rounds": ROUNDS, **provenance.origin(), "rows": rows}
    benchmarks.store(name, record)
    lines = [f"{what:40} {'ratio':>6}  {'quartiles':>13}  {'ms':>7}"]
    lines += [
        f"{arm:40} {row['ratio']:6.2f}  {row['quartiles'][0]:6.2f}-{row['quartiles'][1]:<6.2f}  {row['milliseconds']:7.1f}"
        for arm, row in rows.items()
    ]
    return "\n".join(lines)
