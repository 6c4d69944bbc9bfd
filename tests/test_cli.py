"""python -m tulip_lite, as a person calls it: in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tulip_lite import __main__, recipes
from tulip_lite.experiments import train
from tulip_lite.training import Schedule

ROOT = Path(__file__).resolve().parent.parent


def call(*arguments, **environment):
    command = [sys.executable, "-m", "tulip_lite", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | environment)


def test_help_names_the_commands_and_recipes():
    assert all(word in call("--help").stdout for word in ("data", "train", "bench"))
    assert "squared-l2-0.1-smooth" in call("train", "--help").stdout


@pytest.mark.parametrize(("arguments", "status", "complaint"), [
    (("train", "undefeated"), 2, f"unknown recipe 'undefeated': choose one of {', '.join(recipes.RECIPES)}"),
    (("train", "undefended", "--data", "/no/such/folder"), 1, "/no/such/folder/train is not there"),
    (("train", "undefended", "--profile", "huge"), 2, "unknown profile 'huge': choose one of sample, pocket"),
    (("train", "undefended", "--speed", "3"), 2, "--speed"),
    (("train",), 2, "RECIPE"),
    (("attack", "undefended", "--images", "1.5"), 2, "'1.5' is not a whole number"),
    (("train", "undefended", "--threads", "two"), 2, "'two' is not a whole number"),
    (("data", "mnist"), 2, 'Invalid value "mnist" for NAME. Choose from: "cifar10", "cifar100".'),
])  # fmt: skip
def test_a_command_that_cannot_be_gets_one_clear_line(arguments, status, complaint):
    answer = call(*arguments)
    assert answer.returncode == status and not answer.stdout
    (line,) = answer.stderr.splitlines()
    assert complaint in line and line.startswith(f"python -m tulip_lite {arguments[0]}: ")


@pytest.mark.parametrize(("line", "expected"), [
    ("data cifar100", {"name": "cifar100"}),
    ("train noise-0.25", {"recipe": recipes.get("noise-0.25")}),
    ("train undefended --profile sample --data here --seed 3 --threads 2 --device cpu --runs there", {
        "recipe": recipes.get("undefended"), "profile": recipes.profile("sample"), "source": "here", "seed": 3, "threads": 2,
        "device": "cpu", "runs": Path("there"),
    }),
    ("attack undefended --norm linf --suite paper --images 5 --data here --seed 3 --no-warm --batch-size 4 --threads 2 "
     "--device cpu --profile sample --runs there", {
        "recipe": recipes.get("undefended"), "profile": recipes.profile("sample"), "norm": "linf", "suite": "paper",
        "images": 5, "source": "here", "seed": 3, "warm": False, "batch_size": 4, "threads": 2, "device": "cpu",
        "runs": Path("there"),
    }),
    ("bench objectives --threads 2", {"threads": 2}),
    ("bench logbarrier --images 5 --data here --threads 2 --runs there", {
        "images": 5, "source": "here", "threads": 2, "runs": Path("there"),
    }),
])  # fmt: skip
def test_every_option_is_understood(line, expected):
    _, call, _ = __main__.commands().parse_args(line, exit_on_error=False, print_error=False)
    assert call.arguments == expected


def test_no_network_is_said_in_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tulip_lite.storage.places.FOLDER", tmp_path)

    def unreachable(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    assert __main__.main(["data", "cifar10"]) == 1
    error = capsys.readouterr().err
    assert "could not be downloaded" in error and "TULIP_DATA" in error


def test_train_measures_and_stores_a_network_and_a_second_call_goes_on(tmp_path, monkeypatch):
    """The whole way on an image folder of forty-eight images, from recipe to result folder."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for k, name in enumerate(("dark", "light")):
            (tmp_path / "two" / part / name).mkdir(parents=True)
            for i in range(12):
                pixels = rng.integers(100 * k, 100 * k + 100, (16, 16, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "two" / part / name / f"{i}.png")
    monkeypatch.setattr("tulip_lite.storage.places.FOLDER", tmp_path / "data")
    (tmp_path / "data").mkdir()
    monkeypatch.setitem(train.run.__kwdefaults__, "root", tmp_path / "results")
    recipe = recipes.get("squared-l2-0.1-smooth")
    profile = recipes.Profile("pocket", "cifar10", Schedule(4, batch_size=8, learning_rate=0.02), None)
    arguments = {"profile": profile, "source": str(tmp_path / "two"), "device": "cpu", "runs": tmp_path / "runs"}

    with pytest.MonkeyPatch.context() as tight:
        tight.setattr(
            "tulip_lite.results.networks.os.replace", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left"))
        )
        with pytest.raises(OSError, match=r"(cannot write|No space left)"):
            train.run(recipe, **arguments)
    assert not list(tmp_path.glob("results/pocket/*"))

    folder = train.run(recipe, **arguments)
    card = json.loads((folder / "card.json").read_text())
    assert card["data"] == "two" and card["classes"] == ["dark", "light"] and len(card["history"]) == 4
    assert card["clean_error"] < 0.2 and card["pgd"]["error"]["l2"][-1] >= card["pgd"]["error"]["l2"][0]
    assert card["precision"] == "float32" and card["seconds"] > 0
    again = train.run(recipe, **arguments)
    assert json.loads((again / "card.json").read_text())["history"] == card["history"]
