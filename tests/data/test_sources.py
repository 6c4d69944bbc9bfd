import functools
import hashlib
import http.server
import pickle
import tarfile
import threading
import urllib.error

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from tulip_lite import data
from tulip_lite.data import folder as image_folder
from tulip_lite.data import sources
from tulip_lite.storage import places


def test_the_sample_is_balanced_real_and_in_its_documented_form(sample):
    assert sample.name == "Fashion-MNIST sample" and len(sample.classes) == 10
    for split, each in ((sample.train, 600), (sample.test, 100)):
        assert split.images.shape == (10 * each, 3, 32, 32) and split.images.dtype == torch.uint8
        assert split.labels.bincount().tolist() == [each] * 10
        x, y = split.tensors()
        assert x.min() == 0 and x.max() == 1 and x.dtype == torch.float32 and y.dtype == torch.int64
        assert torch.equal(x[:, 0], x[:, 1]) and torch.all(x[..., :2] == 0)
    assert sources.SAMPLE.stat().st_size <= 4 * 2**20


def test_no_image_is_in_both_splits(sample):
    digests = [{hashlib.sha256(i.numpy().tobytes()).digest() for i in s.images} for s in (sample.train, sample.test)]
    assert len(digests[0]) > 5990 and not digests[0] & digests[1]


def test_a_damaged_sample_is_refused(tmp_path, monkeypatch):
    broken = tmp_path / "sample.npz"
    broken.write_bytes(sources.SAMPLE.read_bytes()[:-1])
    monkeypatch.setattr(sources, "SAMPLE", broken)
    with pytest.raises(ValueError, match="checksum.*git checkout"):
        data.load("sample")
    broken.unlink()
    with pytest.raises(FileNotFoundError, match="clone"):
        data.load("sample")


def test_batches_cover_everything_once(sample):
    batches = list(sample.test.batches(300))
    assert [len(y) for _, y in batches] == [300, 300, 300, 100]
    assert torch.equal(torch.cat([y for _, y in batches]), sample.test.labels)
    assert torch.equal(torch.cat([x for x, _ in batches]), sample.test.tensors()[0])


def test_a_subset_is_balanced_and_reproducible(sample):
    part = sample.train.subset(105, seed=1)
    assert sorted(part.labels.bincount().tolist()) == [10] * 5 + [11] * 5
    assert torch.equal(part.images, sample.train.subset(105, seed=1).images)
    assert not torch.equal(part.images, sample.train.subset(105, seed=2).images)
    with pytest.raises(ValueError, match="class 0 has 100 images, 200 were asked for"):
        sample.test.subset(2000)


# --- where the images come from -------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data/ and no TULIP_DATA, so that no test depends on what this machine has."""
    monkeypatch.setattr(places, "FOLDER", tmp_path / "data")
    monkeypatch.delenv("TULIP_DATA", raising=False)
    (tmp_path / "data").mkdir()
    return tmp_path


def write_images(root, parts=("train", "test"), classes=("cat", "dog"), count=3, size=(8, 8)):
    rng = np.random.default_rng(0)
    for part in parts:
        for name in classes:
            (root / part / name).mkdir(parents=True)
            for i in range(count):
                Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(root / part / name / f"{i}.png")
    return root


def test_auto_takes_the_environment_then_cifar_then_the_sample(folder, monkeypatch):
    assert data.load().name == "Fashion-MNIST sample"
    (folder / "data" / "cifar-10-batches-py").mkdir()
    with pytest.raises(ValueError, match="incomplete or damaged: delete it"):
        data.load()
    monkeypatch.setenv("TULIP_DATA", "sample")
    assert data.load().name == "Fashion-MNIST sample"
    monkeypatch.setenv("TULIP_DATA", str(write_images(folder / "pets")))
    assert data.load().name == "pets"


def test_the_one_line_says_which_images_and_how_to_get_cifar(sample):
    assert str(sample) == (
        "Fashion-MNIST sample: 6000 training and 1000 test images, 10 classes, 32×32 "
        "(for CIFAR-10 run: python -m tulip_lite data cifar10)"
    )


def test_an_image_folder_is_decoded_exactly_and_once(folder, monkeypatch):
    root = write_images(folder / "pets")
    Image.new("L", (8, 8), 100).save(root / "train" / "cat" / "grey.png")
    first = data.load(root)
    assert first.classes == ("cat", "dog") and first.train.labels.tolist() == [0, 0, 0, 0, 1, 1, 1]
    pixels = torch.from_numpy(np.asarray(Image.open(root / "train" / "dog" / "1.png")).copy())
    assert torch.equal(first.train.images[5], pixels.permute(2, 0, 1))
    assert torch.all(first.train.images[3] == 100)
    monkeypatch.setattr(image_folder, "_decode", lambda path: pytest.fail("decoded twice"))
    assert torch.equal(data.load(root).test.images, first.test.images)


def test_a_changed_image_is_decoded_again(folder):
    root = write_images(folder / "pets")
    data.load(root)
    Image.new("RGB", (8, 8), (1, 2, 3)).save(root / "test" / "dog" / "2.png")
    assert data.load(root).test.images[-1, :, 0, 0].tolist() == [1, 2, 3]


def test_a_folder_may_say_its_name(folder):
    root = write_images(folder / "pets")
    (root / "NAME").write_text("Pets, shrunk\n")
    assert data.load(root).name == "Pets, shrunk"


def spoil_one_class(root):
    write_images(root, classes=("cat",))


def spoil_size(root):
    write_images(root)
    Image.new("RGB", (9, 8)).save(root / "train" / "dog" / "9.png")


def spoil_file(root):
    write_images(root)
    (root / "test" / "cat" / "1.png").write_bytes((root / "test" / "cat" / "1.png").read_bytes()[:60])


def spoil_text(root):
    write_images(root)
    (root / "test" / "cat" / "1.jpg").write_text("not a picture")


def spoil_part(root):
    write_images(root, parts=("train",))


def spoil_classes(root):
    write_images(root)
    write_images(root, parts=("test",), classes=("cow",))


def spoil_empty(root):
    write_images(root)
    (root / "train" / "bird").mkdir()


@pytest.mark.parametrize(("spoil", "error", "complaint"), [
    (spoil_one_class, ValueError, "has 1 class folder.*at least two"),
    (spoil_size, ValueError, r"9.png is 9×8 pixels, the images before it 8×8"),
    (spoil_file, ValueError, r"cat.1.png cannot be read as an image"),
    (spoil_text, ValueError, r"cat.1.jpg cannot be read as an image"),
    (spoil_part, FileNotFoundError, "test is not there: an image folder holds"),
    (spoil_classes, ValueError, "these are in one only: cow"),
    (spoil_empty, ValueError, "bird holds no .png or .jpg image"),
    (lambda root: None, FileNotFoundError, "train is not there"),
])  # fmt: skip
def test_a_bad_image_folder_gets_one_clear_line_and_leaves_no_cache(folder, spoil, error, complaint):
    spoil(folder / "pets")
    with pytest.raises(error, match=complaint) as caught:
        data.load(folder / "pets")
    assert "\n" not in str(caught.value)
    assert not list((folder / "data").rglob("*.safetensors*"))


# --- CIFAR through torchvision, from a server on this machine ---------------------------------------


@pytest.fixture
def served(folder, monkeypatch):
    """A folder that torchvision's CIFAR-10 is fetched from, over http."""
    (folder / "served").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder / "served")
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *args: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz"
        monkeypatch.setattr("torchvision.datasets.CIFAR10.url", address)
        yield folder / "served" / "cifar-10-python.tar.gz"
        server.shutdown()


def test_cifar_that_was_never_downloaded(folder):
    with pytest.raises(FileNotFoundError, match="python -m tulip_lite data cifar10.*TULIP_DATA"):
        data.load("cifar10")


def test_no_network(folder, monkeypatch):
    def unreachable(*args, **kwargs):
        raise urllib.error.URLError(OSError(-2, "Name or service not known"))

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(ConnectionError, match="could not be downloaded.*nothing was kept.*TULIP_DATA"):
        data.download("cifar10")
    assert not list((folder / "data").iterdir())


@pytest.mark.parametrize("content", [b"half an archive", "a whole archive of something else", None])
def test_a_truncated_wrong_or_missing_archive_is_not_kept(folder, served, content):
    if isinstance(content, str):
        with tarfile.open(served, "w:gz") as tar:
            tar.add(__file__, "cifar-10-batches-py/data_batch_1")
    elif content:
        served.write_bytes(content)
    with pytest.raises((ValueError, ConnectionError), match="nothing was kept"):
        data.download("cifar10")
    assert not list((folder / "data").iterdir())


def test_unknown_download():
    with pytest.raises(ValueError, match="unknown data set 'mnist'"):
        data.download("mnist")


def test_downloads_checks_and_loads_a_cifar_archive(folder, served, monkeypatch):
    """torchvision's real path, on an archive of the real format with fifty random images and its own checksums."""
    source = folder / "cifar-10-batches-py"
    source.mkdir()
    rng = np.random.default_rng(0)

    def put(name, entry):
        (source / name).write_bytes(pickle.dumps(entry))
        return [name, hashlib.md5((source / name).read_bytes()).hexdigest()]

    def batch(name):
        return put(name, {"data": rng.integers(0, 256, (10, 3072), np.uint8), "labels": list(range(10))})

    train = [batch(f"data_batch_{i}") for i in range(1, 5)]
    test = [batch("test_batch")]
    meta = put("batches.meta", {"label_names": list("abcdefghij")})
    with tarfile.open(served, "w:gz") as tar:
        tar.add(source, source.name)
    changes = {
        "tgz_md5": hashlib.md5(served.read_bytes()).hexdigest(),
        "train_list": train,
        "test_list": test,
        "meta": {"filename": "batches.meta", "key": "label_names", "md5": meta[1]},
    }
    for name, value in changes.items():
        monkeypatch.setattr(datasets.CIFAR10, name, value)

    assert data.download("cifar10") == folder / "data" / "cifar-10-batches-py"
    loaded = data.load()
    assert loaded.name == "CIFAR-10" and loaded.classes == tuple("abcdefghij")
    assert len(loaded.train) == 40 and len(loaded.test) == 10
    served.unlink()
    data.download("cifar10")  # there already: nothing is fetched
    with open(folder / "data" / "cifar-10-batches-py" / "data_batch_2", "ab") as file:
        file.write(b"!")
    with pytest.raises(ValueError, match="damaged: delete it"):
        data.load("cifar10")
