"""Files are written whole or not at all, and what a killed writer leaves is cleared away."""

import multiprocessing
import os
import signal

import torch

from tulip_lite.storage import tensors
from tulip_lite.storage.files import clear_leftovers, written_whole


def _killed_while_writing(path):
    with written_whole(path) as temporary:
        temporary.write_text("half of it")
        (temporary.parent / ".tmpOfTheLibrary").write_text("as safetensors makes them")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_writer_leaves_nothing_that_the_next_does_not_clear(tmp_path):
    path = tmp_path / "numbers.json"
    path.write_text("old")
    writer = multiprocessing.get_context("spawn").Process(target=_killed_while_writing, args=(path,))
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2  # it did leave something
    clear_leftovers(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_as_readable_as_any_other(tmp_path):
    (tmp_path / "other").write_text("")
    with written_whole(tmp_path / "whole") as temporary:
        temporary.write_text("all of it")
    tensors.save(tmp_path / "weights", {"a": torch.ones(3)})
    for name in ("whole", "weights"):
        assert (tmp_path / name).stat().st_mode == (tmp_path / "other").stat().st_mode
    assert {p.name for p in tmp_path.iterdir()} == {"other", "whole", "weights"}
