"""Copy what the pages load from node_modules/ to vendor/, which the book serves as it is.

Not under _static/: Jupyter Book adds every script it finds there to every page. Here a page loads what it needs.
"""

import shutil
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
ASSETS = ROOT / "vendor" / "assets"

# from (below node_modules/) -> to (below vendor/assets/)
FILES = {
    "plotly.js-basic-dist-min/plotly-basic.min.js": "plotly.min.js",
    "plotly.js-basic-dist-min/LICENSE": "plotly.LICENSE",
    "mathjax/es5/tex-chtml.js": "mathjax/tex-chtml.js",
    "mathjax/es5/output/chtml/fonts/woff-v2": "mathjax/output/chtml/fonts/woff-v2",
    # loaded on demand: rarer TeX commands, and the speech that a reader can switch on in the menu of a formula
    "mathjax/es5/input/tex/extensions": "mathjax/input/tex/extensions",
    "mathjax/es5/a11y": "mathjax/a11y",
    "mathjax/es5/sre": "mathjax/sre",
    "mathjax/LICENSE": "mathjax/LICENSE",
    "@jupyter-widgets/html-manager/dist/embed.js": "widgets/embed.js",
    "@jupyter-widgets/html-manager/dist/embed.js.LICENSE.txt": "widgets/embed.js.LICENSE.txt",
}
FONTS = "@jupyter-widgets/html-manager/dist/*.woff2"
# the widgets ask MathJax for formulas in the words of its version 2, which version 3 answers with an error
OLD_MATHJAX = 'MathJax.Hub.Queue(["Typeset",MathJax.Hub,e])'
NEW_MATHJAX = "MathJax.typesetPromise?.([e])"


def check_plotly() -> None:
    """The figures are written by Python's plotly and drawn by plotly.js: the two must be of one version."""
    import json

    from plotly.offline import get_plotlyjs_version

    drawn_by = json.loads((MODULES / "plotly.js-basic-dist-min/package.json").read_text())["version"]
    if drawn_by != get_plotlyjs_version():
        sys.exit(
            f"plotly {metadata.version('plotly')} writes for plotly.js {get_plotlyjs_version()}, but package.json has "
            f"{drawn_by}: run npm install --save-exact plotly.js-basic-dist-min@{get_plotlyjs_version()}"
        )


def main() -> None:
    if not MODULES.is_dir():
        sys.exit("node_modules/ is missing: run make book, or npm ci in this folder")
    check_plotly()
    # built beside its place and moved there whole, so that an interrupted copy is never served
    fresh = ASSETS.with_name("assets.part")
    shutil.rmtree(fresh, ignore_errors=True)
    for found, place in FILES.items():
        source, target = MODULES / found, fresh / place
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
    for font in MODULES.glob(FONTS):
        shutil.copyfile(font, fresh / "widgets" / font.name)
    widgets = fresh / "widgets" / "embed.js"
    code = widgets.read_text()
    if OLD_MATHJAX not in code:
        sys.exit("the widgets no longer call MathJax 2: remove OLD_MATHJAX from scripts/vendor.py")
    widgets.write_text(code.replace(OLD_MATHJAX, NEW_MATHJAX))
    shutil.rmtree(ASSETS, ignore_errors=True)
    fresh.rename(ASSETS)


if __name__ == "__main__":
    main()
