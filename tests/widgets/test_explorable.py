"""An explorable travels as one text and is stored with words and a still picture."""

import base64
import json
import re

import pytest

from tulip_lite import figures, results
from tulip_lite.figures import display
from tulip_lite.widgets import bounds, cost, explorable, playground, step


def test_the_module_text_carries_each_module_once_after_what_it_imports():
    text = explorable.joined("bounds/view.mjs")
    modules = texts_of(text)
    assert sorted(modules) == ["bounds/maths.mjs", "bounds/view.mjs", "chart.mjs", "drag.mjs", "kit.mjs"]
    assert list(modules)[-1] == "bounds/view.mjs"
    assert "export class Chart" in modules["chart.mjs"] and "export const lipschitzBound" in modules["bounds/maths.mjs"]
    assert text.count("export class Chart") == 1


def texts_of(text: str) -> dict[str, str]:
    return json.loads(text.removeprefix("const texts = ").split(";\nconst addresses", 1)[0])


@pytest.mark.parametrize("name", ["bounds", "cost", "step", "playground", "viewer", "promises"])
def test_every_import_is_of_a_module_that_came_before(name):
    modules = texts_of(explorable.joined(f"{name}/view.mjs"))
    before = []
    for path, text in modules.items():
        imported = re.findall(r'from "([^"\n]+)";', text)
        assert len(imported) == len(re.findall(r"^(?:import|export \{)", text, re.MULTILINE)), path
        assert set(imported) <= set(before), path
        before.append(path)
    assert "kit.mjs" in modules and f"{name}/maths.mjs" in modules


@pytest.fixture
def files(tmp_path, monkeypatch):
    """`files({path: text})` puts modules where the explorables' are looked for."""
    monkeypatch.setattr(explorable, "_FOLDER", tmp_path)

    def write(texts):
        for path, text in texts.items():
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(text)

    return write


def test_imports_across_folders_are_found_and_each_text_is_there_once(files):
    texts = {
        "one/view.mjs": 'import { a } from "./maths.mjs";\nimport { b } from "../two/maths.mjs";\nexport default a + b;',
        "one/maths.mjs": 'import { c } from "../kit.mjs";\nexport const a = c;',
        "two/maths.mjs": 'export { c as b } from "../kit.mjs";',
        "kit.mjs": "export const c = 1;",
    }
    files(texts)
    modules = texts_of(explorable.joined("one/view.mjs"))
    assert list(modules) == ["kit.mjs", "one/maths.mjs", "two/maths.mjs", "one/view.mjs"]
    assert 'from "one/maths.mjs";' in modules["one/view.mjs"] and 'from "two/maths.mjs";' in modules["one/view.mjs"]
    assert modules["one/maths.mjs"] == 'import { c } from "kit.mjs";\nexport const a = c;'
    assert modules["two/maths.mjs"] == 'export { c as b } from "kit.mjs";'


@pytest.mark.parametrize("specifier", ["../three/maths.mjs", "./kit.mjs", "../../kit.mjs", "d3"])
def test_an_import_of_what_is_not_there_names_both(files, specifier):
    files({"one/view.mjs": f'import {{ a }} from "{specifier}";\n', "kit.mjs": "export const a = 1;"})
    place = {"d3": "one/d3", "./kit.mjs": "one/kit.mjs"}.get(specifier, specifier.removeprefix("../"))
    with pytest.raises(FileNotFoundError, match=f"there is no widgets/{place}, which widgets/one/view.mjs imports"):
        explorable.joined("one/view.mjs")


def test_modules_that_import_each_other_are_refused(files):
    files({"a.mjs": 'import { b } from "./b.mjs";\n', "b.mjs": 'import { a } from "./a.mjs";\n'})
    with pytest.raises(ValueError, match=r"widgets/a.mjs imports itself by way of a.mjs → b.mjs → a.mjs"):
        explorable.joined("a.mjs")


def test_an_explorable_is_shown_with_its_texts_and_a_still_picture(monkeypatch):
    shown = []
    monkeypatch.setattr(display, "display", lambda data, raw, metadata: shown.append((data, metadata)))
    widget = bounds.BoundsExplorer()
    figures.show(widget, alt="A cone.", caption="It holds.")
    (data, metadata), (caption, _) = shown
    assert widget.alt == "A cone."
    assert data[display.WIDGET]["model_id"] == widget.model_id and data["text/plain"] == "A cone."
    assert base64.b64decode(metadata["tulip_figure"]["still"]).startswith(b"\x89PNG")
    assert caption == {"text/markdown": "It holds."}


@pytest.mark.parametrize("kind", [bounds.BoundsExplorer, cost.CostExplorer, step.StepExplorer, playground.Playground])
def test_the_state_is_plain_json(kind):
    widget = kind(alt="words")
    own = [name for name in widget.traits(sync=True) if name in kind.class_trait_names() and not name.startswith("_")]
    state = {
        name: value for name, value in widget.get_state(own).items() if name not in ("layout", "tabbable", "tooltip")
    }
    assert json.loads(json.dumps(state, allow_nan=False))["alt"] == "words"


def _light(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_curves_can_be_seen_on_either_page():
    """3:1 to a white page and to the dark ones of the book and of JupyterLab, as WCAG asks of graphics (1.4.11)."""
    css = bounds.BoundsExplorer()._css
    light, dark = re.findall(r"--blue: .*?--grey: #\w{6}", css, re.DOTALL)
    for block, papers in ((light, ["#ffffff"]), (dark, ["#121212", "#14181e", "#111111"])):
        colours = dict(re.findall(r"--(\w+): (#\w{6})", block))
        assert sorted(colours) == ["blue", "green", "grey", "orange", "pink"]
        for name, colour in colours.items():
            for paper in papers:
                high, low = sorted((_light(colour), _light(paper)), reverse=True)
                assert (high + 0.05) / (low + 0.05) >= 3, f"{name} on {paper}"


def test_an_explorable_without_a_still_picture_is_refused():
    class Bare(explorable.Explorable):
        module = "bounds"

    with pytest.raises(NotImplementedError, match="Bare needs a still picture"):
        figures.show(Bare(), alt="a", caption="c")


def test_the_recorded_frames_leave_room_at_sixty_a_second():
    """What `scripts/frames.py` measured: the work of 95 % of frames fits into 1/60 s, and they came at that pace."""
    record = json.loads((results.RESULTS / "bench" / "explorables.json").read_text())
    assert {name.split(",")[0] for name in record["rows"]} >= {"02_how_far", "03_squared_norm", "04_finite_difference"}
    for name, row in record["rows"].items():
        assert row["work_ms"]["p95"] < 1000 / 60, name
        assert row["between_frames_ms"]["median"] < 17, name
