"""The measure of the house: files and functions that one can read at a glance, few files beside the rooms, each room a word."""

import ast
import json
from pathlib import Path

import pytest

import tulip_lite

PACKAGE = Path(tulip_lite.__file__).parent
PYTHON = sorted(PACKAGE.rglob("*.py"))
ROOT = PACKAGE.parent
CHAPTERS = [*sorted((ROOT / "chapters").glob("*.ipynb")), ROOT / "errata.ipynb"]
SCRIPTS = sorted(PACKAGE.rglob("*.mjs"))


def name(path):
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", PYTHON + SCRIPTS, ids=name)
def test_no_file_is_longer_than_250_lines(path):
    assert len(path.read_text().splitlines()) <= 250


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_no_function_is_longer_than_60_lines(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, node.name


def test_few_files_stand_beside_the_rooms_and_each_room_says_what_it_is():
    assert len(list(PACKAGE.glob("*.py"))) <= 12
    for room in (path for path in PACKAGE.rglob("*") if path.is_dir() and list(path.glob("*.py"))):
        text = (room / "__init__.py").read_text()
        assert ast.get_docstring(ast.parse(text)), f"{room} does not say what it is"
        assert len(text.splitlines()) < 20 or room == PACKAGE
    assert not {"utils", "helpers", "misc", "common"} & {path.stem for path in PYTHON}


def test_tests_mirror_the_rooms():
    rooms = {path.parent.relative_to(PACKAGE) for path in PACKAGE.rglob("__init__.py")}
    tests = Path(__file__).parent
    for room in rooms:
        if room.parts[:1] != ("widgets",):
            assert list((tests / room).glob("test_*.py")), f"no tests of {room}"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_shows_a_face_of_six_imports_at_most(path):
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    nodes = [node for cell in cells for node in ast.walk(ast.parse("".join(cell["source"])))]
    assert sum(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes) <= 6
