"""The API pages: every module of the package is on one, and every docstring is what Sphinx reads."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
import yaml
from docutils.core import publish_doctree
from sphinx.ext.napoleon import Config, GoogleDocstring

import tulip_lite
from tulip_lite.book import api

ROOT = Path(__file__).resolve().parents[2]
WALKED = list(pkgutil.walk_packages(tulip_lite.__path__, "tulip_lite."))
MODULES = sorted(m.name for m in WALKED if not m.ispkg)
SETTINGS = {"halt_level": 2, "report_level": 5}
# the convention's own words for what a signature has
SECTIONS = ("Args:", "Attributes:", "Returns:", "Raises:", "Yields:")


def own(module):
    """The public functions and classes that a module defines, and the classes' public methods that say what they do."""
    for each in vars(module).values():
        if not (inspect.isfunction(each) or inspect.isclass(each)) or each.__module__ != module.__name__:
            continue
        if not each.__name__.startswith("_"):
            yield each
            if inspect.isclass(each):
                yield from (f for n, f in vars(each).items() if inspect.isfunction(f) and f.__doc__ and n[0] != "_")


def test_every_room_has_a_page_and_every_page_a_place_in_the_book():
    pages = {path.stem: path.read_text() for path in (ROOT / "api").glob("*.md")}
    assert {api.ROOM.search(text)[1]: name for name, text in pages.items()} == {
        room: "ground" if room == "." else room for room in api.rooms()
    }
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    (part,) = (part for part in toc["parts"] if part["caption"] == "Appendix")
    (listed,) = (chapter["sections"] for chapter in part["chapters"] if chapter["file"] == "api")
    assert sorted(section["file"] for section in listed) == sorted(f"api/{name}" for name in pages)


def test_every_module_is_on_one_page_and_in_the_list():
    documented = [name for room in api.rooms() for name in re.findall(r"automodule:: (\S+)", api.page(room))]
    assert sorted(documented) == MODULES
    assert sorted(re.findall(r"~(\S+)`", api.listing())) == MODULES


def test_a_summary_is_whole():
    assert api.summary("losses") == "Losses per image: what is trained on, and what Prop. 2.1 bounds."
    assert api.summary("attacks.others").endswith("did not recompute.")
    for name in MODULES:
        assert api.summary(name.removeprefix("tulip_lite.")).endswith((".", ":")), name


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_are_there_and_what_sphinx_reads(name):
    module = importlib.import_module(name)
    for each in [module, *own(module)]:
        assert each.__doc__, f"{each} has no docstring"
        text = inspect.cleandoc(each.__doc__)
        assert not text.startswith(SECTIONS), f"{each} has no summary"
        rst = str(GoogleDocstring(text, Config(napoleon_use_ivar=True, napoleon_use_rtype=False), None, "", "", each))
        publish_doctree(re.sub(r":py:\w+:", "", rst), settings_overrides=SETTINGS)


@pytest.mark.parametrize("name", MODULES)
def test_arguments_that_are_described_are_in_the_signature(name):
    for each in own(importlib.import_module(name)):
        text = inspect.cleandoc(each.__doc__)
        section = re.search(r"^Args:\n((?:    .*\n?|\n)+)", text, re.MULTILINE)
        if section:
            described = re.findall(r"^    (\w+):", section[1], re.MULTILINE)
            taken = inspect.signature(each).parameters
            # an explorable takes its traits as keywords
            known = set(taken) | set(getattr(each, "class_trait_names", set)())
            assert described and set(described) <= known, each
