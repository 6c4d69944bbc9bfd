"""The front of the house: `import tulip_lite` is instant, its names resolve, and `help(tulip_lite)` is a tour of the rooms."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tulip_lite

STUB = Path(tulip_lite.__file__).with_suffix(".pyi")
ROOMS = sorted(module.name for module in pkgutil.iter_modules(tulip_lite.__path__) if module.name != "__main__")
# what the README imports, or names, from the top
FIRST = (
    "GradientPenalty", "AdversarialTraining", "fit", "pgd", "smallest", "lipschitz_bound", "curvature_bound",
    "hessian_extremes", "smooth_relu", "SmoothReLU", "with_activation", "PocketNet",
)  # fmt: skip


def promised() -> dict[str, str]:
    """Name -> where the stub has it from: a module, or a module and what is in it."""
    found = {}
    for line in ast.parse(STUB.read_text()).body:
        assert isinstance(line, ast.ImportFrom) and line.level == 1, ast.unparse(line)
        for alias in line.names:
            assert alias.asname == alias.name, "re-exported names are written `as` themselves"
            found[alias.name] = ".".join(["tulip_lite", *([line.module] if line.module else [])])
    return found


def fresh(script: str) -> str:
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_importing_it_imports_nothing_heavy():
    heavy = {"torch", "torchvision", "numpy", "scipy", "matplotlib", "plotly", "foolbox", "cyclopts", "IPython"}
    loaded = fresh("import sys, tulip_lite; print(*sys.modules)").split()
    assert "tulip_lite" in loaded and not heavy & set(loaded)


def test_every_name_resolves_in_a_fresh_process():
    names = list(promised())
    script = f"import tulip_lite; print(*(getattr(tulip_lite, name).__name__ for name in {names}))"
    assert fresh(script).split() == [f"tulip_lite.{name}" if name in ROOMS else name for name in names]


def test_every_room_and_every_first_name_is_promised_and_at_home_where_it_is_said_to_be():
    names = promised()
    assert names.keys() == {*ROOMS, *FIRST} and {*names} <= {*dir(tulip_lite)}
    for name in ROOMS:
        assert names[name] == "tulip_lite"
        assert getattr(tulip_lite, name) is importlib.import_module(f"tulip_lite.{name}")
    for name in FIRST:
        assert getattr(tulip_lite, name) is getattr(importlib.import_module(names[name]), name)


def test_the_names_users_type_first_are_imported_from_the_top():
    assert fresh(f"from tulip_lite import {', '.join(FIRST)}; print(callable(pgd))") == "True\n"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="tulips"):
        _ = tulip_lite.tulips


def test_help_is_a_tour_of_the_rooms_on_one_page():
    text = fresh("import pydoc, tulip_lite; print(pydoc.render_doc(tulip_lite, renderer=pydoc.plaintext))")
    assert len(text.splitlines()) <= 75
    tour = text[text.index("DESCRIPTION") : text.index("PACKAGE CONTENTS")]
    for name in (*ROOMS, *FIRST):
        assert re.search(rf"\b{name}\b", tour), name
