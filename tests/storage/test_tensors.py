import errno
import os
import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn

from tulip_lite.models import PocketNet
from tulip_lite.storage import tensors
from tulip_lite.storage.files import written_whole


def test_what_is_saved_is_loaded_bit_for_bit(tmp_path):
    model = PocketNet()
    tensors.save(tmp_path / "w.safetensors", model.state_dict(), seed=3, rate=0.1 + 0.2, rows=[{"a": 1}])
    stored, about = tensors.load(tmp_path / "w.safetensors")
    assert about == {"seed": 3, "rate": 0.1 + 0.2, "rows": [{"a": 1}]}
    other = PocketNet()
    tensors.load_weights(other, stored, "w")
    assert all(torch.equal(a, other.state_dict()[name]) for name, a in model.state_dict().items())


def test_another_models_weights_are_refused_and_leave_the_model_alone(tmp_path):
    model = PocketNet(classes=100)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(
        ValueError, match=r"another model than this PocketNet: head.bias is \(10,\).*\(100,\).*and 1 more"
    ):
        tensors.load_weights(model, PocketNet().state_dict(), "w.safetensors")
    with pytest.raises(ValueError, match="another model than this PocketNet: bias is not in the model"):
        tensors.load_weights(model, nn.Linear(3, 3).state_dict(), "w.safetensors")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_diverged_weights_are_refused():
    weights = PocketNet().state_dict()
    weights["head.bias"][0] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinite weights in head.bias"):
        tensors.load_weights(PocketNet(), weights, "w.safetensors")


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_truncated_file_is_refused(tmp_path, keep):
    path = tmp_path / "w.safetensors"
    tensors.save(path, PocketNet().state_dict())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="not a whole safetensors file.*delete the file or restore it"):
        tensors.load(path)


class Malicious:
    """Unpickling this would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("dump", [lambda thing, path: path.write_bytes(pickle.dumps(thing)), torch.save])
def test_loading_never_runs_code(tmp_path, dump):
    path, trace = tmp_path / "w.safetensors", tmp_path / "it-ran"
    dump(Malicious(trace), path)
    with pytest.raises(ValueError, match="Pickled checkpoints .* are refused"):
        tensors.load(path)
    assert not trace.exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file .*nothing.safetensors"):
        tensors.load(tmp_path / "nothing.safetensors")


# --- whole or not at all ---------------------------------------------------------------------------


def test_an_error_while_writing_keeps_the_old_file_and_leaves_no_litter(tmp_path):
    path = tmp_path / "f"
    path.write_text("old")
    with pytest.raises(RuntimeError), written_whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["f"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_full_disk_keeps_the_old_file(tmp_path):
    path = tmp_path / "f"
    path.write_text("old")
    with pytest.raises(OSError, match=r"cannot write .*No space left.*free some space.*untouched") as caught:
        with written_whole(path), open("/dev/full", "w") as full:
            full.write("x" * 100_000)
    assert caught.value.errno == errno.ENOSPC
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["f"]


FILL_THE_DISK = """
import resource, signal, sys
from tulip_lite.models import PocketNet
from tulip_lite.storage import tensors
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # every write past 200 kB fails, as on a full disk
try:
    tensors.save(sys.argv[1], PocketNet().state_dict())
except OSError as error:
    print(error.strerror)
"""


def test_weights_that_do_not_fit_on_the_disk_leave_the_old_ones(tmp_path):
    path = tmp_path / "w.safetensors"
    tensors.save(path, {"a": torch.ones(3)})
    answer = subprocess.run([sys.executable, "-c", FILL_THE_DISK, path], capture_output=True, text=True)
    assert "cannot write" in answer.stdout and "untouched" in answer.stdout, answer.stderr
    assert torch.equal(tensors.load(path)[0]["a"], torch.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot write .*choose another folder"), written_whole(tmp_path / "file" / "f"):
        pass
