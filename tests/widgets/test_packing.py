"""Bytes on their way into a page: packed in Python, read back under Node."""

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_promises import small_promises
from small_viewer import small_viewer

from tulip_lite.widgets.packing import changes, packed, packed_noise

tables = st.lists(st.integers(0, 255), min_size=1, max_size=40).map(lambda values: np.array(values, np.uint8))


@pytest.mark.parametrize("stored", [lambda: small_viewer().answers, lambda: small_promises().differences])
def test_the_bytes_arrive_in_javascript(node, stored):
    text = stored()
    assert node("packing", "inflated", text) == list(zlib.decompress(base64.b64decode(text)))


@given(st.lists(st.integers(0, 255), min_size=1, max_size=40), st.integers(1, 5))
def test_changes_are_summed_up_again(node, values, rows):
    table = np.array([values[k:] + values[:k] for k in range(rows)], np.uint8)
    assert node("packing", "summed", changes(table).ravel().tolist(), len(values)) == table.ravel().tolist()


@pytest.mark.parametrize("pack", [packed, packed_noise])
@given(parts=st.lists(tables, max_size=3))
def test_the_bytes_of_all_arrays_stand_one_after_another(pack, parts):
    assert zlib.decompress(base64.b64decode(pack(*parts))) == b"".join(bytes(part) for part in parts)
