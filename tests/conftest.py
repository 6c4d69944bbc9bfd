"""What every test shares: thread count, small exact models, real images."""

import os

import hypothesis
import pytest
import torch
from node import node  # noqa: F401  a fixture
from torch import nn

from tulip_lite import data

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
# a slow moment of a shared machine is no failure
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


class LinearModel(nn.Module):
    """Logits w x and 0 for two classes: the distance to the boundary is |w x| / ‖w‖_dual, exactly."""

    def __init__(self, weight: torch.Tensor):
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros((), dtype=weight.dtype))

    def forward(self, x):
        score = x.flatten(1) @ self.weight.flatten() + self.bias
        return torch.stack([score, torch.zeros_like(score)], 1)


class SmoothNet(nn.Module):
    """A small C∞ network in float64, without batch statistics that would couple images."""

    def __init__(self, pixels=12, classes=4):
        super().__init__()
        self.first, self.last = nn.Linear(pixels, 16), nn.Linear(16, classes)
        self.double()

    def forward(self, x):
        return self.last(torch.tanh(3 * self.first(x.flatten(1))))


@pytest.fixture
def smooth_net():
    torch.manual_seed(0)
    return SmoothNet()


@pytest.fixture(scope="session")
def sample():
    return data.load("sample")
