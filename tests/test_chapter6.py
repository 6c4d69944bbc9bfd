"""The code in the solutions of chapter 6."""

import torch
from solutions import run

CHAPTER = "06_break_it"


def test_blind_steps():
    """The chapter's text: 82 and 17 times the distance; √N over the median of |ξ|, and over that of the largest of n."""
    found = run(CHAPTER, "break-blind")
    normal = torch.distributions.Normal(0.0, 1.0)
    root = found["N"] ** 0.5
    half = torch.tensor(0.5, dtype=torch.float64)
    assert abs(found["typical"] / (root / normal.icdf(torch.tensor(0.75))) - 1) < 0.05
    assert abs(found["best"] / (root / normal.icdf(half ** (1 / found["n"]))) - 1) < 0.05


def test_a_lower_wall():
    """25 rounds: the minimiser t of ½t² − ω log(t − d) is within 1 % of d at the last of them, and not at the one before."""
    rounds, d = run(CHAPTER, "break-wall")["rounds"], 0.1
    assert rounds == 25

    def excess(k):
        omega = 0.1 * 0.75**k
        return (d + (d**2 + 4 * omega) ** 0.5) / (2 * d) - 1

    assert excess(rounds - 1) <= 0.01 < excess(rounds - 2)
