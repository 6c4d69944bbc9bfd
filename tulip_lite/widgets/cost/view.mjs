// The view of λ, δ, C: see state.py. The mathematics is in maths.mjs.
import * as maths from "./maths.mjs";
import { Chart } from "../chart.mjs";
import { bind, choice, controls, element, format, frame, prepare, readout, setter, slider } from "../kit.mjs";

const POINTS = 200;
const FAR = 3; // as in still.py, and the heights too
const CURVES = {
  loss: { name: "loss", color: "blue", width: 2.5 },
  model: { name: "upper model", color: "orange", dash: "8 4" },
  cost: { name: "cost", color: "grey", dash: "2 3", width: 2.5 },
  gain: { name: "loss − cost", color: "green", width: 2.5 },
  top: { name: "upper model − cost", color: "pink", dash: "8 4" },
};
const even = (low, high) => Array.from({ length: POINTS + 1 }, (_, i) => low + ((high - low) * i) / POINTS);
const percent = (share) => `${format(100 * share, 2)} %`;

export default {
  render({ model, el }) {
    prepare(model, el);
    const set = setter(model);

    // --- controls ---
    const kind = choice({
      label: "Distance is",
      options: [{ value: "quadratic", label: "charged: cost r²/(2δ)" }, { value: "hard", label: "limited: r ≤ δ" }],
      value: model.get("kind"),
      onInput: set("kind"),
    });
    const known = choice({
      label: "The bound knows C",
      options: [{ value: "largest", label: "at its largest" }, { value: "at the image", label: "at the image only" }],
      value: model.get("known"),
      onInput: set("known"),
    });
    const sliders = {
      delta: slider({ label: "δ", min: 0.05, max: 5, step: 0.005, log: true, value: model.get("delta"), onInput: set("delta") }),
      gradient: slider({ label: "‖∇ℓ‖", min: 0, max: 2, step: 0.01, value: model.get("gradient"), onInput: set("gradient") }),
      curvature: slider({ label: "C", min: 0.2, max: 4, step: 0.005, log: true, value: model.get("curvature"), onInput: set("curvature") }),
      bend: slider({ label: "bend at r", min: 0, max: 2, step: 0.01, value: model.get("bend"), onInput: set("bend") }),
    };
    const charts = element("div", { className: "charts" });
    const words = readout();
    el.append(controls(kind, known), charts, controls(...Object.values(sliders)), words.node);

    // --- drawing ---
    const chart = new Chart(charts, {
      x: { label: "distance r along the gradient", range: [0, FAR] },
      y: { label: "rise of the loss", range: [-1, 3] },
      label: "Rise of the loss with the distance along the gradient, its quadratic upper model, the cost of the distance, and what remains",
    });
    const allowed = chart.area("allowed", { color: "grey", opacity: 0.2 });
    chart.rule("zero", { vertical: false, width: 1 }).set(0);
    const lines = Object.fromEntries(Object.entries(CURVES).map(([key, look]) => [key, chart.line(key, look)]));
    const best = chart.dots("maximiser", { color: "green", radius: 6 });
    const bestOfModel = chart.dots("maximiser-of-model", { color: "pink", symbol: "diamond", radius: 6 });

    const side = new Chart(charts, {
      x: { label: "δ", range: [0, 2] },
      y: { label: "λ", range: [0, 5] },
      label: "The strength λ against δ, with a vertical asymptote at δ = 1/C; the present δ is marked",
    });
    const curve = side.line("strength", { color: "pink", width: 2.5 });
    const wall = side.rule("asymptote", { color: "orange", dash: "8 4" });
    const here = side.rule("delta", { color: "blue", width: 1.5 });
    const dot = side.dots("present", { color: "pink", symbol: "diamond", radius: 6 });
    const wallName = side.label("asymptote-name", { anchor: "start" });

    const state = () => Object.fromEntries(["delta", "gradient", "curvature", "bend", "kind", "known"].map((name) => [name, model.get(name)]));

    let hard = null;
    function legends(now) {
      if (hard === now) return;
      hard = now;
      const keys = hard ? ["loss", "model"] : Object.keys(CURVES);
      const marks = hard ? [{ name: "allowed", color: "grey", symbol: "square" }] : [];
      chart.legend([...keys.map((key) => CURVES[key]), ...marks]);
      side.legend([{ name: hard ? "λ = δ/(1 − δC) of a quadratic cost" : "λ = δ/(1 − δC)", color: "pink" }, { name: hard ? "its δ" : "δ", color: "blue" }]);
    }

    function update() {
      const { delta, gradient: g, curvature: C, bend, kind: how, known: which } = state();
      kind.value = how;
      known.value = which;
      for (const [name, control] of Object.entries(sliders)) control.value = model.get(name);
      legends(how === "hard");
      const K = which === "largest" ? C : maths.curvature(0, C, bend);

      const rs = even(0, FAR);
      const rise = rs.map((r) => maths.rise(r, g, C, bend));
      const above = rs.map((r) => maths.model(r, g, K));
      lines.loss.set(rs, rise);
      lines.model.set(rs, above);
      const costs = rs.map((r) => maths.cost(r, delta));
      lines.cost.set(...(hard ? [[], []] : [rs, costs]));
      lines.gain.set(...(hard ? [[], []] : [rs, rise.map((v, i) => v - costs[i])]));
      lines.top.set(...(hard ? [[], []] : [rs, above.map((v, i) => v - costs[i])]));

      // heights follow the loss, not δ: the axes stand still while δ moves
      const high = Math.max(0.4, 0.5 * rise.at(-1));
      const low = -0.3 * high;
      allowed.set(...(hard ? [[0, Math.min(delta, FAR)], [low, low], [high, high]] : [[], [], []]));
      const top = hard ? { r: delta, value: maths.hardMaximum(g, K, delta).value } : maths.modelMaximum(g, K, delta);
      const true_ = hard ? { r: delta, value: maths.rise(delta, g, C, bend) } : maths.lossMaximum(g, C, bend, delta);
      best.set([true_.r], [true_.value]);
      bestOfModel.set([top.r], [top.value]);

      const same = hard ? maths.equivalent(g, K, delta) : { delta, strength: maths.strength(delta, K) };
      const end = Math.max(2 / K, 1.1 * same.delta);
      const ds = even(0, Math.min(end, 0.999 / K));
      curve.set(ds, ds.map((d) => maths.strength(d, K)));
      wall.set(1 / K);
      wallName.set(1 / K, 4.6 / K, "δ = 1/C");
      here.set(same.delta);
      dot.set([same.delta], [same.strength]);
      chart.range({ y: [low, high] });
      side.range({ x: [0, end], y: [0, 5 / K] });
      words.set((hard ? hardSentences : sentences)({ delta, g, K, C, top, found: true_, same }).join(" "));
    }

    const whose = ({ K, C }) => (K < C ? `At the image the curvature is ${format(K)}, at the bend ${format(C)}.` : "");

    function verdict({ top, found }) {
      if (found.value > top.value * (1 + 1e-9) + 1e-12) return `The bound fails: the true maximum is ${format(found.value / top.value)} times as large.`;
      return top.value > 0 ? `The true maximum is ${percent(found.value / top.value)} of the bound.` : "Nothing is gained by moving.";
    }

    function sentences(now) {
      const { delta, K, top, found } = now;
      const at = `Loss − cost is largest at r = ${format(found.r)}, by ${format(found.value)}.`;
      if (!Number.isFinite(top.value)) {
        return [`δC = ${format(delta * K)}: the upper model outgrows its cost, so λ and the bound are infinite.`, at, "It stays finite, because the loss itself straightens out."];
      }
      const text = [`δC = ${format(delta * K)}, λ = ${format(maths.strength(delta, K))}.`, at, `The bound (λ/2)‖∇ℓ‖² is ${format(top.value)}, at r = ${format(top.r)}.`];
      if (delta * K >= 1) text.push("At δC = 1 only an image with ∇ℓ = 0 has a finite bound.");
      return [...text, verdict(now), whose(now)];
    }

    function hardSentences(now) {
      const { delta, g, K, top, found, same } = now;
      const text = [
        `Where r ≤ ${format(delta)} the loss rises most at the edge, by ${format(found.value)}.`,
        `To first order δ‖∇ℓ‖ = ${format(maths.hardMaximum(g, K, delta).first)}; the bound δ‖∇ℓ‖ + Cδ²/2 is ${format(top.value)}.`,
        verdict(now),
      ];
      if (g > 0) text.push(`The quadratic cost with δ = ${format(same.delta)} gives the same bound; its λ is δ/‖∇ℓ‖ = ${format(same.strength)}.`);
      else text.push("As ∇ℓ → 0 the quadratic cost with the same bound tends to δ = 1/C, λ = ∞.");
      return [...text, whose(now)];
    }

    side.onDrag((x) => {
      if (!hard) set("delta")(Math.min(5, Math.max(0.05, x)));
    });
    const undo = bind(model, ["delta", "gradient", "curvature", "bend", "kind", "known"], frame(update));
    update();
    return () => { undo(); chart.remove(); side.remove(); };
  },
};
