// Figure 4, alive: see state.py. The mathematics is in maths.mjs.
import * as maths from "./maths.mjs";
import { far, sentences } from "./words.mjs";
import { Chart } from "../chart.mjs";
import { bind, choice, controls, element, format, frame, prepare, readout, setter, shape as svg, slider } from "../kit.mjs";
import { inflated, summed } from "../packing.mjs";
import { picture } from "../pixels.mjs";

const circle = (r) => `m${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0`;
const [DOT, RING] = [5, 9]; // radii in pixels
const DOTS = "fill: var(--orange); stroke: var(--paper)";
const RINGS = "fill: none; stroke: var(--ink); stroke-width: 1.5";
const HOLLOW = (color) => `fill: var(--paper); stroke: var(--${color}); stroke-width: 2`;
const FILLED = (color) => `fill: var(--${color}); stroke: var(--${color}); stroke-width: 2`;

const swatch = (path, style) => {
  const node = svg("svg", { viewBox: "-13 -13 26 26", width: 22, height: 22, "aria-hidden": true }, svg("path", { d: `M0,0${path}`, style }));
  node.classList.add("swatch");
  return node;
};

export default {
  async render({ model, el }) {
    prepare(model, el);
    const get = (name) => model.get(name);
    const set = setter(model);
    const root = element("div", { className: "viewer promises" });
    el.append(root);

    // --- what is stored ---
    const [classes, labels, shape, names, proofs] = ["classes", "labels", "shape", "names", "proofs"].map(get);
    const [count, pixels] = [labels.length, shape.reduce((a, b) => a * b)];
    const [packed, differences] = await Promise.all(["images", "differences"].map((name) => inflated(get(name))));
    const images = summed(packed, shape[2]);
    const entries = get("entries").map((entry) => ({
      ...entry,
      distances: entry.distances.map((d) => d ?? Infinity),
      bounds: Object.fromEntries(Object.entries(entry.bounds).map(([kind, values]) => [kind, values.map((v) => v ?? NaN)])),
    }));
    const kinds = names.map((name, k) => {
      const look = maths.LOOKS[k];
      const proof = proofs.includes(name);
      return { name, proof, look, style: (proof ? FILLED : HOLLOW)(look.color) };
    });
    let shown; // { e, entry, order, kinds } of the last drawing
    const places = []; // of each image, 0 … in the shown order

    // --- which bounds ---
    const network = choice({
      label: "Network", options: entries.map((e) => ({ value: e.network, label: e.network })), value: get("network"), onInput: set("network"),
    });
    for (const kind of kinds) {
      kind.box = element("input", { type: "checkbox", oninput: () => set("kinds")(kinds.filter((k) => k.box.checked).map((k) => k.name)) });
      kind.status = element("span", { className: "status" });
      kind.label = element("label", {}, kind.box, swatch(maths.outline(kind.look, 7), kind.style),
        element("span", {}, element("b", { textContent: kind.name }), element("br"), kind.status));
    }
    root.append(controls(network), element("fieldset", {},
      element("legend", { textContent: "Lower bounds: proofs filled, estimates hollow" }), ...kinds.map((kind) => kind.label)));

    // --- chart ---
    const left = element("div");
    const right = element("div");
    root.append(element("div", { className: "beside" }, left, right));
    left.append(element("ul", { className: "legend" },
      element("li", {}, swatch(circle(DOT), DOTS), "nearest adversarial image known"),
      element("li", {}, swatch(circle(RING), RINGS), "refuted bound")));
    const beside = Math.max(0.75, count / 30); // room for the marks of the first and the last image
    const chart = new Chart(left, {
      x: { label: "images, sorted by attack distance", range: [1 - beside, count + beside] },
      y: { label: "ℓ₂ distance", range: [0.1, 1], log: true },
      height: 380,
      label: "For each image the distance of the nearest known adversarial image and its lower bounds; a rule at the chosen image",
    });
    let axis = maths.axis([]);
    const size = () => Math.max(0.35, Math.min(1, chart.box.width / count / 13)); // of a mark, so that many images find room
    /** Marks at points, [[place, value], …]. */
    function marks(name, path, style, width) {
      let points = [];
      const node = svg("path", { "data-name": name, style });
      const paint = () => {
        const s = size();
        const mark = path(s);
        node.style.strokeWidth = Number((width * s).toFixed(2));
        node.setAttribute("d", points.map(([x, y]) => chart.toPixels(x, maths.placed(y, axis)))
          .filter(([, py]) => Number.isFinite(py)).map(([px, py]) => `M${px.toFixed(1)},${py.toFixed(1)}${mark}`).join(""));
      };
      return { ...chart.add(node, paint), set: (values) => { points = values; } };
    }
    const bands = svg("path", { "data-name": "lit", class: "lit" });
    let lit = [];
    chart.add(bands, () => {
      const { top, height } = chart.box;
      bands.setAttribute("d", lit.map((place) => {
        const [from, until] = [place - 0.5, place + 0.5].map((x) => chart.x.scale(x).toFixed(1));
        return `M${from},${top}H${until}v${height}H${from}z`;
      }).join(""));
    });
    // the rows of 0 and ∞: a line that parts each from the scale, and its name among the ticks
    for (const [edge, row, words] of [["low", "zero", "0"], ["high", "none", "none"]]) {
      const line = svg("path", { class: "edge" });
      const name = svg("text", { "text-anchor": "end" }, words);
      chart.add(line, () => line.setAttribute("d", axis[row] === null ? "" : `M${chart.box.left},${chart.y.scale(axis[edge])}h${chart.box.width}`));
      chart.add(name, () => {
        name.setAttribute("display", axis[row] === null ? "none" : "");
        name.setAttribute("x", chart.box.left - 6);
        name.setAttribute("y", axis[row] === null ? 0 : chart.y.scale(axis[row]) + 4);
      }, chart.words);
    }
    const rule = chart.rule("image", { color: "ink", width: 1.5 });
    const curve = chart.line("distance", { color: "orange", width: 1.5 });
    for (const kind of kinds) kind.marks = marks(kind.name, (s) => maths.outline(kind.look, 6 * s), kind.style, 2);
    const attacks = marks("attack", (s) => circle(DOT * s), DOTS, 1);
    const rings = marks("refuted", (s) => circle(RING * s), RINGS, 1.5);
    const to = (x) => {
      const i = shown.order[maths.nearestPlace(x, count) - 1];
      if (i !== get("image")) set("image")(i);
    };
    chart.onDrag(to);
    const hover = frame((event) => {
      const seen = chart.svg.getBoundingClientRect();
      to(chart.toData(((event.clientX - seen.left) * chart.width) / seen.width, 0)[0]);
    });
    chart.svg.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse" && event.buttons === 0) hover(event);
    });
    const at = slider({
      label: "Image", min: 1, max: Math.max(2, count), step: 1, value: 1, format: (k) => `${k} of ${count}`, onInput: to,
    });
    at.disabled = count === 1;
    left.append(controls(at));

    // --- one image ---
    const [original, found] = [picture(shape), picture(shape)];
    const head = element("tr", {}, ...["bound", "value", "verdict"].map((textContent) => element("th", { textContent, scope: "col" })));
    const cells = () => [element("td"), element("td")];
    const row = (mark, name, values) =>
      element("tr", {}, element("th", { scope: "row" }, element("div", {}, mark, element("span", { textContent: name }))), ...values);
    const nearest = cells();
    for (const kind of kinds) {
      kind.cells = cells();
      kind.row = row(swatch(maths.outline(kind.look, 7), kind.style), kind.name, kind.cells);
    }
    right.append(
      element("div", { className: "pictures" }, original.node, found.node),
      element("div", {}, element("table", {}, element("thead", {}, head),
        element("tbody", {}, row(swatch(circle(DOT), DOTS), "nearest attack", nearest), ...kinds.map((kind) => kind.row)))),
    );
    const words = readout();
    root.append(words.node);

    // --- what is shown ---

    /** Marks, counts and rows: what changes with the network and the kinds. */
    function drawAround() {
      const e = Math.max(0, entries.findIndex((entry) => entry.network === get("network")));
      const entry = entries[e];
      const { distances, bounds } = entry;
      const order = maths.sorted(distances);
      order.forEach((i, place) => { places[i] = place; });
      const here = kinds.filter((kind) => kind.name in bounds && get("kinds").includes(kind.name));
      shown = { e, entry, order, kinds: here };
      network.value = entry.network;
      axis = maths.axis([...distances, ...here.flatMap((kind) => bounds[kind.name])]);
      const inOrder = (values) => order.map((i, place) => [place + 1, values[i]]);
      curve.set(order.map((_, place) => place + 1), order.map((i) => maths.placed(distances[i], { zero: null, none: null })));
      attacks.set(inOrder(distances));
      for (const kind of kinds) {
        const there = here.includes(kind);
        const values = bounds[kind.name];
        kind.box.disabled = !values;
        kind.box.checked = get("kinds").includes(kind.name);
        kind.row.hidden = !there;
        kind.marks.set(there ? inOrder(values) : []);
        if (!values) { kind.status.textContent = "not computed for this network"; continue; }
        const { computed, refuted } = maths.tally(values, distances);
        kind.refuted = refuted;
        kind.computed = computed;
        kind.status.textContent = kind.proof ? `proof: holds on all ${computed}` : `estimate: refuted on ${refuted} of ${computed}`;
      }
      lit = maths.lit(here.map((kind) => bounds[kind.name]), distances).map((i) => places[i] + 1);
      rings.set(here.flatMap((kind) => inOrder(bounds[kind.name]).filter(([place, bound]) => bound > distances[order[place - 1]])));
      chart.range({ y: axis.range });
    }

    /** The rule, the pictures and the table: what changes with the image. */
    function drawImage() {
      const { e, entry } = shown;
      const i = Math.min(get("image"), count - 1);
      const place = places[i] + 1;
      const distance = entry.distances[i];
      const truth = classes[labels[i]];
      const answer = entry.predicted && distance < Infinity ? classes[entry.predicted[i]] : null;
      at.value = place;
      at.node.querySelector("input").setAttribute("aria-valuetext", `${place} of ${count}: ${truth}, ${far(distance)}`);
      rule.set(place);
      rule.node.setAttribute("d", `M${chart.toPixels(place, 1)[0]},${chart.box.top}v${chart.box.height}`);
      drawPictures(e, i, { distance, truth, answer });
      nearest[0].textContent = distance === Infinity ? "none" : format(distance);
      nearest[1].textContent = distance === Infinity ? "none found" : distance === 0 ? "no need" : entry.attacks[i];
      const refuted = [];
      for (const { name, proof, cells: [value, verdict], row: line } of shown.kinds) {
        const bound = entry.bounds[name][i];
        const said = maths.verdict(bound, distance, proof);
        value.textContent = Number.isNaN(bound) ? "–" : format(bound);
        verdict.textContent = said;
        line.className = said === "refuted" ? "refuted" : "";
        if (said === "refuted") refuted.push(`${name} (${format(bound)})`);
      }
      words.set(sentences({ place, count, truth, distance, answer, refuted, attack: entry.attacks[i], kinds: shown.kinds }));
    }

    function drawPictures(e, i, { distance, truth, answer }) {
      const clean = images.subarray(i * pixels, (i + 1) * pixels);
      const start = (e * count + i) * pixels;
      const cleanAnswer = distance > 0 ? truth : answer;
      original.draw(clean, `The original, a photograph of class ${truth}${cleanAnswer ? `; the network says ${cleanAnswer}` : ""}`);
      original.words[0].textContent = `Original: ${truth}`;
      original.words[1].textContent = cleanAnswer ? `read as ${cleanAnswer}` : "misread";
      original.node.className = distance > 0 ? "right" : "wrong";
      found.node.className = distance < Infinity ? "wrong" : "";
      if (distance === Infinity) {
        found.canvas.getContext("2d").clearRect(0, 0, shape[2], shape[1]);
        found.canvas.setAttribute("aria-label", "No adversarial image is known");
        found.words[0].textContent = "No attack succeeded";
        found.words[1].textContent = "\u00a0";
        return;
      }
      const moved = maths.attacked(clean, differences.subarray(start, start + pixels));
      found.draw(moved, `The adversarial image, at distance ${format(distance)}${answer ? `; the network says ${answer}` : ""}`);
      found.words[0].textContent = distance === 0 ? "The same: no need" : `Attacked: ${format(distance)}`;
      found.words[1].textContent = answer ? `read as ${answer}` : "misread";
    }

    const redraw = () => { drawAround(); drawImage(); };
    const undo = [bind(model, ["network", "kinds"], frame(redraw)), bind(model, ["image"], frame(drawImage))];
    redraw();
    return () => { undo.forEach((f) => f()); chart.remove(); };
  },
};
