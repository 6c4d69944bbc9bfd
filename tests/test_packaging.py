"""What pyproject.toml puts into a distribution: every package, each file beside the Python ones, the book's way in."""

import importlib
import pkgutil
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import tulip_lite

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def test_every_package_is_found():
    include = SETUPTOOLS["packages"]["find"]["include"]
    walked = pkgutil.walk_packages(tulip_lite.__path__, "tulip_lite.", onerror=lambda name: None)
    packages = ["tulip_lite", *(module.name for module in walked if module.ispkg)]
    assert {"tulip_lite.attacks", "tulip_lite.attacks.others", "tulip_lite.widgets"} < set(packages)
    for name in packages:
        assert any(fnmatch(name, pattern) for pattern in include), name


def test_every_module_and_style_of_the_explorables_is_carried_and_the_types_too():
    patterns = SETUPTOOLS["package-data"]["*"]
    package = ROOT / "tulip_lite"
    files = [path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    there = {path.relative_to(package).as_posix() for path in files}
    assert {"py.typed", "__init__.pyi", "widgets/kit.mjs", "widgets/explorable.css", "widgets/bounds/maths.mjs"} < there
    for path in files:
        assert any(fnmatch(path.name, pattern) for pattern in patterns), path
        assert (path.parent / "__init__.py").is_file(), f"{path} lies in no package"


def test_what_the_book_enters_by_is_there():
    for group in PROJECT["project"]["entry-points"].values():
        for target in group.values():
            module, name = target.split(":")
            assert callable(getattr(importlib.import_module(module), name))
