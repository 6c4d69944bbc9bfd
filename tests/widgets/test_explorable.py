"""An explorable travels as one text and is stored with words and a still picture."""

import base64
import json

import pytest

from tulip_lite import figures
from tulip_lite.widgets import bounds, explorable


def test_the_module_text_carries_each_module_once_after_what_it_imports():
    text = explorable.joined("bounds_view.mjs")
    modules = json.loads(text.removeprefix("const texts = ").split(";\nconst addresses", 1)[0])
    assert sorted(modules) == ["bounds.mjs", "bounds_view.mjs", "kit.mjs"] and list(modules)[-1] == "bounds_view.mjs"
    assert "export class Chart" in modules["kit.mjs"] and "export const lipschitzBound" in modules["bounds.mjs"]
    assert text.count("export class Chart") == 1


def test_an_explorable_is_shown_with_its_texts_and_a_still_picture(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "display", lambda data, raw, metadata: shown.append((data, metadata)))
    widget = bounds.BoundsExplorer()
    figures.show(widget, alt="A cone.", caption="It holds.")
    (data, metadata), (caption, _) = shown
    assert data[figures.WIDGET]["model_id"] == widget.model_id and data["text/plain"] == "A cone."
    assert base64.b64decode(metadata["tulip_figure"]["still"]).startswith(b"\x89PNG")
    assert caption == {"text/markdown": "It holds."}


def test_the_state_is_plain_json():
    state = bounds.BoundsExplorer(gap=0.25).get_state()
    assert json.loads(json.dumps({name: state[name] for name in ("gap", "slices", "_esm", "_css")}))["gap"] == 0.25


def test_an_explorable_without_a_still_picture_is_refused():
    class Bare(explorable.Explorable):
        module = "bounds"

    with pytest.raises(NotImplementedError, match="Bare needs a still picture"):
        figures.show(Bare(), alt="a", caption="c")
