"""From a stored network to a stored file of certificates, and back."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from small_pictures import squares, untrained

from tulip_lite import data, recipes, results
from tulip_lite.bounds.smoothing import ABSTAIN, certify
from tulip_lite.experiments import certify as certify_experiment
from tulip_lite.experiments import setting
from tulip_lite.results import certificates
from tulip_lite.results.certificates import Smoothing
from tulip_lite.storage import fingerprints, tensors

ROOT = Path(__file__).resolve().parents[2]
CHEAP = {"n0": 10, "n": 60, "alpha": 0.01}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return squares(tmp_path_factory.mktemp("images") / "two", 8)


@pytest.fixture
def root(tmp_path, monkeypatch):
    return untrained(tmp_path, monkeypatch)


def run(pictures, root, sigma=0.25, **how):
    return certify_experiment.run(
        recipes.get("undefended"), profile=recipes.profile("pocket"), sigma=sigma, source=str(pictures), device="cpu",
        runs=root.parent / "runs", root=root, **{"progress": False, "images": 10, "batch_size": 4, **CHEAP, **how},
    )  # fmt: skip


def load(root, sigma=0.25):
    return certificates.load("undefended", sigma, root=root)


def columns(found):
    return {name: value for name, value in vars(found).items() if name != "card"}


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(columns(first).values(), columns(second).values(), strict=True))


def test_what_is_stored_is_what_was_certified_and_where_it_comes_from(pictures, root, capsys):
    left = root / "pocket" / "undefended" / "smoothing" / ".sigma-0.25.safetensors-left"
    left.mkdir(parents=True)  # as a writer that was killed leaves it
    path = run(pictures, root, seed=3)
    assert path == root / "pocket" / "undefended" / "smoothing" / "sigma-0.25.safetensors" and not left.exists()
    found = load(root)
    test = data.load(pictures).test
    assert torch.equal(found.index, setting.chosen(test, 10))
    assert torch.equal(found.label, test.labels[found.index])
    model = results.load("undefended", root=root).model
    x = test.tensors()[0][found.index]
    again = certify(model, x, 0.25, **CHEAP, seed=3, index=found.index)
    assert all(torch.equal(getattr(found, name), value) for name, value in again._asdict().items())
    assert found.radius.dtype == found.lower.dtype == torch.float64 and (found.predicted != ABSTAIN).any()
    card = found.card
    assert {name: card[name] for name in (*CHEAP, "sigma", "seed", "images", "data", "recipe", "profile")} == {
        **CHEAP, "sigma": 0.25, "seed": 3, "images": 10, "data": "two", "recipe": "undefended", "profile": "pocket",
    }  # fmt: skip
    assert card["weights"] == fingerprints.weights(model) and card["seconds"] > 0
    assert card["summary"] == found.summary()
    for key in ("commit", "torch", "python", "processor", "threads"):
        assert card[key] not in (None, ""), key
    out = capsys.readouterr().out
    assert "two: 16 training and 16 test images" in out and "smoothed with σ = 0.25: certified accuracy" in out
    assert not list((root.parent / "runs").rglob("*.safetensors"))  # a finished run leaves nothing to go on with


def test_an_image_gets_the_same_certificate_among_others_and_in_other_batches(pictures, root):
    few = (run(pictures, root, images=6), load(root))[1]
    every = (run(pictures, root, images=99, batch_size=5), load(root))[1]
    assert torch.equal(every.index, torch.arange(16))
    for name, column in columns(few).items():
        assert torch.equal(column, columns(every)[name][few.index])


def test_the_summary_counts_by_hand():
    label = torch.tensor([0, 1, 1, 0])
    predicted = torch.tensor([0, 1, 0, ABSTAIN])
    radius = torch.tensor([0.1, 0.6, 0.4, 0.0], dtype=torch.float64)
    found = Smoothing(torch.arange(4), label, predicted, radius, label, radius, {"sigma": 0.5, "seconds": 2.0})
    assert found.summary() == {
        "images": 4, "abstained": 1, "mean_radius": pytest.approx(0.7 / 4),
        "certified_accuracy": {"0": 0.5, "0.1": 0.25, "0.25": 0.25, "0.5": 0.25},
    }  # fmt: skip
    # inside the radius, not on it: the theorem has a strict inequality
    assert found.accuracy([0.09, 0.1, 0.6]) == [0.5, 0.25, 0.0]
    assert certify_experiment.describe(found).splitlines() == [
        "smoothed with σ = 0.5: certified accuracy 50.0% at 0, 25.0% at 0.1, 25.0% at 0.25, 25.0% at 0.5 (ℓ2)",
        "mean certified radius 0.175, wrong and abstained ones counted as 0; abstained on 1 of 4 images",
        "0.500 s an image",
    ]


def test_a_file_that_is_missing_damaged_or_of_other_weights_says_what_to_do(pictures, root):
    command = "python -m tulip_lite certify undefended --profile pocket --sigma 0.25"
    with pytest.raises(FileNotFoundError, match=f"{command}`"):
        load(root)
    with pytest.raises(ValueError, match="unknown recipe 'undefeated'"):
        certificates.load("undefeated", 0.25, root=root)
    path = run(pictures, root)
    with pytest.raises(FileNotFoundError, match="--sigma 0.5`"):
        load(root, 0.5)
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    with pytest.raises(ValueError, match="sigma-0.25.safetensors is not a whole safetensors file"):
        load(root)
    path.write_bytes(whole)
    stored, about = tensors.load(path)
    del stored["radius"]
    tensors.save(path, stored, **about)
    with pytest.raises(ValueError, match=f"lacks a column .*radius.*{command}"):
        load(root)

    path.write_bytes(whole)
    file = path.parent.parent / "weights.safetensors"
    weights, _ = tensors.load(file)
    tensors.save(file, weights | {"head.bias": weights["head.bias"] + 1})
    with pytest.raises(ValueError, match=f"other weights than undefended has now.*{command}"):
        load(root)


def test_images_of_other_classes_and_bad_options_are_refused(pictures, root):
    with pytest.raises(
        ValueError, match="trained on two with the classes dark, light; Fashion-MNIST sample has T-shirt"
    ):
        run("sample", root)
    for how, complaint in (
        ({"sigma": -1.0}, "sigma must be"), ({"n": 0}, "n must be a whole number ≥ 1"), ({"alpha": 1.0}, "alpha must lie"),
        ({"images": 0}, "at least one image"), ({"batch_size": 0}, "batch_size must be"), ({"seed": -1}, "seed ≥ 0"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=complaint):
            run(pictures, root, **how)
    assert not list(root.rglob("sigma-*"))


def _process(pictures, root):
    """The same run in a process of its own, an image a batch, on one thread."""
    script = (
        "import sys, torch; from pathlib import Path; from tulip_lite import recipes\n"
        "from tulip_lite.experiments import certify; from tulip_lite.storage import places\n"
        f"torch.set_num_threads(1); places.FOLDER = Path({str(root.parent / 'data')!r})\n"
        "certify.run(recipes.get('undefended'), profile=recipes.profile('pocket'), sigma=0.25, "
        f"source={str(pictures)!r}, device='cpu', runs=Path({str(root.parent / 'runs')!r}), root=Path({str(root)!r}), "
        f"images=16, batch_size=1, **{dict(CHEAP, n=400)!r})"
    )
    return subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)  # fmt: skip


def test_a_killed_run_goes_on_and_stores_the_same(pictures, root):
    def finished():
        return sorted((root.parent / "runs").glob("certify/pocket/*/batch-*.safetensors"))

    killed = _process(pictures, root)
    while killed.poll() is None and len(finished()) < 2:
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    _, complaint = killed.communicate()
    assert killed.returncode == -signal.SIGKILL, complaint
    assert 2 <= len(finished()) < 16 and not list(root.rglob("sigma-*"))
    # what is finished is not computed again, and is left alone by a run with other options
    how = {"images": 16, "batch_size": 1, **CHEAP, "n": 400}
    with pytest.raises(ValueError, match="belongs to another run: its n was 400, now it is 401"):
        run(pictures, root, **{**how, "n": 401})
    stamps = {path: path.stat().st_mtime_ns for path in finished()}
    (finished()[0].parent / f".batch-{len(stamps):05}.safetensors-left").mkdir()
    certified = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with pytest.MonkeyPatch.context() as patch:
            counted = certify_experiment.certify

            def watched(model, x, *arguments, index, **options):
                assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
                certified.extend(index.tolist())
                return counted(model, x, *arguments, index=index, **options)

            patch.setattr(certify_experiment, "certify", watched)
            run(pictures, root, **how)
        resumed = load(root)
        assert certified == list(range(len(stamps), 16)) and not finished()
        run(pictures, root, **how)
    finally:
        torch.set_num_threads(threads)
    unbroken = load(root)
    assert same(resumed, unbroken)
    assert resumed.card["seconds"] > 0
