"""Suites: the nearest image of all attacks, whatever their order, and wherever the run was stopped."""

import copy
import inspect
import itertools
import multiprocessing
import time

import pytest
import torch
from conftest import LinearModel, SmoothNet
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tulip_lite import norms
from tulip_lite.attacks import suite as suites
from tulip_lite.attacks.adversarial import attacking, judged, nearer, to_boundary
from tulip_lite.attacks.others import foolbox
from tulip_lite.attacks.suite import ATTACKS, SUITES, Attack, Report, Stage, run, smallest

NORMS = ("l2", "linf")


def random_direction(model, x, y, norm="l2", *, start=None, seed=0, tries=2):
    """A weak attack: pushes each image towards noise, then back to the boundary."""
    generator = torch.Generator().manual_seed(seed)
    with attacking(model, x, y) as (clean, _):
        best = start
        for _ in range(tries):
            noise = torch.rand(x.shape, generator=generator, dtype=x.dtype)
            found = judged(model, clean, y, to_boundary(model, clean, y, noise), norm, "random")
            best = nearer(best, found) if best else found
    return best


@pytest.fixture
def weak(monkeypatch):
    """The weak attack in the registry, and the starts it was given."""
    starts = []

    def watched(*arguments, start=None, **options):
        starts.append(start)
        return random_direction(*arguments, start=start, **options)

    monkeypatch.setitem(ATTACKS, "random", Attack(watched))
    monkeypatch.setitem(ATTACKS, "l2 only", Attack(watched, norms=("l2",)))
    return starts


TWICE = (Stage("random", {"tries": 1}), Stage("random", {"tries": 3}, "random again"))


def network():
    """A network whose classes meet in the middle of [0, 1], so that noise finds other ones."""
    torch.manual_seed(0)
    net = SmoothNet()
    with torch.no_grad():
        net.first.bias.copy_(-0.5 * net.first.weight.sum(1))
        net.last.bias.zero_()
    return net


@pytest.fixture
def net():
    return network()


@pytest.fixture
def images():
    """x (40, 3, 2, 2) float64, and the labels that `network` gives them, three of them changed."""
    torch.manual_seed(1)
    x = torch.rand(40, 3, 2, 2, dtype=torch.float64)
    y = network()(x).argmax(1)
    y[:3] = (y[:3] + 1) % 4
    return x, y


def same(a: Report, b: Report) -> bool:
    """All but the seconds, bit for bit."""
    return (
        torch.equal(a.best.x_adv, b.best.x_adv)
        and torch.equal(a.best.distance, b.best.distance)
        and a.best.attack == b.best.attack
        and list(a.distances) == list(b.distances)
        and all(torch.equal(a.distances[name], b.distances[name]) for name in a.distances)
    )


class Convolutions(nn.Module):
    """A small network in float32 on three-channel images."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1), nn.GELU(), nn.Conv2d(12, 12, 3, stride=2, padding=1), nn.GELU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(48, 10),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


@pytest.fixture(scope="module")
def small(sample):
    """A network that learnt for a second, images (N, 3, 8, 8), and what it sees in them, but for every fiftieth."""
    torch.manual_seed(0)
    model = Convolutions()
    x, y = sample.train.tensors()
    x = nn.functional.avg_pool2d(x, 4)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for part in torch.randint(len(x), (100, 100)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[part]), y[part]).backward()
        optimizer.step()
    with torch.no_grad():
        y = model(x).argmax(1)
    y[::50] = (y[::50] + 1) % 10
    return model, x, y


@pytest.mark.parametrize("norm", NORMS)
def test_ten_thousand_results_are_what_they_claim_to_be(norm, small):
    """Of two norms: misclassified, inside [0, 1], at the distance claimed, recomputed here from the images alone."""
    stages = SUITES["quick"][norm]
    model, x, y = small
    x, y = x[: 5200 // len(stages)], y[: 5200 // len(stages)]
    checked = 0
    for stage in stages:
        found = run(model, x, y, norm, (stage,), batch_size=len(x)).best
        hit = found.distance.isfinite()
        with torch.no_grad():
            assert (model(found.x_adv[hit]).argmax(1) != y[hit]).all()
        assert found.x_adv.min() >= 0 and found.x_adv.max() <= 1
        torch.testing.assert_close(norms.get(norm).size(found.x_adv - x)[hit], found.distance[hit], rtol=1e-6, atol=0)
        assert torch.equal(found.x_adv[~hit], x[~hit])
        assert (found.distance[::50] == 0).all() and {*found.attack[::50]} == {"clean"}
        checked += int(hit.sum())
    assert checked >= 5000


def test_each_image_gets_the_nearest_and_the_name_of_its_finder(net, images, weak):
    report = run(net, *images, "l2", TWICE, warm=False)
    one, two = report.distances.values()
    assert torch.equal(report.best.distance, torch.minimum(one, two)) and not torch.equal(one, two)
    names = ["clean" if i < 3 else "random" if one[i] <= two[i] else "random again" for i in range(40)]
    assert list(report.best.attack) == names
    assert report.wins() == {name: names.count(name) for name in ("random", "random again", "clean", "")}
    assert all(seconds > 0 for seconds in report.seconds.values())
    assert weak == [None, None]
    assert torch.equal(smallest(net, *images, "l2", TWICE, warm=False).x_adv, report.best.x_adv)


def test_a_warm_start_never_hurts_and_is_given_on(net, images, weak):
    cold, warm = (run(net, *images, "linf", TWICE, warm=warm) for warm in (False, True))
    assert torch.equal(warm.distances["random"], cold.distances["random"])
    assert (warm.distances["random again"] <= warm.distances["random"]).all()
    assert torch.equal(warm.best.distance, cold.best.distance)  # the same draws: only the beginning differs
    assert torch.equal(weak[-1].distance, warm.distances["random"])
    # an image that is handed on unchanged stays its finder's
    assert warm.best.attack == cold.best.attack


def test_an_attack_that_makes_nothing_of_its_start_loses_nothing(net, images, monkeypatch):
    monkeypatch.setitem(ATTACKS, "random", Attack(lambda *a, start, **how: random_direction(*a, **how)))
    cold, warm = (run(net, *images, "l2", TWICE[::-1], warm=warm) for warm in (False, True))
    assert (cold.distances["random"] > cold.distances["random again"]).any()
    assert torch.equal(warm.distances["random"], cold.best.distance)


@pytest.mark.parametrize("norm", NORMS)
def test_a_warm_start_never_hurts_our_own_attacks(norm, net, images):
    report = run(net, *images, norm, "quick")
    distances = list(report.distances.values())
    assert all((after <= before).all() for before, after in itertools.pairwise(distances))
    assert torch.equal(report.best.distance, torch.stack(distances).amin(0))


@given(seed=st.integers(0, 2**40))
@settings(max_examples=10)
def test_the_seed_decides_everything(seed):
    model = network()
    x = torch.rand(9, 3, 2, 2, dtype=torch.float64)
    y = model(x).argmax(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ATTACKS, "random", Attack(random_direction))
        one, two = (run(model, x, y, "l2", TWICE, batch_size=4, seed=s) for s in (seed, seed))
        other = run(model, x, y, "l2", TWICE, batch_size=4, seed=seed + 1)
        # what stands before a stage does not change its draws
        alone = run(model, x, y, "l2", TWICE[1:], batch_size=4, seed=seed, warm=False)
        beside = run(model, x, y, "l2", TWICE, batch_size=4, seed=seed, warm=False)
    assert same(one, two) and not torch.equal(one.best.distance, other.best.distance)
    assert torch.equal(alone.distances["random again"], beside.distances["random again"])


def test_batches_and_stages_draw_from_seeds_of_their_own():
    seeds = {suites._seed(seed, batch, name) for seed in range(5) for batch in range(5) for name in ("a", "b")}
    assert len(seeds) == 50 and all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize("norm", NORMS)
def test_memory_format_and_mode_of_the_model_do_not_matter(norm, small):
    trained, x, y = copy.deepcopy(small)
    model = nn.Sequential(trained, nn.Dropout(0.5)).train()
    trained.layers[0].weight.requires_grad_(False)
    asked = [p.requires_grad for p in model.parameters()]
    first = run(model, x[:20], y[:20], norm, "quick")
    second = run(model, x[:20].contiguous(memory_format=torch.channels_last), y[:20], norm, "quick")
    assert same(first, second) and first.best.x_adv.is_contiguous() and second.best.x_adv.is_contiguous()
    assert all(module.training for module in model.modules())
    assert [p.requires_grad for p in model.parameters()] == asked
    assert first.best.distance.isfinite().all()


@pytest.mark.parametrize("norm", NORMS)
def test_a_model_that_never_errs_is_never_fooled(norm):
    model = LinearModel(torch.full((12,), -0.1))
    model.bias.data.fill_(2.0)
    x = torch.rand(6, 3, 2, 2)
    report = run(model, x, torch.zeros(6, dtype=torch.long), norm, "quick", batch_size=4)
    assert report.best.distance.isinf().all() and report.best.attack == ("",) * 6
    assert all(distance.isinf().all() for distance in report.distances.values())
    assert torch.equal(report.best.x_adv, x) and report.wins()[""] == 6


# --- stopped and continued -------------------------------------------------------------------------


def test_a_run_that_was_interrupted_goes_on_and_ends_the_same(net, images, weak, tmp_path):
    unbroken = run(net, *images, "l2", TWICE, batch_size=15)
    calls = len(weak)

    def interrupted(*arguments, **options):
        if len(weak) == calls + 3:  # in the second batch, after its first stage
            raise KeyboardInterrupt
        return ATTACKS["random"].run(*arguments, **options)

    stages = (TWICE[0], Stage("stops", TWICE[1].options, TWICE[1].name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ATTACKS, "stops", Attack(interrupted))
        with pytest.raises(KeyboardInterrupt):
            run(net, *images, "l2", stages, batch_size=15, folder=tmp_path / "run")
        assert [p.name for p in (tmp_path / "run").iterdir()] == ["batch-00000.safetensors"]
        del weak[:]
        patch.setitem(ATTACKS, "stops", Attack(random_direction))
        resumed = run(net, *images, "l2", stages, batch_size=15, folder=tmp_path / "run")
        assert len(weak) == 2  # the first stage, on the second and third batch
        finished = run(net, *images, "l2", stages, batch_size=15, folder=tmp_path / "run")
        assert len(weak) == 2
    assert same(resumed, unbroken) and same(finished, unbroken) and finished.seconds == resumed.seconds


def _slowly(*arguments, **options):
    time.sleep(0.02)
    return random_direction(*arguments, **options)


def _attack_in_a_process(x, y, folder):
    torch.set_num_threads(1)
    ATTACKS["random"] = Attack(_slowly)
    run(network(), x, y, "l2", TWICE, batch_size=4, folder=folder)


def test_killed_ten_times_it_goes_on_and_ends_bit_for_bit_the_same(net, images, weak, tmp_path):
    """SIGKILL, real processes: each lives until it has finished one batch more."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tulip_lite.attacks.suite"])
    unbroken = run(net, *images, "l2", TWICE, batch_size=4)
    folder = tmp_path / "run"
    for kills in range(1, 11):
        process = context.Process(target=_attack_in_a_process, args=(*images, folder))
        process.start()
        while process.is_alive() and len(list(folder.glob("batch-*"))) < min(kills, 9):
            time.sleep(0.001)
        process.kill()
        process.join()
        assert len(list(folder.glob("batch-*"))) >= min(kills, 9)
    # as writers leave them that are killed before their file is in place, and just after
    (folder / ".batch-00009.safetensors-left").mkdir()
    (folder / ".batch-00004.safetensors-left").mkdir()
    del weak[:]
    resumed = run(net, *images, "l2", TWICE, batch_size=4, folder=folder)
    assert len(weak) <= 2 and same(resumed, unbroken)
    assert sorted(p.name for p in folder.iterdir()) == [f"batch-{i:05}.safetensors" for i in range(10)]


@pytest.mark.parametrize(("change", "what"), [
    ({"seed": 1}, "seed was 0, now it is 1"),
    ({"norm": "linf"}, "norm was l2"),
    ({"batch_size": 9}, "batch_size was 20"),
    ({"warm": False}, "warm was True"),
    ({"suite": (TWICE[0],)}, "stages was"),
    ({"suite": (TWICE[0], Stage("random", {"tries": 4}, "random again"))}, "stages was"),
    ({"images": 1}, "images was"),
    ({"labels": 1}, "images was"),
    ({"weights": 1}, "weights was"),
    ({"factor": 2}, "architecture was"),
])  # fmt: skip
def test_the_folder_of_another_run_is_refused_and_kept(net, images, weak, tmp_path, change, what):
    x, y = images
    net.factor = 1
    run(net, x, y, "l2", TWICE, batch_size=20, folder=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    if change.pop("images", None):
        x = x.flip(0)
    if change.pop("labels", None):
        y = (y + 1) % 4
    if change.pop("weights", None):
        net.last.bias.data[0] += 1
    net.factor = change.pop("factor", 1)
    norm, suite = change.pop("norm", "l2"), change.pop("suite", TWICE)
    with pytest.raises(ValueError, match=f"belongs to another run: its {what}.*delete .* to start again"):
        run(net, x, y, norm, suite, **{"batch_size": 20, "folder": tmp_path, **change})
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_damaged_batch_is_named(net, images, weak, tmp_path):
    run(net, *images, "l2", TWICE, folder=tmp_path)
    path = tmp_path / "batch-00000.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="batch-00000.safetensors is not a whole safetensors file"):
        run(net, *images, "l2", TWICE, folder=tmp_path)


# --- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "complaint"), [
    (("l2", "slow"), "unknown suite 'slow': choose one of 'quick'"),
    (("l1", "quick"), "unknown norm 'l1': choose one of 'l2', 'linf'"),
    (("l2", (Stage("gpd"),)), "unknown attack 'gpd': choose one of 'pgd', 'fmn', 'logbarrier'"),
    (("linf", (Stage("l2 only"),)), "l2 only does not work in 'linf': choose one of 'pgd'"),
    (("l2", ()), "at least one stage"),
    (("l2", (Stage("random"), Stage("random", {"tries": 3}))), "two stages .* 'random': give them names"),
    (("l2", (Stage("random", name="clean"),)), "'clean'"),
])  # fmt: skip
def test_an_unknown_name_gets_the_choices(net, images, weak, arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        run(net, *images, *arguments)


def test_bad_images_labels_and_models_are_refused_before_any_attack(net, images, weak):
    x, y = images
    bad = y.clone()
    bad[-1] = 4
    for arguments, how, complaint in (
        ((net, 2 * x, y), {}, r"lie in \[0, 1\]"),
        ((net, x, bad), {}, r"lie in \[0, 4\), got 4"),
        ((net, x, y[:-1]), {}, r"shape \(40,\), got \(39,\)"),
        ((net, x, y), {"batch_size": 0}, "batch_size must be at least 1"),
        ((net, x, y), {"seed": -1}, "seed at least 0"),
    ):
        with pytest.raises(ValueError, match=complaint):
            run(*arguments, "l2", TWICE, **{"batch_size": 9, **how})
    with pytest.raises(TypeError, match="must be a torch tensor, got list"):
        run(net, x.tolist(), y, "l2", TWICE)
    net.last.bias.data[0] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        run(net, x, y, "l2", TWICE)
    assert not weak


def test_the_bar_counts_every_attack_on_every_batch(net, images, weak, capsys):
    run(net, *images, "l2", TWICE, batch_size=10, progress=True)
    assert "8/8" in capsys.readouterr().err
    run(net, *images, "l2", TWICE, batch_size=10)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("norm", NORMS)
def test_every_suite_has_known_attacks_of_its_norm(name, norm):
    """… and each stage's options are ones that its attack has: a slip would show only after hours."""
    stages = suites.stages_of(name, norm)
    assert len({stage.name for stage in stages}) == len(stages)
    for stage in stages:
        foreign = stage.attack.startswith("foolbox ") and foolbox.ATTACKS[stage.attack.removeprefix("foolbox ")]
        known = foreign.defaults if foreign else inspect.signature(ATTACKS[stage.attack].run).parameters
        assert set(stage.options) <= set(known)
