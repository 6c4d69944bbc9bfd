"""Docstrings in the book's API pages: nothing is lost, and every module of the package is there."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from docutils import nodes
from docutils.core import publish_doctree

import tulip_lite
from tulip_lite import objectives
from tulip_lite.book import docstrings

PAGES = Path(__file__).resolve().parents[2] / "api"
MODULES = sorted(m.name for m in pkgutil.walk_packages(tulip_lite.__path__, "tulip_lite.") if not m.ispkg)


def test_fields_are_found_and_follow_the_signature():
    text = """A bound: gap / L.

gap: (B,), loss units. lipschitz: L, in
    loss per `pixel` unit; scale, unit: of both. Returns (B,).
ValueError if L = 0."""
    assert docstrings.to_rst(text, ("gap", "extra", "lipschitz", "scale", "unit")).splitlines() == [
        "A bound: gap / L.",
        "",
        ":param gap: (B,), loss units.",
        ":param extra:",
        ":param lipschitz: L, in loss per ``pixel`` unit",
        ":param scale: of both.",
        ":param unit: of both.",
        ":returns: (B,).",
        ":raises ValueError: if L = 0.",
    ]


def test_only_names_of_the_signature_are_parameters():
    assert docstrings.to_rst("Differences: none.\n\nnorm: of what?", ("x",)) == "Differences: none.\n\nnorm: of what?\n\n"


def test_signs_of_markup_are_only_signs():
    assert publish_doctree(docstrings.to_rst('|x| < ½, p_{i}, 2 * 3, \\o/, a_ and *b*, "l2"')).astext() == (
        '|x| < ½, p_{i}, 2 * 3, \\o/, a_ and b, "l2"'
    )


def test_a_list_may_follow_its_introduction_without_an_empty_line():
    document = publish_doctree(docstrings.to_rst("Differences:\n- one that\n  goes on\n- another"))
    assert [item.astext().split() for item in document.findall(nodes.list_item)] == [
        ["one", "that", "goes", "on"],
        ["another"],
    ]


def test_an_indented_block_stays_as_it_stands():
    assert ".. code-block:: text\n\n    σ(x)  = t³\n    σ'(x) = 2 t" in docstrings.to_rst(
        "So:\n\n    σ(x)  = t³\n    σ'(x) = 2 t"
    )


@pytest.mark.parametrize(
    ("code", "target"),
    [
        ("training.fit", "tulip_lite.training.fit"),  # from anywhere
        ("attacks.pgd", "tulip_lite.attacks.pgd"),  # a module
        ("pgd", "tulip_lite.attacks.pgd.pgd"),  # imported by the module: where it is documented
        ("CrossEntropy()", "tulip_lite.objectives.CrossEntropy"),
        ("data", None),  # a word alone, though there is a module of that name
        ("nn", None),  # of another package
        ("METHODS", None),  # not documented
        ("_direction", None),  # private
        ("x + y", None),
    ],
)
def test_code_links_to_what_is_documented(code, target):
    expected = f":py:obj:`{code} <{target}>`" if target else f"``{code}``"
    assert docstrings.to_rst(f"`{code}`", (), vars(objectives)).strip() == expected


def test_a_parameter_is_no_link():
    assert docstrings.to_rst("`pgd`", ("pgd",), vars(objectives)).strip() == "``pgd``"


@pytest.mark.parametrize("name", MODULES)
def test_every_module_is_documented(name):
    listed = re.findall(r"automodule:: (\S+)", "".join(page.read_text() for page in PAGES.glob("*.md")))
    assert listed.count(name) == 1, f"list {name} in one page of api/"
    overview = (PAGES.parent / "api.md").read_text()
    assert f"~{name}\n" in overview, f"list {name} in api.md"
    module = importlib.import_module(name)
    own = [each for each in vars(module).values() if inspect.isfunction(each) or inspect.isclass(each)]
    own = [each for each in own if each.__module__ == name and not each.__name__.startswith("_")]
    for each in [module, *own]:
        assert each.__doc__, f"{each} has no docstring"
        rst = docstrings.to_rst(inspect.cleandoc(each.__doc__), docstrings._parameters(each), vars(module))
        # without Sphinx's own roles and directives, what is left must be plain reStructuredText
        plain = re.sub(r":py:obj:|\.\. code-block:: text", "", rst)
        publish_doctree(plain, settings_overrides={"halt_level": 2, "report_level": 5})
