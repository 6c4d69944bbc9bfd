import torch
from contract import Contract

from tulip_lite.attacks.fmn import fmn


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
