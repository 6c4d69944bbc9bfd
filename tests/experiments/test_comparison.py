"""The comparison with the libraries: it runs and goes on, its conclusions follow from its distances, and what it found."""

import json
import math
import statistics
from functools import partial

import pytest
import torch

from tulip_lite import __main__, norms, results
from tulip_lite.attacks import suite
from tulip_lite.attacks.adversarial import Adversarial
from tulip_lite.attacks.others.autoattack import autoattack
from tulip_lite.attacks.suite import Stage
from tulip_lite.data import Dataset, originals
from tulip_lite.experiments import comparison
from tulip_lite.experiments.comparison import RADII, Arm
from tulip_lite.experiments.conclusions import AUTOATTACK, BEST, OURS, PUBLISHED, QUICK, in_words
from tulip_lite.results import provenance
from tulip_lite.storage import places
from tulip_lite.tables import attacks as attack_tables

STORED = results.RESULTS / "bench"


def shortened(arms):
    """The same attacks with hardly any steps, but for Brendel-Bethge, whose compilation takes longer than all the rest.
    arms: norm -> attack -> arm, or that for each network."""
    if set(arms) != {"l2", "linf"}:
        return {network: shortened(those) for network, those in arms.items()}
    one = (Stage("pgd", {"steps": 2, "tolerance": 0.3}),)
    quick = Arm(partial(suite.smallest, suite=one), {}, {})

    def short(name, arm):
        return quick if name == QUICK else Arm(arm.attack, arm.shortest, arm.shortest)

    return {
        norm: {name: short(name, arm) for name, arm in those.items() if "bethge" not in name}
        for norm, those in arms.items()
    }


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Runs a benchmark on a few of the twenty originals and returns its exit status and what it stored."""
    twenty = Dataset("originals", originals.CIFAR10_CLASSES, originals.cifar10(), originals.cifar10())
    monkeypatch.setattr(comparison.data, "load", {"some": twenty}.get)
    monkeypatch.setattr(places, "RESULTS", tmp_path / "results")
    origin = {"threads": 1, "processor": "A processor", "gpu": None, "torch": "9.9"}
    monkeypatch.setattr(provenance, "origin", lambda: dict(origin))
    monkeypatch.setattr(comparison, "NETWORKS", ("undefended",))
    for kind in ("attacks", "logbarrier", "autoattack"):
        arms = getattr(comparison, f"{kind}_arms")
        monkeypatch.setattr(comparison, f"{kind}_arms", lambda arms=arms: shortened(arms()))

    def run(kind, images=2):
        status = __main__.main(
            ["bench", kind, "--images", str(images), "--data", "some", "--runs", str(tmp_path / "runs")]
        )
        path = tmp_path / "results" / "bench" / f"{kind}.json"
        return status, json.loads(path.read_text()) if path.exists() else None

    return run


@pytest.mark.parametrize("kind", ["attacks", "logbarrier"])
def test_runs_from_end_to_end_and_concludes_from_its_distances(bench, kind, capsys):
    status, record = bench(kind)
    assert status == 0 and record["images"] == 2 and record["data"] == "originals"
    assert list(record["networks"]) == list(comparison.NETWORKS)
    for found in record["networks"].values():
        assert list(found) == ["l2", "linf"]
        for result in found.values():
            check(result, kind)
    check_printed(capsys.readouterr().out, attack_tables.compared(record), record)


def check_printed(out, table, record):
    """The table, a row of it for each attack, and a line for each ratio and share."""
    lines = out.splitlines()
    assert "\n".join([table, "", *in_words(record)]) in out and "A processor, threads: 1" in table
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| `")]
    attacks = 0
    for network, by_norm in record["networks"].items():
        for norm, result in by_norm.items():
            attacks += len(result["attacks"])
            for name in result["attacks"]:
                assert sum({f"| `{network}`", norms.get(norm).symbol, name} <= set(row) for row in rows) == 1
            for what in ("share of time", "share of processor time"):
                assert f"{network}, {norm}: {what} {result[what]:.3f}" in lines
    assert len(rows) == attacks


def check(result, kind):
    """Everything that is concluded follows from the distances and counts that are stored with it."""
    rows = result["attacks"]
    columns = {name: [math.inf if d is None else d for d in row["distances"]] for name, row in rows.items()}
    nearest = [min(image) for image in zip(*columns.values(), strict=True)]
    for name, row in rows.items():
        assert row["median"] == pytest.approx(statistics.median(columns[name]), rel=1e-5)
        assert row["unfooled"] == columns[name].count(math.inf)
        assert (
            row["wins"]
            >= sum(d < low * (1 + 1e-6) for d, low in zip(columns[name], nearest, strict=True)) - row["unfooled"]
        )
        assert row["seconds"] >= 0 and row["gradients"] > 0
    ours, others = (QUICK, [n for n in rows if n != QUICK]) if kind == "attacks" else (OURS, [PUBLISHED])
    best = [min(image) for image in zip(*(columns[name] for name in others), strict=True)]
    assert result["ratio of medians"] == pytest.approx(
        statistics.median(columns[ours]) / statistics.median(best), rel=1e-5
    )
    check_shares(result, ours, others)
    if kind == "attacks":
        assert result[BEST]["median"] == pytest.approx(statistics.median(best), rel=1e-5)
    else:
        assert result["nearer"] == sum(a < b for a, b in zip(columns[ours], best, strict=True)) / len(best)


def check_shares(result, ours, others):
    rows = result["attacks"]
    for share, what in (("share of time", "seconds"), ("share of processor time", "cpu_seconds")):
        mine, theirs = rows[ours][what], sum(rows[name][what] for name in others)
        half = 0.0051  # seconds are stored in hundredths, shares as they were
        assert (mine - half) / (theirs + half * len(others)) <= result[share]
        assert result[share] * (theirs - half * len(others)) <= mine + half


def test_autoattack_runs_from_end_to_end_and_its_errors_are_those_of_its_distances(bench, capsys):
    status, record = bench("autoattack")
    assert status == 0 and record["images"] == 2 and list(record["networks"]) == list(comparison.NETWORKS)
    for network, by_norm in record["networks"].items():
        assert list(by_norm) == ["l2", "linf"]
        for norm, result in by_norm.items():
            assert result["radius"] == 10 * RADII[network][norm]  # where AutoAttack is over soon, as it fools both
            check_errors(result)
            assert result["attacks"][AUTOATTACK]["error"] == 1
    check_printed(capsys.readouterr().out, attack_tables.fixed_radius(record), record)


def check_errors(result):
    """The errors follow from the distances that are stored with them; an image on the radius itself is anybody's."""
    columns = {
        name: [math.inf if d is None else d for d in row["distances"]] for name, row in result["attacks"].items()
    }
    assert list(columns) == [QUICK, AUTOATTACK]
    least, most = (result["radius"] * (1 + 1e-4) * (1 + rounding) for rounding in (-1e-5, 1e-5))
    for (name, mine), theirs in zip(columns.items(), reversed(columns.values()), strict=True):
        row = result["attacks"][name]
        assert sum(d < least for d in mine) <= row["error"] * len(mine) <= sum(d < most for d in mine)
        pairs = list(zip(mine, theirs, strict=True))
        assert sum(a < least and b > most for a, b in pairs) <= row["alone"]
        assert row["alone"] <= sum(a < most and b > least for a, b in pairs)
        assert row["seconds"] >= 0 and row["gradients"] > 0 and row["passes"] > row["gradients"]
    check_shares(result, QUICK, [AUTOATTACK])


def test_autoattack_is_run_as_its_authors_do_at_a_radius_for_each_network_and_norm():
    arms = comparison.autoattack_arms()
    assert list(arms) == list(comparison.NETWORKS)
    for network, by_norm in arms.items():
        for norm, those in by_norm.items():
            options = {name: dict(arm.options) for name, arm in those.items()}
            # no other option: version "standard" is the default
            assert options == {QUICK: {"suite": "quick"}, AUTOATTACK: {"radius": RADII[network][norm]}}
            assert those[AUTOATTACK].attack is autoattack and those[QUICK].attack is suite.smallest


def at_once(model, x, y, norm, **options):
    return Adversarial(x, torch.arange(1.0, len(x) + 1), ("",) * len(x))


def test_a_run_that_was_stopped_goes_on_and_other_code_or_images_begin_anew(bench, monkeypatch, capsys):
    arms = {name: Arm(at_once, {"inner": inner}, {}) for name, inner in ((OURS, 50), (PUBLISHED, 500))}
    monkeypatch.setattr(comparison, "logbarrier_arms", lambda: {"l2": arms, "linf": arms})
    monkeypatch.setattr(comparison, "NETWORKS", ("undefended", "squared-l2-0.1"))
    runs, timed = [], comparison._timed

    def stopping(*arguments):
        runs.append(arguments)
        if len(runs) == 3:
            raise KeyboardInterrupt
        distance, row = timed(*arguments)
        return distance, row | {"gradients": 1.0}

    monkeypatch.setattr(comparison, "_timed", stopping)
    assert bench("logbarrier") == (130, None) and "goes on from the last finished attack" in capsys.readouterr().err
    _, first = bench("logbarrier")
    assert len(runs) == 3 + 8 - 2  # two arms were finished, the third was not
    assert bench("logbarrier")[1]["networks"] == first["networks"] and len(runs) == 9
    bench("logbarrier", images=3)
    assert len(runs) == 9 + 8
    monkeypatch.setattr(comparison, "_code", lambda: "other code")
    bench("logbarrier", images=3)
    assert len(runs) == 9 + 8 + 8


def test_images_that_the_networks_do_not_know_are_refused_in_one_line(bench, capsys):
    assert bench("attacks", images=900)[0] == 1
    assert "are recognised by undefended, 900 were asked for" in capsys.readouterr().err
    assert bench("attacks", images=1)[0] == 1
    assert "at least two images" in capsys.readouterr().err


def stored(name):
    return json.loads((STORED / f"{name}.json").read_text())


@pytest.mark.parametrize(("norm", "most"), [("l2", 1.02), ("linf", 1.03)])
def test_quick_is_as_near_as_the_best_of_the_libraries_in_a_fifth_of_their_time(norm, most):
    record = stored("attacks")
    assert record["images"] >= 32
    for network in comparison.NETWORKS:
        result = record["networks"][network][norm]
        check(result, "attacks")
        assert result["attacks"][QUICK]["unfooled"] == 0
        assert result["ratio of medians"] <= most, network
        assert result["share of time"] <= 1 / 5 and result["share of processor time"] <= 1 / 5, network


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_our_logbarrier_is_nearer_than_the_published_one_at_a_tenth_of_its_steps(norm):
    record = stored("logbarrier")
    for network in comparison.NETWORKS:
        result = record["networks"][network][norm]
        check(result, "logbarrier")
        assert result["ratio of medians"] < 1 and result["nearer"] > 0.5, network
        assert result["share of gradients"] <= 0.11, network


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_quick_and_autoattack_are_compared_where_the_error_is_neither_none_nor_all(norm):
    record = stored("autoattack")
    assert record["images"] >= 32
    for network in comparison.NETWORKS:
        result = record["networks"][network][norm]
        check_errors(result)
        assert result["radius"] == RADII[network][norm]
        assert all(0.1 < row["error"] < 0.9 for row in result["attacks"].values()), network


def test_the_libraries_attacks_are_run_with_the_steps_their_authors_give_them():
    arms = {
        norm: {name: dict(arm.options) for name, arm in those.items()}
        for norm, those in comparison.attacks_arms().items()
    }
    assert arms == {
        "l2": {
            QUICK: {"suite": "quick"},
            "foolbox ddn": {"steps": 100},
            "foolbox carlini-wagner": {"binary_search_steps": 9, "steps": 1000},
            "foolbox brendel-bethge": {},
        },
        "linf": {QUICK: {"suite": "quick"}, "foolbox fmn": {}, "foolbox brendel-bethge": {}},
    }
