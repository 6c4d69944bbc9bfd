"""What follows from the distances and costs of compared attacks, counted by hand."""

import math

import pytest
import torch

from tulip_lite.experiments.conclusions import (
    AUTOATTACK,
    BEST,
    OURS,
    PUBLISHED,
    QUICK,
    against_libraries,
    against_published,
    at_radius,
    in_words,
)


def test_each_fools_what_the_other_does_not():
    none = {"cpu_seconds": 1.0, "gradients": 1.0, "passes": 1.0}
    rows = {
        QUICK: {"distances": [0.1, 0.6, 0.5, 0.50001, 0.9, 0.2], **none, "seconds": 2.0, "options": {}},
        # beyond the radius by as much as its rounding, which counts for either; ∞ where it failed
        AUTOATTACK: {
            "distances": [0.5, 0.50004, math.inf, math.inf, math.inf, math.inf], **none, "seconds": 8.0,
            "options": {"radius": 0.5},
        },
    }  # fmt: skip
    for order in (rows, dict(reversed(rows.items()))):
        result = at_radius(order)
        assert {name: (row["error"], row["alone"]) for name, row in result["attacks"].items()} == {
            QUICK: (4 / 6, 3), AUTOATTACK: (2 / 6, 1),
        }  # fmt: skip
        assert (result["radius"], result["share of time"]) == (0.5, 0.25)
        assert result["attacks"][AUTOATTACK]["distances"] == [0.5, 0.50004, None, None, None, None]
    # at a smaller radius both know fewer
    rows[AUTOATTACK]["options"] = {"radius": 0.15}
    rows[AUTOATTACK]["distances"] = [math.inf] * 6
    errors = {name: (row["error"], row["alone"]) for name, row in at_radius(rows)["attacks"].items()}
    assert errors == {QUICK: (1 / 6, 1), AUTOATTACK: (0, 0)}


def test_ties_are_won_by_both_and_failures_by_none():
    none = {"seconds": 1.0, "cpu_seconds": 1.0, "gradients": 1.0, "passes": 1.0, "options": {}}
    rows = {
        QUICK: {"distances": [0.5, 1.0, torch.inf], **none, "seconds": 2.0},
        "a": {"distances": [0.5, 0.5, torch.inf], **none},
        "b": {"distances": [1.0, torch.inf, torch.inf], **none, "seconds": 3.0},
    }
    result = against_libraries(rows)
    assert [row["wins"] for row in result["attacks"].values()] == [1, 2, 0]
    assert [row["unfooled"] for row in result["attacks"].values()] == [1, 1, 2]
    assert (result["ratio of medians"], result["share of time"]) == (2.0, 0.5)
    assert result["attacks"]["b"]["distances"] == [1.0, None, None]
    assert result[BEST] == {"median": 0.5, "mean": pytest.approx(0.5), "unfooled": 1}


def test_ours_is_nearer_where_it_is_and_takes_its_share():
    none = {"seconds": 1.0, "cpu_seconds": 4.0, "options": {}}
    rows = {
        OURS: {"distances": [0.5, 1.0, 0.2, 3.0], **none, "gradients": 5.0, "passes": 6.0},
        PUBLISHED: {"distances": [1.0, 1.0, math.inf, 2.0], **none, "gradients": 50.0, "passes": 60.0, "seconds": 8.0},
    }
    result = against_published(rows)
    assert result["nearer"] == 0.5 and result["share of gradients"] == 0.1
    assert (result["share of time"], result["share of processor time"]) == (1 / 8, 1)
    assert result["ratio of medians"] == pytest.approx(0.75 / 1.5)
    assert [row["wins"] for row in result["attacks"].values()] == [3, 2]


def test_in_words_every_ratio_and_share_has_a_line_and_the_radius_has_none():
    result = {"radius": 0.5, "attacks": {}, "share of time": 0.12345, "nearer": 1.0}
    assert in_words({"networks": {"net": {"l2": result, "linf": {"ratio of medians": 2.0}}}}) == [
        "net, l2: share of time 0.123",
        "net, l2: nearer 1.000",
        "net, linf: ratio of medians 2.000",
    ]


def test_in_words_the_best_of_the_libraries_has_a_line_of_its_own():
    result = {BEST: {"median": 0.25, "mean": 0.375, "unfooled": 0}, "ratio of medians": 1.5}
    assert in_words({"networks": {"net": {"l2": result}}}) == [
        "net, l2: best of the libraries, median 0.25, mean 0.375",
        "net, l2: ratio of medians 1.500",
    ]
