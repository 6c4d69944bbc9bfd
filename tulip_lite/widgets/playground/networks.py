"""The playground's networks 2 → H → H → 2 in float64: made and trained.

The same is in `network.mjs` and agrees with this to 1e-5 (tests/widgets/test_playground.py).
"""

from __future__ import annotations

import torch
from torch import nn

from tulip_lite import activations
from tulip_lite.objectives import GradientPenalty
from tulip_lite.widgets.playground.data import tensors

HIDDEN = 12
# gradient descent on all points at once: deterministic, so that Python and the browser take the same steps. The longest step
# is bounded because the penalised loss has cliffs; without it some λ ≥ 0.3 diverge
TRAINING = {"rate": 0.05, "momentum": 0.9, "clip": 1.0, "h": 0.01, "steps": 600}
ACTIVATIONS = ("relu", "smooth-relu")


def network(weights: list[float], activation: str) -> nn.Sequential:
    """The network 2 → H → H → 2 in float64 with these weights.

    Args:
        weights: flat, in torch's order.
        activation: a name in `ACTIVATIONS`.

    Raises:
        ValueError: the weights fit no such network.
    """
    hidden = round((len(weights) + 7) ** 0.5 - 3)
    act = activations.get(activation)
    with torch.random.fork_rng(devices=[]):  # torch draws weights, which are replaced below
        model = nn.Sequential(
            nn.Linear(2, hidden), act(), nn.Linear(hidden, hidden), act(), nn.Linear(hidden, 2)
        ).double()
    if sum(p.numel() for p in model.parameters()) != len(weights):
        raise ValueError(f"{len(weights)} weights fit no network 2 → H → H → 2, which has H² + 6H + 2 of them")
    nn.utils.vector_to_parameters(torch.tensor(weights, dtype=torch.float64), model.parameters())
    return model


def flat(model: nn.Module) -> list[float]:
    """All weights in one list, as `network` takes them."""
    return nn.utils.parameters_to_vector(model.parameters()).tolist()


def initial_weights(seed: int = 2, hidden: int = HIDDEN) -> list[float]:
    """Weights to start from: normal with variance 2/inputs and biases uniform in ±1, so that the kinks lie among the points."""
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they were
        torch.manual_seed(seed)
        layers = [nn.Linear(2, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, 2)]
        for layer in layers[:2]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.uniform_(layer.bias, -1, 1)
    return [round(w, 6) for w in flat(nn.Sequential(*layers))]


def train(model: nn.Module, data: list[list[float]], lam: float, steps: int) -> None:
    """Gradient descent with momentum on all points at once, on eq. (8) by finite difference, as `TRAINING` has it.

    Args:
        model: changed in place.
        data: [x, y, label] each.
        lam: λ ≥ 0 of eq. (8), with the factor ½.
        steps: how many.
    """
    x, y = tensors(data)
    objective = GradientPenalty("l2", lam, "finite-difference", TRAINING["h"])
    optimizer = torch.optim.SGD(model.parameters(), TRAINING["rate"], TRAINING["momentum"])
    for _ in range(steps):
        optimizer.zero_grad()
        objective(model, x, y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), TRAINING["clip"])
        optimizer.step()
