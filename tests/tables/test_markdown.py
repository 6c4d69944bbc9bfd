"""The one writer of tables."""

import pytest

from tulip_lite.tables.markdown import source, table


def test_a_table_is_written_as_markdown_has_it():
    rows = [["`a`", "1.50"], ("ℓ₂", "")]
    assert table(["network", "error"], "lr", rows) == "| network | error |\n| --- | --: |\n| `a` | 1.50 |\n| ℓ₂ |  |"


def test_lines_below_stand_apart():
    assert table(["a"], "r", iter([["1"]]), "Where from.", "More.") == "| a |\n| --: |\n| 1 |\n\nWhere from.\nMore."
    assert table(["a"], "l", []) == "| a |\n| --- |"


@pytest.mark.parametrize(("aligned", "rows", "complaint"), [
    ("lr", [["1", "2"], ["1"]], r"a row has 1 cells for 2 columns: \['1'\]"),
    ("lr", [["1", "2", "3"]], "a row has 3 cells for 2 columns"),
    ("lrr", [], "a row has 3 cells for 2 columns"),
])  # fmt: skip
def test_a_row_of_the_wrong_length_is_refused(aligned, rows, complaint):
    with pytest.raises(ValueError, match=complaint):
        table(["a", "b"], aligned, rows)


def test_source_text_is_a_block_without_its_indentation():
    class Inside:
        def method(self):
            return 1

    text = source(cells, Inside.method)
    assert text == ("```python\ndef cells(row):\n    return list(row)\n\ndef method(self):\n    return 1\n```")


def cells(row):
    return list(row)
