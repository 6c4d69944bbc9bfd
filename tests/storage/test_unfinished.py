"""Batches on disk: whatever the batch size and wherever the process was killed, the columns are those computed in one go."""

import multiprocessing
import tempfile
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tulip_lite.storage.unfinished import Batches, columns


def numbers(count):
    """Some computation of each item alone, with several types and a column of images."""

    def compute(items):
        i = torch.arange(count)[items]
        assert len(i) > 0
        return {"root": i.double().sqrt(), "square": i**2, "picture": i.float()[:, None, None].expand(-1, 2, 3)}

    return compute


def same(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one
    )


@settings(max_examples=25)
@given(st.integers(1, 12), st.integers(1, 15), st.data())
def test_the_columns_are_those_of_one_batch_wherever_the_run_was_stopped(count, size, drawn):
    at_once = numbers(count)(slice(0, count))
    batches = -(-count // size)
    stop = drawn.draw(st.integers(0, batches))
    asked = []

    def watched(items):
        if len(asked) == stop:
            raise KeyboardInterrupt
        asked.append(items)
        return numbers(count)(items)

    with tempfile.TemporaryDirectory() as folder:
        store = Batches(folder, {"count": count, "size": size})
        try:
            first, _ = columns(count, size, watched, store)
        except KeyboardInterrupt:
            assert stop < batches
            begun = stop
        else:
            assert same(first, at_once)
            begun = batches
        assert len(store.finished()) == begun
        del asked[:]
        stop = batches + 1
        resumed, _ = columns(count, size, watched, Batches(folder, {"size": size, "count": count}))
    assert same(resumed, at_once)
    # each missing batch once, in order
    assert asked == [slice(i, min(i + size, count)) for i in range(begun * size, count, size)]


def test_seconds_add_up_over_resumptions(tmp_path):
    store = Batches(tmp_path, {})

    def slowly(items):
        if items.start == 2:
            raise KeyboardInterrupt
        time.sleep(0.05)
        return numbers(3)(items)

    with pytest.raises(KeyboardInterrupt):
        columns(3, 1, slowly, store)
    before = sum(facts["seconds"] for _, facts in store.finished().values())
    assert before >= 0.1
    _, after = columns(3, 1, numbers(3), store)
    assert after > before
    assert columns(3, 1, None, store)[1] == after  # nothing was left to compute


def test_what_is_stored_has_no_graph(tmp_path):
    weight = torch.ones(4, requires_grad=True)
    found, _ = columns(4, 2, lambda items: {"a": 2 * weight[items]}, Batches(tmp_path, {}))
    assert not found["a"].requires_grad


def _slowly(items):
    time.sleep(0.01)
    return numbers(12)(items)


def _in_a_process(folder):
    torch.set_num_threads(1)
    columns(12, 1, _slowly, Batches(folder, {"run": 1}))


def test_killed_several_times_it_goes_on_and_ends_bit_for_bit_the_same(tmp_path):
    """SIGKILL, real processes: each lives until so many batches are there, and a moment longer."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tulip_lite.storage.unfinished"])
    folder = tmp_path / "run"
    for batches, moment in ((0, 0.0), (0, 0.02), (3, 0.0), (5, 0.004), (8, 0.008)):
        process = context.Process(target=_in_a_process, args=(folder,))
        process.start()
        while process.is_alive() and len(list(folder.glob("batch-*"))) < batches:
            time.sleep(0.001)
        time.sleep(moment)
        process.kill()
        process.join()
    finished = len(list(folder.glob("batch-*")))
    assert finished >= 8
    # as writers leave them that are killed before their file is in place, and just after
    for batch in (finished, finished - 1):
        (folder / f".batch-{batch:05}.safetensors-left").mkdir()
    computed = []

    def watched(items):
        computed.append(items.start)
        return numbers(12)(items)

    resumed, _ = columns(12, 1, watched, Batches(folder, {"run": 1}))
    assert computed == list(range(finished, 12))
    assert same(resumed, numbers(12)(slice(0, 12)))
    assert sorted(path.name for path in folder.iterdir()) == [f"batch-{i:05}.safetensors" for i in range(12)]


def test_an_identity_is_compared_as_it_is_read_back(tmp_path):
    identity = {"sizes": (1, 2), "how": torch.float32, "options": {"steps": 3}}
    columns(2, 1, numbers(2), Batches(tmp_path, identity))
    columns(2, 1, None, Batches(tmp_path, dict(identity)))
    with pytest.raises(ValueError, match=r"its sizes was \[1, 2\], now it is \[1, 3\]"):
        columns(2, 1, None, Batches(tmp_path, identity | {"sizes": (1, 3)}))


def test_the_folder_of_another_run_is_refused_and_kept(tmp_path):
    columns(4, 2, numbers(4), Batches(tmp_path, {"seed": 0, "weights": "a"}))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for identity, what in (({"seed": 0, "weights": "b"}, "weights was a, now it is b"), ({"norm": 2}, "norm was None")):
        with pytest.raises(ValueError, match=f"belongs to another run: its {what}.*delete {tmp_path} to start again"):
            columns(4, 2, None, Batches(tmp_path, identity))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_damaged_file_is_named_and_kept(tmp_path):
    store = Batches(tmp_path, {})
    columns(4, 2, numbers(4), store)
    store.path(1).write_bytes(store.path(1).read_bytes()[:100])
    with pytest.raises(ValueError, match="batch-00001.safetensors is not a whole safetensors file"):
        columns(4, 2, None, store)
    assert store.path(1).stat().st_size == 100


def test_nothing_to_compute_and_no_batches_are_errors(tmp_path):
    with pytest.raises(ValueError, match="count must be a whole number ≥ 1, got 0"):
        columns(0, 2, numbers(0), Batches(tmp_path, {}))
    with pytest.raises(ValueError, match="batch_size must be a whole number ≥ 1, got 0"):
        columns(2, 0, numbers(2), Batches(tmp_path, {}))


def test_the_bar_counts_images_finished_ones_too(tmp_path, capsys):
    columns(3, 1, numbers(3), Batches(tmp_path, {}))
    assert not capsys.readouterr().err
    columns(3, 1, None, Batches(tmp_path, {}), progress=True, about="roots")
    bar = capsys.readouterr().err
    assert "roots" in bar and "3/3" in bar
