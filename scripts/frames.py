"""How long the explorables of the built book take a frame while a slider is dragged: data/results/bench/explorables.json.

Sixty frames a second leave 16.7 ms for each. Measured in headless Chromium, which draws with the processor: the time a frame's
scripts, style and layout take (from the start of its first callback until the browser is done with layout), and the time
between frames.
"""

import os
import shutil
import statistics
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tulip_lite.results import benchmarks, provenance

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "_build" / "html" / "chapters").glob("0[234]*.html"))
FRAMES = 120
# drags one slider to and fro, one step a frame, and takes the times
DRAG = """async ([index, which, frames]) => {
  const place = document.querySelectorAll(".tulip-explorable")[index];
  const slider = place.querySelectorAll("input[type=range]:enabled")[which];
  place.scrollIntoView({ block: "center" });
  const [low, high] = [Number(slider.min), Number(slider.max)];
  const work = [], between = [];
  let before = null;
  const next = () => new Promise((resolve) => requestAnimationFrame(resolve));
  await next();
  for (let i = 0; i < frames; i++) {
    slider.value = low + (high - low) * (0.5 - 0.5 * Math.cos((4 * Math.PI * i) / frames));
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    // the view asked for its frame before this one did, so that it has drawn when this one goes on
    const frame = await next();
    document.body.getBoundingClientRect();
    place.querySelector("svg[aria-label]").getBBox();
    work.push(performance.now() - frame);
    if (before !== null) between.push(frame - before);
    before = frame;
  }
  return { name: slider.labels[0].querySelector("span").textContent, work, between };
}"""


def main() -> None:
    binary = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if binary is None:
        sys.exit("no Chromium to measure with: apt-get install chromium (or name one in CHROMIUM)")
    if not PAGES:
        sys.exit("the theory chapters are not built: run make book")
    rows = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox", "--disable-gpu"])
        for path in PAGES:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(path.as_uri())
            page.wait_for_function(
                "() => document.querySelectorAll('.tulip-figure[data-drawn] > .tulip-explorable').length"
                " === document.querySelectorAll('.tulip-explorable').length"
            )
            page.wait_for_timeout(1000)
            for index, explorable in enumerate(page.locator(".tulip-explorable").all()):
                for which in range(explorable.locator("input[type=range]:enabled").count()):
                    times = page.evaluate(DRAG, [index, which, FRAMES])
                    rows[f"{path.stem}, explorable {index + 1}, {times['name']}"] = {
                        "work_ms": _spread(times["work"]),
                        "between_frames_ms": _spread(times["between"]),
                    }
            page.close()
        browser.close()
    record = {"frames": FRAMES, "browser": "Chromium, headless, no GPU", **provenance.origin(), "rows": rows}
    benchmarks.store("explorables", record)
    for name, row in rows.items():
        print(f"{name:70} {row['work_ms']['median']:6.1f} ms, 95 %: {row['work_ms']['p95']:6.1f} ms; "
              f"between frames {row['between_frames_ms']['median']:6.1f} ms")  # fmt: skip


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 2), "p95": round(statistics.quantiles(values, n=20)[-1], 2)}


if __name__ == "__main__":
    main()
