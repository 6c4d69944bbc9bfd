// The view of Figure 1, alive: see state.py. The mathematics is in maths.mjs.
import * as maths from "./maths.mjs";
import { Chart } from "../chart.mjs";
import { bind, choice, controls, element, format, frame, prepare, readout, setter, slider } from "../kit.mjs";

const POINTS = 240;
const DRAWN = 0.8;
const VALUES = ["gap", "gradient", "lipschitz", "curvature"];

export default {
  render({ model, el }) {
    prepare(model, el);
    const set = setter(model);
    const slices = model.get("slices");
    const networks = [...new Set(slices.map((s) => s.network))];
    const images = [...new Set(slices.map((s) => s.image))];

    // --- controls ---
    const source = choice({
      label: "Loss",
      options: [{ value: "", label: "a drawn example" }, ...networks.map((n) => ({ value: n, label: `measured: ${n}` }))],
      value: "",
      onInput: choose,
    });
    const image = choice({ label: "Image", options: images.map((i) => ({ value: i, label: i })), value: images[0] ?? "", onInput: choose });
    const gap = slider({ label: "gap ℓ₀ − ℓ", min: 0, max: 1, step: 0.01, value: model.get("gap"), onInput: set("gap") });
    const gradient = slider({ label: "‖∇ℓ‖", min: 0, max: Math.max(3, ...slices.map((s) => Math.ceil(s.gradient))), step: 0.01, value: model.get("gradient"), onInput: set("gradient") });
    const lipschitz = slider({ label: "L", min: 0.05, max: 100, step: 0.005, log: true, value: model.get("lipschitz"), onInput: set("lipschitz") });
    const curvature = slider({ label: "C", min: 0.05, max: 10000, step: 0.005, log: true, value: model.get("curvature"), onInput: set("curvature") });

    // --- drawing ---
    const place = element("div");
    el.append(controls(source, ...(images.length ? [image] : [])), place, controls(gap, gradient, lipschitz, curvature));
    const chart = new Chart(place, {
      x: { label: "distance r from the image (ℓ₂)", range: [0, DRAWN] },
      y: { label: "loss", range: [-0.55, 0.5] },
      label: "Loss against the distance from the image, with the cone of the L-bound and the parabola of the C-bound",
    });
    chart.rule("level", { vertical: false, width: 1.5 }).set(0);
    const smooth = chart.line("smooth", { color: "blue", width: 2.5 });
    const kinked = chart.line("kinked", { color: "orange", width: 2.5 });
    const cone = chart.line("cone", { color: "green", dash: "8 4" });
    const parabola = chart.line("parabola", { color: "pink", dash: "2 3", width: 2.5 });
    const met = {
      smooth: chart.dots("smooth-crossing", { color: "blue" }),
      kinked: chart.dots("kinked-crossing", { color: "orange" }),
      cone: chart.dots("l-bound", { color: "green", symbol: "square" }),
      parabola: chart.dots("c-bound", { color: "pink", symbol: "diamond", radius: 6 }),
    };
    const level = chart.label("level-name", { anchor: "end", dx: -4, dy: 16 });
    const words = readout();
    el.append(words.node);

    let scene;
    let example; // the values of the drawn example while a measured one is shown

    function choose() {
      const at = source.value === "" ? -1 : slices.findIndex((s) => s.network === source.value && s.image === image.value);
      if (model.get("shown") < 0) example = Object.fromEntries(VALUES.map((name) => [name, model.get(name)]));
      // a slice comes with the constants that were measured; the sliders can then leave them
      const values = slices[at] ?? example;
      for (const name of VALUES) if (values[name] !== null) model.set(name, values[name]);
      model.set("shown", at);
      model.save_changes();
    }

    // the curves and the window that do not change while a slider of the bounds is dragged
    function stage() {
      const slice = slices[model.get("shown")];
      const drawn = !slice;
      gap.disabled = gradient.disabled = !drawn;
      image.node.hidden = drawn;
      const far = drawn ? DRAWN : slice.rs.at(-1);
      const rs = Array.from({ length: POINTS + 1 }, (_, i) => (far * i) / POINTS);
      scene = { slice, rs };
      source.value = slice?.network ?? "";
      if (slice) image.value = slice.image;
      chart.legend([
        ...(drawn || slice.smooth ? [{ name: drawn ? "a smooth network" : "this smooth network", color: "blue" }] : []),
        ...(drawn || !slice.smooth ? [{ name: drawn ? "a ReLU network" : "this ReLU network", color: "orange" }] : []),
        { name: "L-cone", color: "green", dash: "8 4" },
        { name: "C-parabola", color: "pink", dash: "2 3" },
      ]);
      update();
    }

    function update() {
      const [reach, g, L, C] = VALUES.map((name) => model.get(name));
      for (const [control, value] of [[gap, reach], [gradient, g], [lipschitz, L], [curvature, C]]) control.value = value;
      const { slice, rs } = scene;
      const curves = slice
        ? { [slice.smooth ? "smooth" : "kinked"]: [slice.rs, slice.values] }
        : { smooth: [rs, rs.map((r) => maths.drawnSmooth(r, reach, g))], kinked: [rs, rs.map((r) => maths.drawnKinked(r, reach, g))] };
      for (const [name, line] of Object.entries({ smooth, kinked })) line.set(...(curves[name] ?? [[], []]));
      cone.set(rs, rs.map((r) => maths.cone(r, reach, L)));
      parabola.set(rs, rs.map((r) => maths.parabola(r, reach, g, C)));

      const found = { smooth: NaN, kinked: NaN, cone: maths.lipschitzBound(reach, L), parabola: maths.curvatureBound(reach, g, C) };
      for (const [name, [xs, ys]] of Object.entries(curves)) found[name] = maths.crossing(xs, ys);
      for (const [name, dots] of Object.entries(met)) dots.set([found[name]], [0]);
      level.set(rs.at(-1), 0, "ℓ₀ = 0: the answer changes");
      const top = slice ? Math.max(0.25, ...slice.values) : 0.5;
      chart.range({ x: [0, rs.at(-1)], y: [-Math.max(reach, 0.05) * 1.1, top] });
      words.set(sentences(found, curves, { g, C, L }));
    }

    function sentences(found, curves, { g, C, L }) {
      const text = [`L-bound ${format(found.cone)}, C-bound ${format(found.parabola)}.`];
      for (const [name, title] of [["smooth", "smooth"], ["kinked", "ReLU"]]) {
        if (!curves[name]) continue;
        const at = found[name];
        text.push(Number.isFinite(at) ? `The ${title} network's loss reaches ℓ₀ at ${format(at)}.` : `The ${title} network's loss does not reach ℓ₀ here.`);
        const failing = [["L-bound", found.cone], ["C-bound", found.parabola]].filter(([, bound]) => bound > at * (1 + 1e-3)).map(([b]) => b);
        if (failing.length) text.push(`For it the ${failing.join(" and the ")} ${failing.length > 1 ? "fail" : "fails"}!`);
      }
      const need = scene.slice ? maths.needs(scene.slice.rs, scene.slice.values) : maths.drawnConstants(g).smooth;
      const steep = scene.slice ? need.lipschitz : maths.drawnConstants(g).kinked.lipschitz;
      if (L < steep * (1 - 1e-6)) text.push(`L = ${format(L)} is too small to be true: the curve is as steep as ${format(steep)}.`);
      const bends = scene.slice?.smooth === false ? Infinity : need.curvature;
      if (C < bends * (1 - 1e-6)) {
        text.push(Number.isFinite(bends) ? `C = ${format(C)} is too small: the smooth curve bends by ${format(bends)}.` : "A ReLU network has kinks: no C is large enough.");
      }
      return text.join(" ");
    }

    const undo = [
      bind(model, VALUES, frame(update)),
      bind(model, ["shown"], stage),
    ];
    stage();
    return () => { undo.forEach((f) => f()); chart.remove(); };
  },
};
