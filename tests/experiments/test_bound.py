"""From a stored network to a stored table of what its bounds need, and back."""

import inspect
import signal
import subprocess
import sys
import time
from functools import partial, wraps
from pathlib import Path

import pytest
import torch
from small_pictures import CLASSES, squares

from tulip_lite import __main__, data, losses, measure, recipes, results
from tulip_lite.attacks import suite as suites
from tulip_lite.bounds import columns as measured
from tulip_lite.bounds import kinds
from tulip_lite.bounds.constants import curvature
from tulip_lite.bounds.proved import Certifier
from tulip_lite.experiments import attack as attack_experiment
from tulip_lite.experiments import bound as bound_experiment
from tulip_lite.experiments import certify as certify_experiment
from tulip_lite.experiments import setting
from tulip_lite.gradients import gradient_norm
from tulip_lite.results import Attacks, Bounds, networks
from tulip_lite.results.attacks import attacks_path, save_attacks
from tulip_lite.results.bounds import bounds_path, save_bounds
from tulip_lite.storage import fingerprints, tensors, unfinished

ROOT = Path(__file__).resolve().parents[2]
NEARBY = {"lipschitz/sampled", "lipschitz/clever", "clever_p_value", "lipschitz/ascended", "local_radius"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return squares(tmp_path_factory.mktemp("images") / "two", 8)


@pytest.fixture
def root(tmp_path, monkeypatch, pictures):
    """Results of our own: untrained networks of two recipes, that of the six images chosen get all but one right."""
    monkeypatch.setattr("tulip_lite.storage.places.FOLDER", tmp_path / "data")
    (tmp_path / "data").mkdir()
    test = data.load(pictures).test
    x, y = test.tensors()
    light = [i for i in setting.chosen(test, 6).tolist() if y[i] == 1]
    for name in ("undefended", "undefended-smooth"):
        torch.manual_seed(0)
        model = recipes.get(name).model(2).eval()
        with torch.no_grad():
            direction = model.head.weight[1] - model.head.weight[0]
            scores = model(x) @ torch.tensor([-1.0, 1.0])
            # the classes the right way round and more apart, but for the darkest of the light squares
            sign = torch.sign(scores[y == 1].mean() - scores[y == 0].mean())
            model.head.weight.copy_(20 * sign * torch.stack([-direction, direction]))
            model.head.bias.zero_()
            scores = model(x) @ torch.tensor([-1.0, 1.0]) / model.logit_scale
            model.head.bias[0] = scores[light].sort().values[:2].mean()
        card = {"classes": list(CLASSES), "data": "two", "activation": recipes.get(name).activation}
        found = results.Result(model, card, [], measure.per_image(model, test))
        networks.save(found, name, "pocket", tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def cheap(monkeypatch):
    """Searches, proofs and an attack that only begin."""
    monkeypatch.setattr(bound_experiment, "Certifier", partial(Certifier, rounds=0))
    stages = (suites.Stage("fmn", {"steps": 20}),)
    monkeypatch.setitem(suites.SUITES, "quick", {norm: stages for norm in ("l2", "linf")})
    monkeypatch.setattr(measured, "clever", partial(measured.clever, batches=5, samples=4))
    for name, options in (("ascended_curvature", {"steps": 2}), ("sampled_curvature", {"samples": 1})):
        monkeypatch.setattr(curvature, name, partial(getattr(curvature, name), **options))


def bound(pictures, root, name="undefended", **how):
    return bound_experiment.run(
        recipes.get(name), profile=recipes.profile("pocket"), source=str(pictures), runs=root.parent / "runs", root=root,
        **{"progress": False, "images": 6, "local": 2, **how},
    )  # fmt: skip


def load(root, name="undefended"):
    return results.load_bounds(name, root=root)


def same(one, other):
    return one.columns.keys() == other.columns.keys() and all(
        torch.equal(one.columns[name].nan_to_num(-1), other.columns[name].nan_to_num(-1)) for name in one.columns
    )


@pytest.mark.parametrize("name", ["undefended", "undefended-smooth"])
def test_what_is_stored_is_what_was_measured_and_where_it_comes_from(pictures, root, cheap, capsys, name):
    smooth = name.endswith("smooth")
    left = root / "pocket" / name / ".bounds.safetensors-left"
    left.mkdir()  # as a writer that was killed leaves it
    path = bound(pictures, root, name, seed=3)
    assert path == root / "pocket" / name / "bounds.safetensors" == bounds_path(name, root=root)
    assert not left.exists()
    found = load(root, name)
    columns, images = found.columns, data.load(pictures)
    model = results.load(name, root=root).model.requires_grad_(False)
    assert torch.equal(columns["index"], setting.chosen(images.test, 6))
    assert torch.equal(columns["label"], images.test.labels[columns["index"]])
    x, y = images.test.tensors()
    x, y = x[columns["index"]], y[columns["index"]]
    assert torch.equal(columns["predicted"], measure.predict(model, x))
    right = (columns["predicted"] == y).nonzero()[:2, 0]
    assert len(right) == 2 and not (columns["predicted"] == y).all(), "the network should be right here, wrong there"

    direct = measured.steepness(model, x, y, smooth=smooth)
    certified = Certifier(model, (16, 16), rounds=0).radius(x, y)
    direct |= {"proved": certified.radius, "proved_lipschitz": certified.lipschitz}
    for key, values in direct.items():
        assert torch.equal(columns[key], values) and columns[key].dtype == values.dtype, key
    near = suites.smallest(model, x[right], y[right], "l2", seed=3)
    nearby = measured.local_steepness(model, x[right], y[right], near.x_adv, smooth=smooth, seed=3)
    nearby |= {"local_radius": near.distance}
    elsewhere = torch.tensor([i for i in range(6) if i not in right])
    for key, values in nearby.items():
        assert torch.equal(columns[key][right].nan_to_num(-1), values.nan_to_num(-1)), key
        assert columns[key][elsewhere].isnan().all(), key
    assert nearby.keys() == NEARBY | ({"curvature/sampled", "curvature/ascended"} if smooth else set())
    assert columns.keys() == {"index", "label", "predicted", *direct, *nearby}
    assert (columns["proved"][right] <= columns["local_radius"][right]).all() and (columns["proved"][right] > 0).all()

    hard, (x_train, y_train) = losses.of(model, losses.margin), images.train.tensors()
    maxima = {"L": {
        "test": measure.per_image(model, images.test)["margin_gradient"].max().item(),
        "training": gradient_norm(hard, x_train, y_train).max().item(),
    }}  # fmt: skip
    if smooth:
        of_training = setting.chosen(images.train, 6)
        largest = measured.steepness(model, x_train[of_training], y_train[of_training], smooth=True)[
            "curvature/largest"
        ]
        maxima["C"] = {"test": columns["curvature/largest"].max().item(), "training": largest.max().item()}
    assert found.constants == maxima
    assert list(kinds.lower_bounds(columns, found.constants))[-1] == "proved"

    card = found.card
    expected = {"recipe": name, "profile": "pocket", "images": 6, "local": 2, "seed": 3, "data": "two"}
    expected |= {"training_images": 16, "weights": fingerprints.weights(model), "constants": maxima}
    assert {key: card[key] for key in expected} == expected
    parts = {"steepness", "proved", "nearest", "nearby", "training gradients"}
    assert card["seconds"].keys() == parts | ({"training curvature"} if smooth else set())
    for key in ("commit", "torch", "python", "processor", "threads"):
        assert card[key] not in (None, ""), key
    out = capsys.readouterr().out
    assert "two: 16 training and 16 test images" in out and f"{maxima}" in out
    assert not list((root.parent / "runs").rglob("*.safetensors"))  # a finished run leaves nothing to go on with


def test_where_there_is_nothing_to_search_around_there_are_no_columns_of_it(pictures, root, cheap, monkeypatch):
    bound(pictures, root, local=0)
    found = load(root)
    assert not NEARBY & found.columns.keys() and "nearby" not in found.card["seconds"]
    lower = kinds.lower_bounds(found.columns, found.constants)
    assert lower["L, ascended nearby"].isnan().all() and not lower["L, test images"].isnan().any()
    # an attack that finds nothing
    smallest = suites.smallest

    def blind(*arguments, **how):
        near = smallest(*arguments, **how)
        return near._replace(distance=torch.full_like(near.distance, torch.inf))

    monkeypatch.setattr(suites, "smallest", blind)
    bound(pictures, root, local=1)
    assert load(root).columns.keys() == found.columns.keys()


def test_bad_options_and_images_of_other_classes_are_refused(pictures, root):
    with pytest.raises(
        ValueError, match="trained on two with the classes dark, light; Fashion-MNIST sample has T-shirt"
    ):
        bound("sample", root)
    for how, complaint in (
        ({"images": 0}, "at least one image"), ({"local": -1}, "local must be a finite number ≥ 0, got -1"),
        ({"seed": -1}, "seed must be a finite number ≥ 0, got -1"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=complaint):
            bound(pictures, root, **how)
    assert not (root.parent / "runs").exists() and not list(root.rglob("bounds*"))


# --- stored and loaded -----------------------------------------------------------------------------


def weights(root):
    return fingerprints.weights(results.load("undefended", root=root).model)


def table(root, index):
    columns = {"index": torch.tensor(index), "label": torch.tensor(index) // 8}
    columns |= {"margin": -torch.rand(len(index)), "proved": torch.rand(len(index)).double()}
    columns["lipschitz/sampled"] = torch.tensor([torch.nan] * len(index))
    return Bounds(columns, {"L": {"test": 2.0, "training": 1 / 3}}, {"weights": weights(root), "data": "two"})


def attacks(root, index, source="two"):
    index = torch.tensor(index)
    card = {"weights": weights(root), "data": source}
    return Attacks(index, index // 8, index // 8, 0.1 * index, ("fmn",) * len(index), {"fmn": 0.1 * index}, card)


def test_a_table_comes_back_as_it_was_stored(root):
    stored = table(root, [3, 1, 12])
    path = save_bounds(stored, bounds_path("undefended", root=root))
    found = load(root)
    assert same(found, stored) and found.constants == stored.constants and found.card == stored.card
    assert path.parent == root / "pocket" / "undefended" and found.columns["proved"].dtype == torch.float64


def test_attacks_that_cover_the_images_are_joined_and_no_others(root):
    save_bounds(table(root, [3, 1, 12]), bounds_path("undefended", root=root))
    for norm, suite, warm, index, source in (
        ("l2", "quick", True, [3, 1, 12], "two"),
        ("linf", "quick", False, [0, 12, 3, 9, 1], "two"),  # more of them, in another order
        ("l2", "paper", True, [3, 1, 13], "two"),
        ("linf", "paper", True, [3, 1], "two"),
        ("l2", "thorough", True, [3, 1, 12], "three"),
    ):
        path = attacks_path("undefended", norm, suite, warm=warm, root=root)
        save_attacks(attacks(root, index, source), path)
    columns = load(root).columns
    joined = {name: column for name, column in columns.items() if name.startswith("attack/")}
    assert joined.keys() == {"attack/l2-quick", "attack/linf-quick-alone"}
    for distance in joined.values():
        torch.testing.assert_close(distance, torch.tensor([0.3, 0.1, 1.2]))


def test_no_bound_that_is_proved_exceeds_what_the_attack_found(pictures, root, cheap):
    bound(pictures, root, local=0)
    assert not any(name.startswith("attack/") for name in load(root).columns)
    attack_experiment.run(
        recipes.get("undefended"), profile=recipes.profile("pocket"), norm="l2", suite="quick", source=str(pictures),
        device="cpu", images=16, runs=root.parent / "runs", root=root, progress=False,
    )  # fmt: skip
    columns = load(root).columns
    distance = columns["attack/l2-quick"]
    assert torch.equal(distance == 0, columns["predicted"] != columns["label"])
    assert (columns["proved"] <= distance).all() and distance.isfinite().any()
    assert kinds.failures(columns["proved"], distance).refuted == 0


def test_a_table_that_is_missing_damaged_or_of_other_weights_says_what_to_do(root):
    command = "python -m tulip_lite bound undefended --profile pocket"
    with pytest.raises(FileNotFoundError, match=f"measure it with `{command}`"):
        load(root)
    for arguments, complaint in ((("undefeated",), "unknown recipe 'undefeated'"), (("undefended", "big"), "'big'")):
        with pytest.raises(ValueError, match=complaint):
            results.load_bounds(*arguments, root=root)
    path = save_bounds(table(root, [1, 2]), bounds_path("undefended", root=root))
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    with pytest.raises(ValueError, match="bounds.safetensors is not a whole safetensors file"):
        load(root)
    path.write_bytes(whole)
    columns, about = tensors.load(path)
    for name in ("index", "label", "margin", "proved"):
        tensors.save(path, {key: column for key, column in columns.items() if key != name}, **about)
        with pytest.raises(ValueError, match=f"lacks {name}: .*measure it again with `{command}`"):
            load(root)
    for name in ("constants", "card"):
        tensors.save(path, columns, **{key: fact for key, fact in about.items() if key != name})
        with pytest.raises(ValueError, match=f"lacks {name}: restore it with git"):
            load(root)

    path.write_bytes(whole)
    file = path.parent / "weights.safetensors"
    stored, _ = tensors.load(file)
    tensors.save(file, stored | {"head.bias": stored["head.bias"] + 1})
    with pytest.raises(ValueError, match=f"other weights than undefended has now.*`{command}`"):
        load(root)


def test_training_anew_voids_the_bounds(root):
    path = save_bounds(table(root, [1, 2]), bounds_path("undefended", root=root))
    networks.save(results.load("undefended", root=root), "undefended", "pocket", root)
    assert not path.exists()


# --- the command -----------------------------------------------------------------------------------


def arguments(pictures, root):
    return [
        "bound", "undefended", "--images", "6", "--local", "1", "--data", str(pictures), "--threads", "1",
        "--runs", str(root.parent / "runs"),
    ]  # fmt: skip


def _call(pictures, root):
    """The command in a process of its own, on the results under `root`, two images a batch."""
    script = (
        "import sys; from pathlib import Path; from tulip_lite import __main__\n"
        "from tulip_lite.experiments import bound; from tulip_lite.storage import places\n"
        f"places.FOLDER = Path({str(root.parent / 'data')!r}); bound.BATCH = 2\n"
        f"bound.run.__kwdefaults__['root'] = Path({str(root)!r})\n"
        "sys.exit(__main__.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, *arguments(pictures, root)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_stopped_command_goes_on_and_stores_the_same(pictures, root, monkeypatch, capsys):
    """SIGKILL, then, when it had gone on for a while, SIGINT, then the rest in this process."""

    def finished():
        # not those in a writer's temporary folder
        return sorted((root.parent / "runs").glob("bounds/pocket/*/*/batch-*.safetensors"))

    for how, after in ((signal.SIGKILL, 2), (signal.SIGINT, 5)):
        stopped = _call(pictures, root)
        while stopped.poll() is None and len(finished()) < after:
            time.sleep(0.002)
        stopped.send_signal(how)
        _, complaint = stopped.communicate()
        if how is signal.SIGINT:
            assert stopped.returncode == 130, complaint
            last = "stopped; the same command goes on from the last finished batch of images"
            assert complaint.splitlines()[-1] == last
        else:
            assert stopped.returncode == -how, complaint
        assert after <= len(finished()) < 9 and not list(root.rglob("bounds*"))
    there = finished()

    monkeypatch.setattr(bound_experiment, "BATCH", 2)
    monkeypatch.setitem(bound_experiment.run.__kwdefaults__, "root", root)
    threads = torch.get_num_threads()
    saved, save = [], unfinished.Batches.save

    def watched(store, batch, *given, **about):
        saved.append(store.path(batch))
        save(store, batch, *given, **about)

    try:
        # other training images: their largest gradient would be taken for that of these
        with monkeypatch.context() as patch:
            whole = data.load(pictures)
            train = data.Split(whole.train.images[1:], whole.train.labels[1:])
            fewer = data.Dataset(whole.name, whole.classes, train, whole.test)
            patch.setattr(data, "load", lambda name: fewer)
            assert __main__.main(arguments(pictures, root)) == 1
            assert "belongs to another run: its training_images was" in capsys.readouterr().err
        with monkeypatch.context() as patch:
            patch.setattr(unfinished.Batches, "save", watched)
            assert __main__.main(arguments(pictures, root)) == 0
        said = capsys.readouterr()
        assert f"stored in {root}" in said.out and "steepness" in said.err and "6/6" in said.err  # the bars
        # three batches of steepness, three of proofs, one each of the rest: each was computed once
        assert not {*saved} & {*there} and len(saved) + len(there) == 9 and not finished()
        resumed = load(root)
        bound(pictures, root, local=1)
    finally:
        torch.set_num_threads(threads)
    unbroken = load(root)
    assert same(resumed, unbroken) and resumed.constants == unbroken.constants


@pytest.mark.parametrize("command", ["bound", "certify"])
def test_the_command_hands_its_options_on(monkeypatch, capsys, command):
    experiment = bound_experiment if command == "bound" else certify_experiment
    calls, run = [], experiment.run

    @wraps(run)
    def noted(*given, **options):
        call = inspect.signature(run).bind(*given, **options)
        call.apply_defaults()
        calls.append(call.arguments)
        return Path("a file")

    monkeypatch.setattr(experiment, "run", noted)
    more = ["--local", "5"] if command == "bound" else ["--sigma", "0.5", "--n0", "7", "--n", "8", "--alpha", "0.1",
                                                        "--device", "cpu"]  # fmt: skip
    assert __main__.main([command, "noise-0.25"]) == 0
    assert capsys.readouterr().out == "stored in a file\n"
    common = ["--images", "3", "--seed", "4", "--data", "sample", "--runs", "elsewhere", "--profile", "sample"]
    assert __main__.main([command, "undefended", *common, *more]) == 0
    options = {"source": None, "images": 1000, "local": 100, "seed": 0, "runs": Path("runs")}
    others = {"source": "sample", "images": 3, "local": 5, "seed": 4, "runs": Path("elsewhere")}
    if command == "certify":
        del options["local"], others["local"]
        options |= {
            "images": 500,
            "sigma": 0.25,
            "n0": 100,
            "n": 1000,
            "alpha": 0.001,
            "device": None,
            "batch_size": 10,
        }
        others |= {"sigma": 0.5, "n0": 7, "n": 8, "alpha": 0.1, "device": "cpu", "batch_size": 10}
    both = {"threads": None, "root": results.RESULTS, "progress": True}
    assert calls == [
        {"recipe": recipes.get("noise-0.25"), "profile": recipes.profile("pocket"), **options, **both},
        {"recipe": recipes.get("undefended"), "profile": recipes.profile("sample"), **others, **both},
    ]


@pytest.mark.parametrize("command", ["bound", "certify"])
def test_what_bound_and_certify_cannot_do_gets_one_clear_line(command, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TULIP_DATA", "sample")
    for given, complaint in (
        (("undefended",), "undefended was trained on CIFAR-10, JPEG copy with the classes"),
        (("squared-l2-1",), "squared-l2-1 is not there: train it with"),
        (("undefended", "--data", "/no/such/folder"), "/no/such/folder/train is not there"),
    ):
        assert __main__.main([command, *given]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert complaint in line and line.startswith(f"python -m tulip_lite {command}: ")
    for given, choice, choices in (
        (("undefeated",), "'undefeated'", recipes.RECIPES), (("undefended", "--profile", "huge"), "'huge'", recipes.PROFILES),
    ):  # fmt: skip
        assert __main__.main([command, *given]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert choice in line and all(each in line for each in choices)
