// What the views of all explorables share: native controls, words about numbers, and the model's values. Charts: chart.mjs.

const SVG = "http://www.w3.org/2000/svg";

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export function shape(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
/** 10ⁿ in words, n whole. */
export const power = (n) => `10${[...String(n)].map((c) => SUPERSCRIPT[c]).join("")}`;

/** A number in words' company: `digits` significant digits, powers of ten for extremes, a real minus sign. */
export function format(value, digits = 3) {
  if (Number.isNaN(value)) return "undefined";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    return `${mantissa.replace("-", "−")} × ${power(Number(exponent))}`;
  }
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

/** `f` at most once a frame, however often it is asked for; the last arguments count. */
export function frame(f) {
  let waiting = null;
  return (...values) => {
    if (waiting === null) requestAnimationFrame(() => { const last = waiting; waiting = null; f(...last); });
    waiting = values;
  };
}

/** Calls `f` whenever one of the model's values changes. Returns what undoes it. */
export function bind(model, names, f) {
  for (const name of names) model.on(`change:${name}`, f);
  return () => names.forEach((name) => model.off(`change:${name}`, f));
}

/** `setter(model)(name)` is a function that sets that value of the model, for a control to call. */
export const setter = (model) => (name) => (value) => {
  model.set(name, value);
  model.save_changes();
};

/** Gives the place of a view its style, and in JupyterLab, where no figure is around it, its name. */
export function prepare(model, el) {
  el.classList.add("tulip-explorable");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", model.get("alt"));
}

// --- controls ---

/** A row of controls, each a node or something with a `node`. */
export function controls(...items) {
  return element("div", { className: "controls" }, ...items.map((item) => item.node ?? item));
}

/** A labelled slider. With `log` it is linear in the logarithm of its value, and `step` is in decades. */
export function slider({ label, min, max, step, value, log = false, format: words = (v) => format(v), onInput }) {
  const [to, from] = log ? [Math.log10, (u) => 10 ** u] : [(v) => v, (u) => u];
  // the step divides the range, so that the last one is `max`
  const fitted = (to(max) - to(min)) / Math.round((to(max) - to(min)) / step);
  const input = element("input", { type: "range", min: to(min), max: to(max), step: fitted, value: to(value) });
  // aria-valuetext says the value; an output would say it a second time
  const output = element("span", { className: "value", ariaHidden: "true" });
  const node = element("label", { className: "range" }, element("span", { textContent: label }), input, output);
  const tell = (v) => {
    output.textContent = words(v);
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => {
    const v = from(Number(input.value));
    tell(v);
    onInput(v);
  });
  tell(value);
  return {
    node,
    get value() { return from(Number(input.value)); },
    // the words are those of the value itself, which may lie between two steps
    set value(v) { input.value = to(v); tell(v); },
    set disabled(off) { input.disabled = off; },
  };
}

/** A labelled list to choose from. options: [{ value, label }]. */
export function choice({ label, options, value, onInput }) {
  const select = element("select", {}, ...options.map((o) => element("option", { value: o.value, textContent: o.label })));
  select.value = value;
  select.addEventListener("input", () => onInput(select.value));
  return {
    node: element("label", {}, element("span", { textContent: label }), select),
    get value() { return select.value; },
    set value(v) { select.value = v; },
  };
}

export function button({ label, onClick }) {
  const node = element("button", { type: "button", textContent: label, onclick: onClick });
  return { node, set label(text) { node.textContent = text; } };
}

/** A sentence below a figure that follows what it shows, and is read out when it has not changed for a while. */
export function readout() {
  const seen = element("p", { className: "readout" });
  const said = element("p", { className: "said" });
  seen.setAttribute("aria-hidden", "true");
  said.setAttribute("aria-live", "polite");
  let later = 0;
  const set = (text) => {
    if (seen.textContent === text) return;
    seen.textContent = text;
    clearTimeout(later);
    later = setTimeout(() => { said.textContent = text; }, 700);
  };
  return { node: element("div", {}, seen, said), set };
}
