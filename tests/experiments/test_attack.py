"""From a stored network to a stored file of distances, and back."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from small_pictures import squares, untrained

from tulip_lite import __main__, data, measure, recipes, results
from tulip_lite.attacks.suite import SUITES, Stage
from tulip_lite.experiments import attack as attack_experiment
from tulip_lite.experiments import setting
from tulip_lite.results import networks
from tulip_lite.storage import fingerprints, tensors

ROOT = Path(__file__).resolve().parents[2]
CHEAP = (Stage("fmn", {"steps": 4}), Stage("pgd", {"steps": 2}))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return squares(tmp_path_factory.mktemp("images") / "two", 12)


@pytest.fixture
def root(tmp_path, monkeypatch):
    return untrained(tmp_path, monkeypatch)


def attack(pictures, root, norm="l2", suite="quick", **how):
    return attack_experiment.run(
        recipes.get("undefended"), profile=recipes.profile("pocket"), norm=norm, suite=suite, source=str(pictures), device="cpu",
        runs=root.parent / "runs", root=root, **{"progress": False, "images": 10, **how},
    )  # fmt: skip


@pytest.fixture
def cheap(monkeypatch):
    monkeypatch.setitem(SUITES, "quick", {norm: CHEAP for norm in ("l2", "linf")})


@pytest.mark.parametrize(("norm", "warm"), [("l2", True), ("linf", False)])
def test_what_is_stored_is_what_was_found_and_where_it_comes_from(pictures, root, cheap, capsys, norm, warm):
    left = root / "pocket" / "undefended" / "attacks" / f".{norm}-quick{'' if warm else '-alone'}.safetensors-left"
    left.mkdir(parents=True)  # as a writer that was killed leaves it
    path = attack(pictures, root, norm, warm=warm, seed=3, batch_size=4)
    assert not left.exists()
    assert path == root / "pocket" / "undefended" / "attacks" / f"{norm}-quick{'' if warm else '-alone'}.safetensors"
    found = results.load_attacks("undefended", norm, "quick", warm=warm, root=root)
    test = data.load(pictures).test
    assert len(found.index) == 10 and torch.equal(found.label, test.labels[found.index])
    assert found.label.bincount().tolist() == [5, 5]
    model = results.load("undefended", root=root).model
    assert torch.equal(found.predicted, measure.predict(model, test.tensors()[0][found.index]))
    assert torch.equal(found.distance == 0, found.predicted != found.label)
    assert torch.equal(torch.stack(list(found.distances.values())).amin(0), found.distance)
    assert list(found.distances) == ["fmn", "pgd"]
    for name, distance in zip(found.attack, found.distance.tolist(), strict=True):
        assert name in ({0.0: {"clean"}, torch.inf: {""}}.get(distance, {"fmn", "pgd"}))
    card = found.card
    assert card["norm"] == norm and card["suite"] == "quick" and card["warm"] is warm and card["images"] == 10
    assert card["seed"] == 3 and card["batch_size"] == 4 and card["data"] == "two"
    assert card["recipe"] == "undefended" and card["weights"] == fingerprints.weights(model)
    assert card["stages"] == [{"name": s.name, "attack": s.attack, "options": dict(s.options)} for s in CHEAP]
    assert set(card["seconds"]) == {"fmn", "pgd"} and sum(card["wins"].values()) == card["summary"]["images"] == 10
    for key in ("commit", "torch", "python", "processor", "threads"):
        assert card[key] not in (None, ""), key
    assert "together: median" in capsys.readouterr().out
    assert not list((root.parent / "runs").rglob("*.safetensors"))  # a finished run leaves nothing to go on with


def test_the_images_attacked_are_balanced_and_always_the_same(sample):
    first, second = (setting.chosen(sample.test, 100) for _ in range(2))
    assert torch.equal(first, second) and len(first.unique()) == 100
    assert sample.test.labels[first].bincount().tolist() == [10] * 10
    # the images that the errors on the card were measured on
    assert torch.equal(sample.test.images[first], sample.test.subset(100, 0).images)
    assert torch.equal(setting.chosen(sample.test, 10**6), torch.arange(len(sample.test)))
    with pytest.raises(ValueError, match="at least one image"):
        setting.chosen(sample.test, 0)


def test_images_of_other_classes_are_refused(pictures, root):
    with pytest.raises(
        ValueError, match="trained on two with the classes dark, light; Fashion-MNIST sample has T-shirt"
    ):
        attack("sample", root)


def test_a_file_that_is_missing_damaged_or_of_other_weights_says_what_to_do(pictures, root, cheap):
    command = "python -m tulip_lite attack undefended --profile pocket --norm l2 --suite quick"
    with pytest.raises(FileNotFoundError, match=f"{command}`"):
        results.load_attacks("undefended", "l2", "quick", root=root)
    with pytest.raises(FileNotFoundError, match=f"{command} --no-warm`"):
        results.load_attacks("undefended", "l2", "quick", warm=False, root=root)
    with pytest.raises(ValueError, match="unknown recipe 'undefeated'"):
        results.load_attacks("undefeated", "l2", "quick", root=root)

    path = attack(pictures, root)
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    with pytest.raises(ValueError, match="l2-quick.safetensors is not a whole safetensors file"):
        results.load_attacks("undefended", "l2", "quick", root=root)
    path.write_bytes(whole)
    columns, about = tensors.load(path)
    del columns["label"]
    tensors.save(path, columns, **about)
    with pytest.raises(ValueError, match=f"lacks a column .*label.*{command}"):
        results.load_attacks("undefended", "l2", "quick", root=root)

    path.write_bytes(whole)
    file = path.parent.parent / "weights.safetensors"
    weights, _ = tensors.load(file)
    tensors.save(file, weights | {"head.bias": weights["head.bias"] + 1})
    with pytest.raises(ValueError, match=f"other weights than undefended has now.*{command}"):
        results.load_attacks("undefended", "l2", "quick", root=root)


def test_training_anew_voids_the_attacks(pictures, root, cheap):
    path = attack(pictures, root)
    networks.save(results.load("undefended", root=root), "undefended", "pocket", root)
    assert not path.exists()


def _call(pictures, root, *more):
    """The command in a process of its own, on the results under `root`."""
    script = (
        "import sys, torch; from pathlib import Path; from tulip_lite import __main__\n"
        "from tulip_lite.experiments import attack; from tulip_lite.storage import places\n"
        f"places.FOLDER = Path({str(root.parent / 'data')!r})\n"
        f"attack.run.__kwdefaults__['root'] = Path({str(root)!r})\n"
        "sys.exit(__main__.main(sys.argv[1:]))"
    )
    arguments = ["attack", "undefended", "--images", "16", "--batch-size", "1", "--data", pictures, "--threads", "1"]
    command = [sys.executable, "-c", script, *map(str, arguments), "--runs", str(root.parent / "runs"), *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_command_goes_on_and_stores_the_same(pictures, root, how):
    """The real command on the real quick suite: stopped after two batches, called again, compared with an unbroken one."""

    def finished():
        return list((root.parent / "runs").glob("attacks/pocket/*/batch-*.safetensors"))

    stopped = _call(pictures, root, "--norm", "linf")
    while stopped.poll() is None and len(finished()) < 2:
        time.sleep(0.01)
    stopped.send_signal(how)
    _, complaint = stopped.communicate()
    if how is signal.SIGINT:
        assert stopped.returncode == 130, complaint
        assert complaint.splitlines()[-1] == "stopped; the same command goes on from the last finished batch of images"
    assert len(finished()) >= 2 and not list(root.rglob("linf-*"))

    again = _call(pictures, root, "--norm", "linf")
    out, complaint = again.communicate()
    assert again.returncode == 0, complaint
    assert "together: median" in out and f"stored in {root}" in out and "attack" in complaint  # the bar
    resumed = results.load_attacks("undefended", "linf", "quick", root=root)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        attack(pictures, root, "linf", images=16, batch_size=1)
    finally:
        torch.set_num_threads(threads)
    unbroken = results.load_attacks("undefended", "linf", "quick", root=root)
    assert torch.equal(resumed.distance, unbroken.distance) and resumed.attack == unbroken.attack
    assert all(torch.equal(resumed.distances[name], unbroken.distances[name]) for name in unbroken.distances)


@pytest.mark.parametrize(("arguments", "complaint"), [
    (("undefended", "--data", "sample"), "undefended was trained on CIFAR-10, JPEG copy with the classes"),
    (("squared-l2-1",), "squared-l2-1 is not there: train it with"),
    (("undefended", "--data", "/no/such/folder"), "/no/such/folder/train is not there"),
    (("undefended", "--images", "0"), "at least one image must be attacked, got 0"),
    (("undefended", "--seed", "-1"), "seed at least 0"),
])  # fmt: skip
def test_what_attack_cannot_do_gets_one_clear_line(arguments, complaint, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    images = data.Dataset("cifar", tuple(results.load("undefended").card["classes"]), *[data.load("sample").test] * 2)
    load = data.load
    monkeypatch.setattr(data, "load", lambda name: images if name == "cifar10" else load(name))
    monkeypatch.delenv("TULIP_DATA", raising=False)
    assert __main__.main(["attack", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line


@pytest.mark.parametrize(("arguments", "choice", "choices"), [
    (("undefeated",), "'undefeated'", recipes.RECIPES),
    (("undefended", "--norm", "l1"), '"l1" for --norm', ('"l2"', '"linf"')),
    (("undefended", "--suite", "slow"), '"slow" for --suite', ('"quick"', '"paper"', '"thorough"')),
])  # fmt: skip
def test_an_unknown_choice_gets_the_choices_in_one_line(arguments, choice, choices, capsys):
    assert __main__.main(["attack", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert choice in line and all(each in line for each in choices)
