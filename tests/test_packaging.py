"""What pyproject.toml puts into a distribution: every package, and each file that the explorables need beside them."""

import pkgutil
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import tulip_lite

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_package_is_found():
    include = SETUPTOOLS["packages"]["find"]["include"]
    walked = pkgutil.walk_packages(tulip_lite.__path__, "tulip_lite.", onerror=lambda name: None)
    packages = ["tulip_lite", *(module.name for module in walked if module.ispkg)]
    assert {"tulip_lite.attacks", "tulip_lite.widgets"} < set(packages)
    for name in packages:
        assert any(fnmatch(name, pattern) for pattern in include), name


def test_every_module_and_style_of_the_explorables_is_carried():
    patterns = SETUPTOOLS["package-data"]["tulip_lite.widgets"]
    files = [path.name for path in (ROOT / "tulip_lite" / "widgets").iterdir() if path.suffix in (".mjs", ".css")]
    assert {"kit.mjs", "explorable.css"} < set(files)
    for name in files:
        assert any(fnmatch(name, pattern) for pattern in patterns), name
