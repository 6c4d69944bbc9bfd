import json

import pytest
import torch

from tulip_lite import recipes, results, tables
from tulip_lite.objectives import GradientPenalty, penalty
from tulip_lite.objectives.difference_error import DifferenceErrors, best_step, errors_against_h

DERIVED = {"cross-entropy": 3, "finite difference": 7}


def cells(row):
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_table_holds_the_numbers_of_the_cards():
    shipped = {name: results.load(name) for name in recipes.SHIPPED}
    rows = tables.networks(shipped, "linf", 8 / 255).splitlines()
    for row, (name, result) in zip(rows[2:], shipped.items(), strict=False):
        assert f"`{name}`" in row and f"{result.card['clean_error']:.1%}" in row
        assert f"{result.card['pgd']['error']['linf'][-1]:.1%}" in row
    assert shipped["undefended"].card["data"] in rows[-1]
    with pytest.raises(ValueError):
        tables.networks(shipped, "l2", 0.123)


def test_costs_are_those_of_the_record():
    record = {
        "batch": 64, "rounds": 9, "processor": "A processor", "threads": 3, "gpu": None, "torch": "9.9",
        "rows": {
            "cross-entropy": {"ratio": 1.0, "quartiles": [1.0, 1.0], "milliseconds": 85.7},
            "finite difference": {"ratio": 2.566, "quartiles": [2.36, 2.651], "milliseconds": 218.4},
            "another": {"ratio": 9.0, "quartiles": [9.0, 9.0], "milliseconds": 999.0},
        },
    }  # fmt: skip
    rows = tables.costs(record, DERIVED, {"cross-entropy": 2.8, "finite difference": 7.0}).splitlines()
    assert cells(rows[2]) == ["cross-entropy", "3", "2.8", "1.0", "1.0", "1.0 to 1.0", "86"]
    assert cells(rows[3]) == ["finite difference", "7", "7.0", "2.5", "2.6", "2.4 to 2.7", "218"]
    assert rows[4] == "" and len(rows) == 6
    for text in ("9 rounds", "batches of 64", "A processor", "3 threads", "GPU: none", "torch 9.9"):
        assert text in rows[5]


def test_the_shipped_record_s_first_row_is_the_baseline():
    record = json.loads((results.RESULTS / "bench" / "objectives.json").read_text())
    rows = tables.costs(record, DERIVED, DERIVED).splitlines()
    name, *_, ratio, quartiles, _ = cells(rows[2])
    assert (name, ratio, quartiles) == ("cross-entropy", "1.0", "1.0 to 1.0")
    with pytest.raises(ValueError, match="first row, 'finite difference', must be the record's baseline"):
        tables.costs(record, dict(reversed(DERIVED.items())), DERIVED)
    with pytest.raises(ValueError, match="no row 'guess' in the record: there are 'cross-entropy'"):
        tables.costs(record, DERIVED | {"guess": 1}, DERIVED | {"guess": 1})
    with pytest.raises(ValueError, match="no row 'finite difference' in the counts"):
        tables.costs(record, DERIVED, {"cross-entropy": 3})


@pytest.fixture
def errors(smooth_net):
    x = torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return errors_against_h(smooth_net, x, torch.arange(4), [1e-3, 1e-2], precisions=["float64", "bfloat16"])


def test_best_steps_are_the_formulas_and_errors_the_measured_ones(errors: DifferenceErrors):
    rows = tables.best_steps({"a": errors}, h=0.01).splitlines()
    assert len(rows) == 4
    for row, precision in zip(rows[2:], ("float64", "bfloat16"), strict=True):
        best, least = best_step(*errors.coefficients(precision, "finite-difference"))
        measured = errors.median(precision, "finite-difference")[1].item()
        assert cells(row)[:2] == ["`a`", precision]
        found = [float(cell.removesuffix(" %")) for cell in cells(row)[2:]]
        assert found == pytest.approx([best, 100 * least, 100 * measured], rel=0.06)


def test_a_step_that_was_not_measured_is_refused(errors):
    with pytest.raises(ValueError, match="h = 0.02 is not among the steps measured"):
        tables.best_steps({"a": errors}, h=0.02)


def test_the_source_is_the_packages():
    text = tables.source(penalty._direction, GradientPenalty.__call__)
    assert text.startswith("```python\ndef _direction(") and text.endswith("\n```")
    # a method is shown without its class's indentation
    assert "\n\ndef __call__(self, model" in text and "self.strength / 2 * squared.mean()" in text
