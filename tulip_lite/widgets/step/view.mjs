// Drag h: truncation and rounding trade places. The mathematics is in maths.mjs.
import * as maths from "./maths.mjs";
import { Chart } from "../chart.mjs";
import { bind, choice, controls, element, format, frame, prepare, readout, setter, slider } from "../kit.mjs";

const COLORS = { float64: "blue", float32: "orange", bfloat16: "green" };
const METHODS = [
  { value: "finite-difference", label: "finite (forward)" },
  { value: "central-difference", label: "central" },
];
const SOURCES = [
  { value: "computed", label: "linear model, computed" },
  { value: "measured", label: "PocketNet, measured" },
];
const NAMES = ["h", "precision", "method", "source", "margin", "steepness", "measured"];
const ERROR_RANGE = [1e-13, 1e2];

/** An error in words: percent where that is a readable number. */
function percent(error) {
  if (error > 1) return "over 100 %";
  return error >= 1e-6 ? `${format(100 * error, 2)} %` : `${format(error, 2)} of the slope`;
}

/** What the readout says. */
function sentence(h, precision, error, law) {
  const { truncation, rounding } = maths.parts(h, law);
  const best = maths.best(law);
  const [more, less] = truncation > rounding ? ["truncation", "rounding"] : ["rounding", "truncation"];
  const ratio = Math.max(truncation / rounding, rounding / truncation);
  // a median over images comes close to 1
  const nothing = Math.abs(error - 1) < 1e-3 && rounding > truncation;
  const verdict = nothing
    ? "most or all of the difference is lost: the two losses round to the same number. Rounding has won"
    : `the quotient is off by ${percent(error)}. `
      + (ratio < 2 ? "Truncation and rounding are about equal" : `${more[0].toUpperCase() + more.slice(1)} dominates, ${format(ratio, 2)} times the ${less}`);
  return `h = ${format(h, 2)} in ${precision}: ${verdict} (by the formula truncation ${percent(truncation)}, rounding ${percent(rounding)}). `
    + `Best h: ${format(best.h, 2)}, with an error of about ${percent(best.error)}.`;
}

export default {
  render({ model, el }) {
    prepare(model, el);
    const get = (name) => model.get(name);
    const set = setter(model);

    const chart = new Chart(el, {
      x: { label: "step h (pixel units)", range: [1e-12, 1], log: true },
      y: { label: "relative error", range: ERROR_RANGE, log: true },
      height: 380,
      label: "Relative error of the difference quotient against the step h, in float64, float32 and bfloat16; a rule at the present h",
    });
    const formula = {
      truncation: chart.line("truncation", { color: "ink", dash: "7 4", width: 1.5 }),
      rounding: chart.line("rounding", { color: "ink", dash: "2 4", width: 1.5 }),
    };
    const curves = Object.fromEntries(Object.entries(COLORS).map(([name, color]) => [name, chart.line(name, { color })]));
    const rule = chart.rule("h", { color: "pink", width: 2.5 });
    const optimum = chart.dots("best", { color: "ink", radius: 6, symbol: "diamond" });
    const here = chart.dots("error", { color: "pink", radius: 6 });
    chart.legend([
      ...Object.entries(COLORS).map(([name, color]) => ({ name, color })),
      { name: "truncation, by the formula", color: "ink", dash: "7 4" },
      { name: "rounding, by the formula", color: "ink", dash: "2 4" },
      { name: "best h", color: "ink", symbol: "diamond" },
    ]);
    const words = readout();

    const step = slider({ label: "h", min: 1e-12, max: 1, step: 0.01, value: get("h"), log: true, format: (v) => format(v, 2), onInput: set("h") });
    const precision = choice({
      label: "Precision", value: get("precision"), onInput: set("precision"),
      options: Object.keys(COLORS).map((value) => ({ value, label: value })),
    });
    const method = choice({ label: "Difference", options: METHODS, value: get("method"), onInput: set("method") });
    const sources = Object.keys(get("measured")).length ? SOURCES : SOURCES.slice(0, 1);
    const source = choice({ label: "Function", options: sources, value: get("source"), onInput: set("source") });
    // eighths: exact in all three precisions
    const margin = slider({ label: "margin s", min: 0.5, max: 8, step: 0.125, value: get("margin"), onInput: set("margin") });
    const steepness = slider({ label: "steepness g", min: 0.25, max: 8, step: 0.125, value: get("steepness"), onInput: set("steepness") });
    el.append(controls(step), controls(precision, method, source), controls(margin, steepness), words.node);

    let shown = null;
    function recompute() {
      shown = maths.picture(Object.fromEntries(NAMES.map((name) => [name, get(name)])));
      for (const [name, line] of Object.entries(curves)) {
        // an exact hit has no logarithm
        line.set(shown.steps, shown.errors[name].map((error) => Math.max(error, ERROR_RANGE[0] / 10)));
      }
      margin.disabled = steepness.disabled = get("source") === "measured";
    }
    function redraw() {
      const [h, chosen] = [get("h"), get("precision")];
      const law = shown.model[chosen];
      for (const [name, line] of Object.entries(curves)) line.node.setAttribute("stroke-width", name === chosen ? 3 : 1.25);
      // the chosen curve above the others, below the rule
      if (rule.node.previousSibling !== curves[chosen].node) rule.node.before(curves[chosen].node);
      for (const [name, line] of Object.entries(formula)) line.set([1e-12, 1], [1e-12, 1].map((at) => maths.parts(at, law)[name]));
      const best = maths.best(law);
      optimum.set([best.h], [best.error]);
      const error = shown.at(h, chosen);
      rule.set(h);
      here.set([h], [Math.max(error, ERROR_RANGE[0])]);
      words.set(sentence(h, chosen, error, law));
      chart.draw();
    }
    const soon = frame(redraw);
    const anew = frame(() => { recompute(); redraw(); });
    const undo = [
      bind(model, ["h"], () => { step.value = get("h"); soon(); }),
      bind(model, ["precision"], () => { precision.value = get("precision"); soon(); }),
      bind(model, NAMES.slice(2), () => {
        Object.entries({ method, source, margin, steepness }).forEach(([name, control]) => { control.value = get(name); });
        anew();
      }),
    ];
    chart.onDrag((x) => set("h")(x));
    recompute();
    redraw();
    return () => {
      undo.forEach((f) => f());
      chart.remove();
    };
  },
};
