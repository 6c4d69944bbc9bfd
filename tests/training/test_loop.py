import math
import multiprocessing
import random
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from tulip_lite.data import Split
from tulip_lite.data.augmentation import Augmentation
from tulip_lite.models import PocketNet
from tulip_lite.objectives import AdversarialTraining, CrossEntropy, GradientPenalty
from tulip_lite.storage import tensors
from tulip_lite.training import Schedule, choose_precision, clean_error, fit, has_bfloat16

SHORT = Schedule(epochs=3, batch_size=64, learning_rate=0.05)
CPU = torch.device("cpu")


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def small(sample):
    return sample.train.subset(320)


def train(data, seed=0, schedule=SHORT, objective=None, **arguments):
    torch.manual_seed(seed)
    arguments = {"augmentation": Augmentation(), "seed": seed, "precision": "float32", "device": "cpu"} | arguments
    return fit(PocketNet(), data, objective or CrossEntropy(), schedule, progress=False, **arguments)


def test_learns_real_images(sample):
    run = train(sample.train.subset(2000), schedule=replace(SHORT, learning_rate=0.1), test=sample.test)
    assert run.history[-1]["clean_error"] < 0.35 < 0.9  # chance is 0.9
    assert run.history[-1]["clean_error"] == clean_error(run.model, sample.test)
    assert run.history[0]["loss"] > run.history[-1]["loss"] and not run.model.training


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(sample):
    first, second, other = (weights(train(small(sample), seed).model) for seed in (0, 0, 1))
    assert same(first, second) and not same(first, other)


def test_leaves_the_callers_random_numbers_alone(sample):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    model = PocketNet  # made outside: its own initial weights do use the caller's numbers
    with torch.random.fork_rng():
        made = model()
    fit(made, small(sample), CrossEntropy(), replace(SHORT, epochs=1), progress=False, device="cpu")
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("objective", [CrossEntropy(), GradientPenalty("linf"), AdversarialTraining("l2", 0.5, 1, 0.5)])
def test_stopped_after_an_epoch_and_resumed_it_ends_on_the_same_weights(sample, tmp_path, objective):
    data = sample.train.subset(128)
    unbroken = train(data, objective=objective)

    class Stopped(Exception):
        pass

    class StopAt:
        """The objective, until its fourth call: in the middle of the second epoch of two steps each."""

        tolerates_bfloat16 = False
        calls = 0

        def __call__(self, *arguments):
            StopAt.calls += 1
            if StopAt.calls == 4:
                raise Stopped
            return objective(*arguments)

        def __repr__(self):
            return repr(objective)

    with pytest.raises(Stopped):
        train(data, objective=StopAt(), run_folder=tmp_path)
    resumed = train(data, objective=objective, run_folder=tmp_path)
    assert same(weights(resumed.model), weights(unbroken.model))
    assert [row["loss"] for row in resumed.history] == [row["loss"] for row in unbroken.history]
    finished = train(data, objective=objective, run_folder=tmp_path)
    assert same(weights(finished.model), weights(unbroken.model)) and finished.history == resumed.history


def _train_in_a_process(folder):
    torch.set_num_threads(1)
    from tulip_lite import data

    train(data.load("sample").train.subset(320), schedule=replace(SHORT, epochs=6), run_folder=folder)


def test_killed_twenty_times_at_random_moments_it_loses_no_finished_epoch(sample, tmp_path):
    """SIGKILL, real processes. After each kill the checkpoint is whole and holds every epoch it held before."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tulip_lite.training", "tulip_lite.data"])
    chance = random.Random(0)

    def start():
        process = context.Process(target=_train_in_a_process, args=(tmp_path,))
        process.start()
        return process

    def finished_epochs():
        path = tmp_path / "checkpoint.safetensors"
        return len(tensors.load(path)[1]["history"]) if path.exists() else 0

    # how long the whole training takes here and now sets the scale of the random moments; the first run warms up
    for _ in range(2):
        (tmp_path / "checkpoint.safetensors").unlink(missing_ok=True)
        began = time.perf_counter()
        process = start()
        process.join()
        assert process.exitcode == 0
        scale = time.perf_counter() - began
    (tmp_path / "checkpoint.safetensors").unlink()

    kills, epochs, most = 0, 0, 0
    while kills < 20:
        process = start()
        process.join(chance.uniform(0, scale))
        if not process.is_alive():  # it finished: begin again from nothing, kills still count on
            assert process.exitcode == 0
            (tmp_path / "checkpoint.safetensors").unlink()
            epochs = 0
            continue
        process.kill()
        process.join()
        kills += 1
        assert finished_epochs() >= epochs
        epochs = finished_epochs()
        most = max(most, epochs)
    assert most >= 1
    process = start()
    process.join()
    assert process.exitcode == 0

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        unbroken = train(small(sample), schedule=replace(SHORT, epochs=6))
    finally:
        torch.set_num_threads(threads)
    stored, _ = tensors.load(tmp_path / "checkpoint.safetensors")
    stored = {name.removeprefix("model."): value for name, value in stored.items() if name.startswith("model.")}
    assert same(stored, weights(unbroken.model))
    # what a kill in the middle of a write leaves behind, the next run clears away
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.safetensors"]


@pytest.mark.parametrize(("change", "what"), [
    ({"seed": 1}, "seed"),
    ({"schedule": replace(SHORT, epochs=4)}, "schedule"),
    ({"objective": GradientPenalty()}, "objective"),
    ({"augmentation": None}, "augmentation"),
])  # fmt: skip
def test_the_checkpoint_of_another_run_is_refused_and_kept(sample, tmp_path, change, what):
    data = sample.train.subset(64)
    train(data, run_folder=tmp_path)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(ValueError, match=f"belongs to another run: its {what} was .*delete this one"):
        train(data, run_folder=tmp_path, **change)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before


def test_other_images_are_another_run(sample, tmp_path):
    train(sample.train.subset(64), run_folder=tmp_path)
    with pytest.raises(ValueError, match="its data was 64 images"):
        train(sample.train.subset(64, seed=1), run_folder=tmp_path)


def test_a_loss_that_turns_nan_says_where_and_keeps_the_last_good_epoch(sample, tmp_path):
    class Explodes(CrossEntropy):
        calls = 0

        def __call__(self, model, x, y):
            Explodes.calls += 1
            return super().__call__(model, x, y) * (math.nan if Explodes.calls == 8 else 1)

    good = train(small(sample), schedule=replace(SHORT, epochs=1), objective=CrossEntropy())
    assert good.history  # five steps an epoch: the eighth step is the third of the second epoch
    torch.manual_seed(0)
    model = PocketNet()
    with pytest.raises(
        FloatingPointError, match=r"became nan at step 3 of epoch 2: lower the learning rate.*end of epoch 1"
    ):
        fit(model, small(sample), Explodes(), SHORT, augmentation=Augmentation(), precision="float32", device="cpu",
            run_folder=tmp_path, progress=False)  # fmt: skip
    stored, about = tensors.load(tmp_path / "checkpoint.safetensors")
    assert len(about["history"]) == 1
    assert all(torch.equal(value, stored[f"model.{name}"]) for name, value in model.state_dict().items())
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_a_learning_rate_that_diverges_is_caught(sample):
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        train(small(sample), schedule=replace(SHORT, learning_rate=1e12))


@pytest.mark.parametrize("labels", [[10] + [0] * 63, [-1] + [0] * 63])
def test_labels_out_of_range(labels):
    data = Split(torch.zeros(64, 3, 32, 32, dtype=torch.uint8), torch.tensor(labels))
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 10\), got (10|-1) at index 0"):
        train(data)


def test_fewer_images_than_a_batch(sample):
    with pytest.raises(ValueError, match="20 images do not fill one batch of 64"):
        train(sample.train.subset(20))


@pytest.mark.parametrize("arguments", [{"epochs": 0}, {"epochs": 1, "learning_rate": 0}, {"epochs": 1, "batch_size": 0},
                                       {"epochs": 1, "momentum": -1}, {"epochs": 1, "warm_up": 1}])  # fmt: skip
def test_a_schedule_that_cannot_train_is_refused_when_made(arguments):
    with pytest.raises(ValueError):
        Schedule(**arguments)


def test_precision_follows_the_processor_and_the_objective():
    expected = "bfloat16" if has_bfloat16(CPU) else "float32"
    assert choose_precision("auto", CrossEntropy(), CPU) == expected
    assert choose_precision("auto", GradientPenalty(), CPU) == "float32"
    with pytest.raises(ValueError, match="nearly equal losses"):
        choose_precision("bfloat16", GradientPenalty(), CPU)
    with pytest.raises(ValueError, match="unknown precision 'float16'"):
        choose_precision("float16", CrossEntropy(), CPU)


def test_bfloat16_trains_where_asked_for(sample):
    run = train(sample.train.subset(1000), precision="bfloat16", test=sample.test)
    assert run.precision == "bfloat16" and run.history[-1]["clean_error"] < 0.6
    assert all(p.dtype == torch.float32 for p in run.model.parameters())


def test_any_module_trains(sample):
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
    run = fit(model, sample.train.subset(640), GradientPenalty(), SHORT, progress=False, device="cpu")
    assert clean_error(run.model, sample.test) < 0.6
