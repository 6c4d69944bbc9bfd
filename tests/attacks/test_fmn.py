import torch
from contract import Contract, both_norms

from tulip_lite import examples, results
from tulip_lite.attacks.fmn import fmn
from tulip_lite.models import Scaled


class TestFmn(Contract):
    attack = staticmethod(fmn)
    bad_options = (
        ("steps", 2, "steps no less than targets"),
        ("targets", 0, "targets must be at least 1"),
        ("step_size", 0.0, "step_size must be a finite number > 0"),
        ("step_size", torch.inf, "step_size must be a finite number > 0"),
        ("gamma", 0.0, "gamma must be a finite number > 0"),
        ("gamma", 1.0, "gamma below 1"),
    )


@both_norms
def test_scaled_scores_change_nothing(norm):
    model = results.load("undefended").model
    x, y = examples.cifar10().subset(4).tensors()
    plain, scaled = (fmn(network, x, y, norm, steps=30).distance for network in (model, Scaled(model, 100.0)))
    torch.testing.assert_close(scaled, plain, rtol=0.01, atol=0)
