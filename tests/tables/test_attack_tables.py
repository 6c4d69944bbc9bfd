import dataclasses

import pytest
import torch

from tulip_lite.attacks.others import foolbox
from tulip_lite.results import Attacks
from tulip_lite.tables import attacks as attack_tables
from tulip_lite.tables.attacks import Cost

INF = torch.inf


def cells(row):
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_registry_is_that_of_the_library():
    rows = attack_tables.registry(foolbox.ATTACKS).splitlines()[2:]
    assert [cells(row)[0] for row in rows] == list(foolbox.ATTACKS)
    table = {cells(row)[0]: cells(row)[1:] for row in rows}
    assert table["carlini-wagner"] == ["ℓ₂", "scores and gradients", "the clean image", "9 × 1000"]
    assert table["hopskipjump"] == ["ℓ₂, ℓ∞", "the predicted class", "a misclassified image", "64"]
    assert table["brendel-bethge"][1:3] == ["scores and gradients", "a misclassified image"]


def test_costs_are_those_of_the_columns():
    found = {"a": torch.tensor([0.1, 0.2, 0.3, 0.4]), "b": torch.tensor([0.1005, 0.1, 0.5, INF])}
    rows = attack_tables.costs(found, {"a": Cost(12.4, 10), "b": Cost(1000, 0)}, "l2").splitlines()
    assert cells(rows[0])[1] == "median ℓ₂ distance"
    # nearest of all: 0.1, 0.1, 0.3, 0.4; 0.1005 is within 1 % of the first
    assert cells(rows[2]) == ["a", "0.25", "75%", "0", "12", "10"]
    assert cells(rows[3]) == ["b", "0.3", "50%", "1", "1000", "0"]
    assert rows[5].startswith("4 images")


def test_linf_is_in_grey_levels():
    rows = attack_tables.costs({"a": torch.full((2,), 4 / 255)}, {"a": Cost(1, 1)}, "linf").splitlines()
    assert cells(rows[2])[1] == "4/255"


def test_costs_say_what_is_missing():
    with pytest.raises(ValueError, match="no cost of 'b': there are 'a'"):
        attack_tables.costs({"b": torch.ones(1)}, {"a": Cost(1, 1)}, "l2")


@pytest.fixture
def attacks():
    card = {
        "norm": "l2", "suite": "quick", "images": 4, "data": "Photographs", "processor": "A processor",
        "threads": 3, "torch": "9.9", "stages": [{"name": "one"}, {"name": "two"}], "seconds": {"one": 3.0, "two": 5.0},
    }  # fmt: skip
    distance = torch.tensor([0.0, 0.1, 0.3, INF])
    attack = ("clean", "two", "two", "")
    zero = torch.zeros(4, dtype=torch.long)
    return Attacks(zero, zero, zero, distance, attack, {}, card)


def test_suites_are_those_of_the_files(attacks):
    rows = attack_tables.suites({"net": attacks, "same": attacks}).splitlines()
    assert cells(rows[0])[5:] == ["one nearest", "two nearest", "s an image"]
    assert cells(rows[2]) == ["`net`", "25.0%", "0.2", "0.133", "1", "0", "2", "2.00"]
    assert len(cells(rows[1])) == len(cells(rows[0])) == len(cells(rows[3]))
    for text in ("`quick` on 4 test images of Photographs", "A processor, threads: 3, torch 9.9"):
        assert text in rows[-1]


def test_one_table_is_of_one_norm_and_suite(attacks):
    other = dataclasses.replace(attacks, card=attacks.card | {"norm": "linf"})
    with pytest.raises(ValueError, match="one table is of one norm, got 'l2' and 'linf'"):
        attack_tables.suites({"a": attacks, "b": other})
    with pytest.raises(ValueError, match="no attacks"):
        attack_tables.suites({})


def test_stages_are_those_of_the_suites():
    from tulip_lite.attacks.stages import Stage

    suites = {"one": {"l2": (Stage("pgd"), Stage("fmn", {"steps": 9}, "fmn, short")), "linf": (Stage("pgd"),)}}
    rows = attack_tables.stages(suites).splitlines()[2:]
    assert [cells(row) for row in rows] == [["`one`", "ℓ₂", "pgd, fmn, short (steps 9)"], ["`one`", "ℓ∞", "pgd"]]


def test_compared_is_the_record():
    row = {"median": 0.5, "wins": 3, "unfooled": 1, "gradients": 99.6, "seconds": 1.25}
    record = {
        "images": 4, "data": "Photographs", "processor": "A processor", "threads": 3, "torch": "9.9", "gpu": None,
        "networks": {"net": {"l2": {"attacks": {"a": row}}, "linf": {"attacks": {"a": row | {"median": 2 / 255}}}}},
    }  # fmt: skip
    rows = attack_tables.compared(record).splitlines()
    assert cells(rows[2]) == ["`net`", "ℓ₂", "a", "0.5", "3", "1", "100", "1.2"]
    assert cells(rows[3])[1:4] == ["ℓ∞", "a", "2/255"]
    assert "4 images of Photographs" in rows[-1] and "GPU: none" in rows[-1]


def test_fixed_radius_is_the_record():
    quick = {"error": 0.375, "alone": 2, "gradients": 155.6, "passes": 170.4, "seconds": 1.25}
    other = quick | {"error": 0.34375, "alone": 1, "passes": 5000.0, "seconds": 33.0}
    record = {
        "images": 32, "data": "Photographs", "processor": "A processor", "threads": 3, "torch": "9.9", "gpu": None,
        "networks": {"net": {
            "l2": {"radius": 0.15, "attacks": {"quick": quick, "autoattack": other}},
            "linf": {"radius": 3 / 255, "attacks": {"quick": quick}},
        }},
    }  # fmt: skip
    rows = attack_tables.fixed_radius(record).splitlines()
    assert cells(rows[2]) == ["`net`", "ℓ₂", "0.15", "quick", "37.5%", "2", "156", "170", "1.2"]
    assert cells(rows[3])[3:] == ["autoattack", "34.4%", "1", "156", "5000", "33.0"]
    assert cells(rows[4])[1:4] == ["ℓ∞", "3/255", "quick"]
    assert {len(cells(row)) for row in rows[:5]} == {9}
    assert "32 images of Photographs" in rows[-1] and "A processor, threads: 3, GPU: none, torch 9.9" in rows[-1]
