import contextlib
import importlib.util
import inspect
import logging
import random
import sys
import types
import warnings

import foolbox.attacks
import numpy as np
import pytest
import torch
from contract import Wrong, distance_in_box, linear
from foolbox.attacks import brendel_bethge
from torch import nn

from tulip_lite import norms
from tulip_lite.attacks.adversarial import CLEAN, Adversarial, fooled
from tulip_lite.attacks.others import foolbox as wrapper
from tulip_lite.attacks.others.autoattack import autoattack
from tulip_lite.attacks.others.foolbox import ATTACKS, run

CASES = [(name, norm) for name, attack in ATTACKS.items() for norm in attack.norms]
every_attack = pytest.mark.parametrize(("name", "norm"), CASES)
both_norms = pytest.mark.parametrize("norm", ("l2", "linf"))
# enough for 48 pixels
STEPS = {
    "carlini-wagner": {"steps": 60, "binary_search_steps": 7, "stepsize": 0.03},
    "boundary": {"steps": 1500, "source_step": 0.1, "spherical_step": 0.1, "update_stats_every_k": 1},
    "hopskipjump": {"steps": 16},
    "brendel-bethge": {"steps": 40, "lr": 0.05, "lr_num_decay": 10},
}
SHORT = {
    "carlini-wagner": {"steps": 10, "binary_search_steps": 4, "stepsize": 0.1},
    "boundary": {"steps": 50},
    "hopskipjump": {"steps": 2},
    "brendel-bethge": {"steps": 3},
}


@pytest.fixture(scope="module", autouse=True)
def solvers_without_compiler():
    """Brendel-Bethge with its solvers as the Python they are written in: numba needs 40 s to compile them for both norms."""
    spec = importlib.util.spec_from_file_location("foolbox.attacks.brendel_bethge_plain", brendel_bethge.__file__)
    plain = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "numba", None)
        patch.setitem(sys.modules, "numba.experimental", None)
        spec.loader.exec_module(plain)
    plain.NUMBA_IMPORT_ERROR, plain.numba = None, types.SimpleNamespace(__version__="")
    plain.L2Optimizer._ctor = types.SimpleNamespace(signatures=["nothing to compile"])
    with pytest.MonkeyPatch.context() as patch:
        for name in ATTACKS["brendel-bethge"].classes.values():
            patch.setattr(foolbox.attacks, name, getattr(plain, name))
        yield


class Convolutions(nn.Module):
    """Four classes; float32."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(32, 4))

    def forward(self, x):
        return 5 * self.layers(x)


class Island(nn.Module):
    """Class 1 within an ℓ2 distance of 0.3 of one image, class 0 everywhere else."""

    def __init__(self, centre):
        super().__init__()
        self.register_buffer("centre", centre)

    def forward(self, x):
        score = 0.3 - (x - self.centre).flatten(1).square().sum(1).add(1e-12).sqrt()
        return torch.stack([torch.zeros_like(score), score], 1)


@contextlib.contextmanager
def seen_sizes(model):
    sizes = []
    hook = model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    yield sizes
    hook.remove()


def balanced(seed, count=8):
    """A linear model that a grey image lies on the boundary of, and images on both sides of it."""
    model, x, _ = linear(seed, count=count)
    model.weight.data -= model.weight.data.mean()
    y = (model(x)[:, 0] < 0).long()
    assert 0 < y.sum() < count
    return model, x, y


@every_attack
def test_defaults_are_the_librarys(name, norm):
    known = inspect.signature(getattr(foolbox.attacks, ATTACKS[name].classes[norm])).parameters
    for option, value in ATTACKS[name].defaults.items():
        assert value == known[option].default or (name, option) == ("carlini-wagner", "steps")
    # what is left out: results of other attacks, logs, the norm
    left = set(known) - set(ATTACKS[name].defaults)
    assert left <= {"init_attack", "tensorboard", "constraint", "binary_search_steps"}


@every_attack
def test_distance_of_a_linear_model(name, norm):
    model, x, y = linear(3)
    found = run(name, model, x, y, norm, **STEPS.get(name, {}))
    exact = distance_in_box(model, x, y, norm)
    tolerance = 0.01 if ATTACKS[name].kind == "gradient" else 0.1
    torch.testing.assert_close(found.distance, exact, rtol=tolerance, atol=1e-6)
    assert (found.distance >= exact * (1 - 1e-6)).all()
    assert found.attack == (name,) * len(x) and found.x_adv.dtype == x.dtype
    torch.testing.assert_close(norms.get(norm).size(found.x_adv - x), found.distance)


@every_attack
@pytest.mark.parametrize("constant", [True, False])
def test_infinite_on_a_model_that_never_errs(name, norm, constant):
    model, x, _ = linear(0)
    y = torch.zeros(len(x), dtype=torch.long)
    model.bias.data += model.weight.abs().sum() + 1
    model = Constant() if constant else model
    expected = pytest.warns(UserWarning, match="no start found") if ATTACKS[name].needs_start else silence()
    with expected:
        found = run(name, model, x, y, norm, **SHORT.get(name, {}))
    assert found.distance.isinf().all() and found.attack == ("",) * len(x) and torch.equal(found.x_adv, x)


class Constant(nn.Module):
    """Scores that do not even depend on the image."""

    def __init__(self, classes=2):
        super().__init__()
        self.scores = -torch.arange(classes, dtype=torch.float32)

    def forward(self, x):
        return self.scores.to(x.dtype).expand(len(x), -1)


@contextlib.contextmanager
def silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@every_attack
def test_wrong_images_are_not_handed_over(name, norm, monkeypatch):
    model, x, y = linear(1)
    y[1:3] = 1 - y[1:3]
    options = SHORT.get(name, {})
    found = run(name, model, x, y, norm, **options)
    assert found.distance[1:3].eq(0).all() and torch.equal(found.x_adv[1:3], x[1:3])
    assert found.attack == (name, CLEAN, CLEAN, name, name)
    handed, real = [], wrapper._piecewise
    monkeypatch.setattr(wrapper, "_piecewise", lambda *arguments: handed.append(arguments[1]) or real(*arguments))
    again = run(name, model, x, y, norm, **options)
    assert torch.equal(again.x_adv, found.x_adv)
    assert len(handed) == 1 and torch.equal(handed[0], x[[0, 3, 4]].float())
    all_wrong = run(name, model, x, 1 - (model(x)[:, 0] < 0).long(), norm, **options)
    assert len(handed) == 1 and all_wrong.attack == (CLEAN,) * len(x)


@every_attack
def test_memory_format_of_the_images_changes_no_bit(name, norm):
    model, x = Convolutions(), torch.rand(4, 3, 4, 4)
    y = model(x).argmax(1)
    found = run(name, model, x, y, norm, **SHORT.get(name, {}))
    again = run(name, model, x.contiguous(memory_format=torch.channels_last), y, norm, **SHORT.get(name, {}))
    assert torch.equal(found.x_adv, again.x_adv) and torch.equal(found.distance, again.distance)
    assert found.x_adv.is_contiguous() and again.x_adv.is_contiguous()
    assert found.distance.isfinite().all() and fooled(model(found.x_adv), y).all()


@pytest.mark.parametrize("value", [0.0, 3.0, -3.0, 1e30, torch.inf, torch.nan])
@both_norms
def test_what_a_lying_attack_returns_is_recomputed(monkeypatch, value, norm):
    model, x, y = balanced(4)
    # so that every uniform image in the box is of class 0, but not that of value 3
    model.bias.data += 0.1
    model.weight.data -= 0.05 / 48

    def lie(self, network, images, *_, **__):
        return (torch.full_like(images, value),) * 2 + (torch.ones(len(images)) > 0,)

    monkeypatch.setattr(getattr(foolbox.attacks, ATTACKS["deepfool"].classes[norm]), "__call__", lie)
    y = (model(x)[:, 0] < 0).long()
    found = run("deepfool", model, x, y, norm)
    corner = torch.full_like(x, value).clamp(0, 1)
    truly = fooled(model(corner), y)
    assert torch.equal(found.distance.isfinite(), truly) and truly.any() == (value == value) and not truly.all()
    assert fooled(model(found.x_adv), y)[truly].all() and torch.equal(found.x_adv[~truly], x[~truly])
    assert found.x_adv.min() >= 0 and found.x_adv.max() <= 1
    torch.testing.assert_close(norms.get(norm).size(found.x_adv - x)[truly], found.distance[truly])
    assert (found.distance < 0.99 * norms.get(norm).size(corner - x))[truly].all()  # pulled to the boundary


@pytest.mark.parametrize(("name", "norm"), [case for case in CASES if ATTACKS[case[0]].needs_start])
def test_one_image_without_a_start_does_not_lose_the_batch(name, norm):
    """An island that no search finds: where the given start lies on it the attack runs, where the start is a lie it stays ∞."""
    generator = torch.Generator().manual_seed(0)
    centre = torch.rand(1, 3, 4, 4, generator=generator, dtype=torch.float64) * 0.2 + 0.4
    x = (centre + 0.2 * torch.randn(4, 3, 4, 4, generator=generator, dtype=torch.float64)).clamp(0, 1)
    model, y = Island(centre), torch.zeros(4, dtype=torch.long)
    start = Adversarial(centre.expand_as(x).clone(), torch.ones(4, dtype=x.dtype), ("island",) * 4)
    start.x_adv[1] = 1 - x[1]
    start.x_adv[2], start.distance[2] = x[2], torch.inf
    with silence():
        found = run(name, model, x, y, norm, start=start, **SHORT.get(name, {}))
    assert found.distance.isinf().tolist() == [False, True, True, False]
    assert found.attack[1:3] == ("", "")
    reached = norms.get(norm).size(start.x_adv - x)
    assert (found.distance < reached)[[0, 3]].all() and fooled(model(found.x_adv), y)[[0, 3]].all()


@pytest.mark.parametrize("error", [AssertionError(), ValueError("1 of 5 starting_points are not adversarial")])
def test_an_image_on_which_the_library_raises_does_not_lose_the_batch(monkeypatch, error):
    model, x, y = balanced(5, count=5)
    real = foolbox.attacks.BoundaryAttack.run

    def raising(self, network, images, *arguments, **options):
        if (images.raw == x[2].float()).flatten(1).all(1).any():
            raise error
        return real(self, network, images, *arguments, **options)

    monkeypatch.setattr(foolbox.attacks.BoundaryAttack, "run", raising)
    far = (x + 3 * (exact_image(model, x, y) - x)).clamp(0, 1)
    start = Adversarial(far, norms.get("l2").size(far - x), ("cheap",) * 5)
    with pytest.warns(UserWarning, match=r"boundary raised on 1 of 5 images"):
        found = run("boundary", model, x, y, "l2", start=start, **STEPS["boundary"] | {"steps": 100})
    assert found.attack == ("boundary", "boundary", "cheap", "boundary", "boundary")
    assert found.distance[2] == start.distance[2]
    assert (found.distance < 0.95 * start.distance)[[0, 1, 3, 4]].all()


def test_errors_that_are_no_images_fault_are_raised(monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(foolbox.attacks.DDNAttack, "run", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        run("ddn", *linear(0), "l2")


@every_attack
def test_a_start_is_never_left_for_something_farther(name, norm):
    model, x, y = linear(6)
    exact = norms.get("l2").size((distance := exact_image(model, x, y)) - x)
    start = Adversarial(distance, exact, ("exact",) * 5)
    found = run(name, model, x, y, norm, start=start, **SHORT.get(name, {}))
    # found in ℓ2, so measured again in the norm that is asked for
    assert (found.distance <= norms.get(norm).size(start.x_adv - x)).all()
    if norm == "l2":
        assert found.attack == ("exact",) * 5 or found.attack.count(name) + found.attack.count("exact") == 5
        torch.testing.assert_close(found.distance, exact, rtol=1e-3, atol=0)


def exact_image(model, x, y):
    """Just across the plane."""
    weight = model.weight.detach()
    score = model(x)[:, 0].detach()
    return x - 1.0001 * (score / weight.square().sum()).view(-1, 1, 1, 1) * weight


def test_float32_takes_a_start_from_the_boundary_of_float64():
    """A start that fools by less than float32 resolves is pushed out before foolbox refuses it."""
    model, x, y = linear(7)
    touching = x - (1 + 1e-12) * (exact_image(model, x, y) - x) / -1.0001
    start = Adversarial(touching, norms.get("l2").size(touching - x), ("touching",) * 5)
    assert fooled(model(touching), y).all()
    with silence():
        run("boundary", model, x, y, "l2", start=start, steps=5)


@pytest.mark.parametrize(("name", "norm"), [("boundary", "l2"), ("hopskipjump", "linf")])
def test_the_seed_decides_all(name, norm):
    model, x, y = balanced(8)
    start = run("deepfool", model, x, y, norm, overshoot=0.5)
    far = (x + 4 * (start.x_adv - x)).clamp(0, 1)
    start = start._replace(x_adv=far, distance=norms.get(norm).size(far - x))

    def attack(seed, callers_seed, **given):
        torch.manual_seed(callers_seed)
        return run(name, model, x, y, norm, seed=seed, **given, **SHORT[name]).x_adv

    assert torch.equal(attack(1, 1), attack(1, 2)) and not torch.equal(attack(1, 1), attack(2, 1))
    assert torch.equal(attack(1, 1, start=start), attack(1, 2, start=start))
    assert not torch.equal(attack(1, 1, start=start), attack(2, 1, start=start))


def fingerprint():
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()


def test_callers_state_is_left_alone(capfd, monkeypatch):
    def attack(self, network, images, *_, **__):
        random.random(), np.random.rand(), torch.rand(3)
        logging.info("installs a handler where there is none")
        logging.getLogger("auto-attack").warning("loud")
        warnings.warn("loud", stacklevel=1)
        raise AssertionError

    model, x, y = linear(9)
    before, trace, filters = fingerprint(), sys.gettrace(), warnings.filters[:]
    monkeypatch.setattr(logging.root, "handlers", [])
    with silence():
        run("boundary", model, x, y, "l2", steps=3)
        run("deepfool", model, x, y, "l2")
    monkeypatch.setattr(foolbox.attacks.DDNAttack, "run", attack)
    with pytest.warns(UserWarning, match="ddn raised on 5 of 5"), warnings.catch_warnings():
        run("ddn", model, x, y, "l2")
    assert not logging.root.handlers and logging.root.manager.disable == 0
    assert fingerprint() == before and sys.gettrace() is trace and warnings.filters == filters
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["ddn", "boundary"])
def test_leaves_mode_and_weights_as_they_were_also_on_error(name, monkeypatch):
    model, x = nn.Sequential(Convolutions(), nn.BatchNorm1d(4)).train(), torch.rand(4, 3, 4, 4)
    model[1].eval()
    model[0].layers[0].bias.requires_grad_(False)
    y = model.eval()(x).argmax(1)
    model.train(), model[1].eval()
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    run(name, model, x, y, "l2", steps=3)
    monkeypatch.setattr(wrapper, "_piecewise", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(name, model, x, y, "l2")
    assert model.training and model[0].training and not model[1].training
    for key, parameter in model.named_parameters():
        assert parameter.grad is None and parameter.requires_grad == (key != "0.layers.0.bias")
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


def test_works_where_the_caller_wants_no_gradients():
    model, x, y = linear(0)
    with torch.no_grad():
        assert run("ddn", model, x, y, "l2").distance.isfinite().all() and not torch.is_grad_enabled()


def test_hopskipjump_steps_as_far_in_a_batch_as_alone():
    model, x, y = linear(0)
    attack = wrapper._built(foolbox, "hopskipjump", "l2", {})

    def plane(images):
        return model(images.raw.double())[:, 0] * (1 - 2 * y) < 0

    import eagerpy

    def decide(images):
        return eagerpy.astensor(plane(images))

    direction = attack.approximate_gradients(
        decide, eagerpy.astensor(exact_image(model, x, y).float()), 50, eagerpy.astensor(torch.full((5,), 0.1))
    )
    torch.testing.assert_close(norms.get("l2").size(direction.raw), torch.ones(5))


def test_hopskipjump_holds_no_more_directions_than_fit(monkeypatch):
    """Its last of 64 steps draws 800 directions of 48 pixels for each image."""
    monkeypatch.setattr(wrapper, "_HELD_PIXELS", 2.5 * 800 * 48)
    x = torch.rand(5, 3, 4, 4)
    assert wrapper._portion("hopskipjump", ATTACKS["hopskipjump"].defaults, x) == 2
    assert wrapper._portion("boundary", ATTACKS["boundary"].defaults, x) == 5
    sizes = []
    arguments = (lambda images, *_: sizes.append(len(images)) or 2 * images, x, torch.zeros(5), x, 2)
    doubled, errors = wrapper._piecewise(*arguments)
    assert sizes == [2, 2, 1] and torch.equal(doubled, 2 * x) and not errors


def test_brendel_bethge_stays_where_its_solver_fails():
    class Solver:
        def solve(self, x0, x, normal, *_):
            if normal[0] == 0:
                raise ZeroDivisionError
            return np.ones_like(x)

    patient, x = wrapper._Patient(Solver()), np.ones(3)
    assert patient.solve(x, x, np.array([1.0, 0, 0]), 0, 1, 1.0, 1.0).tolist() == [1, 1, 1]
    assert patient.solve(x, x, np.array([0.0, 0, 0]), 0, 1, 1.0, 1.0).tolist() == [0, 0, 0]
    assert patient.solve(x, x, np.array([np.nan, 0, 0]), 0, 1, 1.0, 1.0).tolist() == [0, 0, 0]
    assert patient.solve(x, x, np.array([1.0, 0, 0]), 0, 1, np.inf, 1.0).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("change", "error", "complaint"), [
    ({"name": "ead"}, ValueError, "unknown attack 'ead': choose one of 'carlini-wagner'"),
    ({"norm": "l1"}, ValueError, "unknown norm"),
    ({"norm": "linf"}, ValueError, "ddn has no linf, only l2: choose one of 'fmn', 'hopskipjump', 'deepfool'"),
    ({"name": "fmn"}, ValueError, "fmn has no l2, only linf"),
    ({"stepz": 3}, ValueError, "ddn has no option 'stepz': choose among init_epsilon, steps, gamma"),
    ({"steps": 0}, ValueError, "steps of ddn must be a whole number ≥ 1, got 0"),
    ({"steps": 1.5}, ValueError, "steps of ddn must be a whole number"),
    ({"gamma": -0.1}, ValueError, "gamma of ddn must be a finite number ≥ 0"),
    ({"gamma": torch.nan}, ValueError, "gamma of ddn must be a finite number ≥ 0"),
    ({"name": "deepfool", "loss": "dlr"}, ValueError, "loss of deepfool must be one of 'logits', 'crossentropy'"),
    ({"name": "carlini-wagner", "abort_early": 1}, ValueError, "abort_early of carlini-wagner must be True or False"),
    ({"x": 255 * torch.rand(2, 3, 4, 4)}, ValueError, r"images must lie in \[0, 1\]"),
    ({"y": torch.tensor([0.0, 1.0])}, TypeError, "integer"),
    ({"model": Wrong(torch.nan)}, ValueError, "the model returned NaN"),
])  # fmt: skip
def test_bad_attacks_options_and_images_get_one_clear_line(change, error, complaint):
    arguments = {"name": "ddn", "model": Wrong(0.0), "x": torch.rand(2, 3, 4, 4), "y": torch.tensor([0, 1])}
    with pytest.raises(error, match=complaint) as caught:
        run(**arguments | {"norm": "l2"} | change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("module", "call", "complaint"), [
    ("foolbox", lambda *case: run("ddn", *case, "l2"), r"ddn needs foolbox: pip install 'tulip_lite\[attacks\]'"),
    ("numba", lambda *case: run("brendel-bethge", *case, "l2"), r"needs numba: pip install 'tulip_lite\[brendel-bethge\]'"),
    ("pyautoattack", lambda *case: autoattack(*case, "l2", 1.0), r"pip install 'tulip_lite\[autoattack\]'"),
])  # fmt: skip
def test_what_is_not_installed_is_named(monkeypatch, module, call, complaint):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=complaint):
        call(*linear(0))


class Classes(nn.Module):
    """As many linear scores as there are weights."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x):
        return x.flatten(1) @ self.weight.flatten(1).T

    def distances(self, x, y, norm):
        scores, weight = self(x).detach(), self.weight.detach()
        gaps = scores.gather(1, y[:, None]) - scores
        duals = norms.get(norm).dual((weight[:, None] - weight[None]).flatten(0, 1)).view(len(weight), -1)[y]
        return torch.where(duals > 0, gaps / duals, torch.inf).amin(1)


@pytest.mark.parametrize(("norm", "dtype"), [("l2", torch.float32), ("linf", torch.float64)])
def test_autoattack_finds_what_is_nearer_than_the_radius_and_nothing_else(norm, dtype, capfd):
    generator = torch.Generator().manual_seed(0)
    model = Classes(torch.randn(5, 3, 6, 6, generator=generator, dtype=dtype)).train()
    x = 0.5 + 0.1 * torch.randn(8, 3, 6, 6, generator=generator, dtype=dtype)
    y = model(x).argmax(1)
    y[0] = (y[0] + 1) % 5
    exact = model.distances(x, y, norm)
    radius = float(exact[1:].median()) * 1.01
    before, trace = fingerprint(), sys.gettrace()

    def debugger(*_):
        return None

    sys.settrace(debugger)
    try:
        with silence():
            found = autoattack(model, x, y, norm, radius)
        assert sys.gettrace() is debugger
    finally:
        sys.settrace(trace)
    assert fingerprint() == before and model.training and model.weight.requires_grad
    assert capfd.readouterr() == ("", "")
    assert found.distance[0] == 0 and found.attack[0] == CLEAN
    inside = exact[1:] < radius
    assert inside.any() and not inside.all()
    assert torch.equal(found.distance[1:].isfinite(), inside)
    assert found.attack[1:] == tuple("autoattack" if i else "" for i in inside)
    assert (found.distance[1:][inside] <= radius * (1 + 1e-4)).all() and fooled(model(found.x_adv), y)[1:][inside].all()
    assert torch.equal(found.x_adv[1:][~inside], x[1:][~inside]) and found.x_adv.dtype == dtype


@both_norms
def test_autoattack_finds_nothing_on_a_model_that_never_errs(norm):
    x = torch.rand(2, 3, 6, 6)
    model = Constant(4)
    found = autoattack(model, x, torch.zeros(2, dtype=torch.long), norm, 1.0)
    assert model.scores.tolist() == [0, -1, -2, -3]  # AutoAttack overwrites scores that it gets
    assert found.distance.isinf().all() and found.attack == ("", "") and torch.equal(found.x_adv, x)


@both_norms
def test_autoattack_is_not_believed_beyond_the_radius(norm, monkeypatch):
    import pyautoattack

    monkeypatch.setattr(pyautoattack.AutoAttack, "run_standard_evaluation", lambda self, x, y: (torch.rand_like(x), y))
    weight = torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    model = Classes(weight - weight.mean((1, 2, 3), keepdim=True))  # noise is of every class
    x = torch.rand(64, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    y = model(x).argmax(1)
    anywhere = autoattack(model, x, y, norm, 100.0)
    radius = float(anywhere.distance[anywhere.distance.isfinite()].median())
    found = autoattack(model, x, y, norm, radius)
    inside = anywhere.distance <= radius
    assert inside.sum() > 10 and anywhere.distance[~inside].isfinite().any()
    assert torch.equal(found.distance[inside], anywhere.distance[inside])
    assert found.distance[~inside].isinf().all() and torch.equal(found.x_adv[~inside], x[~inside])
    assert found.attack == tuple("autoattack" if i else "" for i in inside)


@pytest.mark.parametrize(("change", "complaint"), [
    ({"model": Classes(torch.ones(3, 3, 6, 6))}, "at least 4 classes, got 3"),
    ({"x": torch.rand(2, 3, 4, 4), "model": Classes(torch.ones(4, 3, 4, 4))}, "at least 5 × 5 pixels"),
    ({"norm": "l1"}, "unknown norm"),
    ({"radius": 0.0}, "radius must be a finite number > 0"),
    ({"version": "custom"}, "unknown version 'custom'"),
    ({"model": Wrong(torch.nan)}, "NaN"),
])  # fmt: skip
def test_autoattack_refuses_what_it_cannot_do(change, complaint):
    arguments = {"model": Classes(torch.ones(4, 3, 6, 6)), "x": torch.rand(2, 3, 6, 6), "y": torch.tensor([0, 0])}
    with pytest.raises(ValueError, match=complaint) as caught:
        autoattack(**arguments | {"norm": "l2", "radius": 1.0} | change)
    assert "\n" not in str(caught.value)
