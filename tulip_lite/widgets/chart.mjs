// A chart: axes with ticks, and the lines, dots, areas and words that are drawn between them.
import { drag } from "./drag.mjs";
import { element, format, power, shape } from "./kit.mjs";

function linearTicks([low, high], about) {
  const rough = (high - low) / about;
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * decade).find((s) => s >= rough);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(i * step);
  return ticks.map((at) => ({ at, text: format(Number(at.toPrecision(12)), 4) }));
}

function logTicks([low, high], about) {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const step = Math.max(1, Math.ceil((last - first) / about));
  const ticks = [];
  for (let n = first; n <= last; n += step) {
    ticks.push({ at: 10 ** n, text: Math.abs(n) < 3 ? String(Number((10 ** n).toPrecision(3))) : power(n) });
  }
  return ticks;
}

const colour = (name) => `var(--${name})`;
// each starts with a step away from the point it marks, and is relative throughout
const SYMBOLS = {
  circle: (r) => `m${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0`,
  square: (r) => `m${-r},${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
  diamond: (r) => `m0,${-1.3 * r}l${1.3 * r},${1.3 * r}l${-1.3 * r},${1.3 * r}l${-1.3 * r},${-1.3 * r}z`,
  cross: (r) => `m${-r},${-r}l${2 * r},${2 * r}m${-2 * r},0l${2 * r},${-2 * r}`,
};
const symbolAt = (mark, px, py) => `M${px.toFixed(1)},${py.toFixed(1)}${mark}`;

/**
 * A drawing with two axes that fits the width it is given. x, y: { label, range: [low, high], log }. `height` in pixels, or
 * `aspect` = height/width of the area between the axes. What is set on the handles appears with `draw()`.
 */
export class Chart {
  constructor(parent, { x, y, height = 320, aspect = null, label }) {
    Object.assign(this, { x: { log: false, ...x }, y: { log: false, ...y }, height, aspect, items: [], followers: [] });
    this.axes = shape("g");
    this.clip = shape("rect");
    // each explorable carries this module anew, so that a count would give two charts of a page the same name
    const name = `tulip-clip-${Math.random().toString(36).slice(2)}`;
    this.inside = shape("g", { "clip-path": `url(#${name})` });
    const clipping = shape("clipPath", { id: name }, this.clip);
    this.words = shape("g");
    this.svg = shape("svg", { role: "img", "aria-label": label }, clipping, this.axes, this.inside, this.words);
    this.node = element("div", {}, this.svg);
    parent.append(this.node);
    this.width = 0;
    this.sizes = new ResizeObserver(() => {
      const width = Math.round(this.node.clientWidth);
      if (width && width !== this.width) this.layout(width);
    });
    this.sizes.observe(this.node);
    this.layout(Math.round(this.node.clientWidth) || 640);
  }

  // --- geometry ---

  layout(width) {
    this.width = width;
    this.box = { left: 60, top: 10, width: width - 72 };
    this.box.height = this.aspect ? this.aspect * this.box.width : this.height - 58;
    const height = this.box.height + 58;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("height", height);
    for (const [name, value] of Object.entries({ x: this.box.left, y: this.box.top, width: this.box.width, height: this.box.height })) {
      this.clip.setAttribute(name, value);
    }
    this.range({});
    this.followers.forEach((f) => f(this.box));
  }

  /** Calls `f({ left, top, width, height })`, the area between the axes in pixels, now and after each change of size. */
  onLayout(f) {
    this.followers.push(f);
    f(this.box);
  }

  range({ x = this.x.range, y = this.y.range }) {
    this.x.range = x;
    this.y.range = y;
    const scale = (axis, start, length) => {
      const f = axis.log ? Math.log10 : (v) => v;
      const [low, high] = axis.range.map(f);
      axis.scale = (v) => start + (length * (f(v) - low)) / (high - low);
      axis.invert = (p) => { const v = low + ((p - start) / length) * (high - low); return axis.log ? 10 ** v : v; };
    };
    scale(this.x, this.box.left, this.box.width);
    scale(this.y, this.box.top + this.box.height, -this.box.height);
    this.drawAxes();
    this.draw();
  }

  toPixels(x, y) { return [this.x.scale(x), this.y.scale(y)]; }
  toData(px, py) { return [this.x.invert(px), this.y.invert(py)]; }

  drawAxes() {
    const { left, top, width, height } = this.box;
    const bottom = top + height;
    const ticks = (axis, about) => (axis.log ? logTicks : linearTicks)(axis.range, about);
    this.axes.replaceChildren(
      ...ticks(this.x, Math.max(2, width / 80)).flatMap(({ at, text }) => [
        shape("line", { class: "grid", x1: this.x.scale(at), x2: this.x.scale(at), y1: top, y2: bottom }),
        shape("text", { x: this.x.scale(at), y: bottom + 16, "text-anchor": "middle" }, text),
      ]),
      ...ticks(this.y, Math.max(2, height / 45)).flatMap(({ at, text }) => [
        shape("line", { class: "grid", x1: left, x2: left + width, y1: this.y.scale(at), y2: this.y.scale(at) }),
        shape("text", { x: left - 6, y: this.y.scale(at) + 4, "text-anchor": "end" }, text),
      ]),
      shape("text", { x: left + width / 2, y: bottom + 38, "text-anchor": "middle" }, this.x.label),
      shape("text", { transform: `translate(13 ${top + height / 2}) rotate(-90)`, "text-anchor": "middle" }, this.y.label),
    );
  }

  draw() { for (const item of this.items) item(); }

  // --- what is drawn: each returns a handle whose `set` takes data units ---

  add(node, paint, layer = this.inside) {
    layer.append(node);
    this.items.push(paint);
    return { node, show: (visible) => node.setAttribute("display", visible ? "" : "none") };
  }

  path(xs, ys) {
    let text = "";
    let pen = "M";
    for (let i = 0; i < xs.length; i++) {
      // beyond 1e4 pixels nothing shows, and renderers lose precision
      const py = Math.max(-1e4, Math.min(1e4, this.y.scale(ys[i])));
      const px = Math.max(-1e4, Math.min(1e4, this.x.scale(xs[i])));
      if (Number.isFinite(px) && Number.isFinite(py)) {
        text += `${pen}${px.toFixed(1)},${py.toFixed(1)}`;
        pen = "L";
      } else pen = "M";
    }
    return text;
  }

  line(name, { color = "ink", dash = "", width = 2 } = {}) {
    let data = [[], []];
    const node = shape("path", { "data-name": name, fill: "none", "stroke-width": width, "stroke-dasharray": dash, style: `stroke: ${colour(color)}` });
    return { ...this.add(node, () => node.setAttribute("d", this.path(...data))), set: (xs, ys) => { data = [xs, ys]; } };
  }

  area(name, { color = "ink", opacity = 0.15 } = {}) {
    let data = [[], [], []];
    const node = shape("path", { "data-name": name, opacity, style: `fill: ${colour(color)}` });
    const paint = () => {
      const [xs, lows, highs] = data;
      node.setAttribute("d", xs.length ? this.path([...xs, ...[...xs].reverse()], [...highs, ...[...lows].reverse()]) + "Z" : "");
    };
    return { ...this.add(node, paint), set: (xs, lows, highs) => { data = [xs, lows, highs]; } };
  }

  dots(name, { color = "ink", radius = 5, symbol = "circle" } = {}) {
    let data = [[], []];
    const stroke = symbol === "cross" ? `stroke: ${colour(color)}; stroke-width: 2; fill: none` : `fill: ${colour(color)}; stroke: var(--paper)`;
    const node = shape("path", { "data-name": name, style: stroke });
    const mark = SYMBOLS[symbol](radius);
    const paint = () => {
      const [xs, ys] = data;
      let text = "";
      for (let i = 0; i < xs.length; i++) {
        const [px, py] = this.toPixels(xs[i], ys[i]);
        if (Number.isFinite(px) && Number.isFinite(py)) text += symbolAt(mark, px, py);
      }
      node.setAttribute("d", text);
    };
    return { ...this.add(node, paint), set: (xs, ys) => { data = [xs, ys]; } };
  }

  rule(name, { color = "ink", dash = "", width = 2, vertical = true } = {}) {
    let at = null;
    const node = shape("path", { "data-name": name, "stroke-width": width, "stroke-dasharray": dash, style: `stroke: ${colour(color)}` });
    const paint = () => {
      const { left, top, width: w, height } = this.box;
      const place = at === null ? NaN : vertical ? this.x.scale(at) : this.y.scale(at);
      node.setAttribute("d", !Number.isFinite(place) ? "" : vertical ? `M${place},${top}v${height}` : `M${left},${place}h${w}`);
    };
    return { ...this.add(node, paint), set: (value) => { at = value; } };
  }

  /** Words at a point, kept inside the drawing. anchor: "start", "middle" or "end". */
  label(name, { anchor = "start", dx = 6, dy = -6 } = {}) {
    let data = [NaN, NaN, ""];
    const node = shape("text", { "data-name": name, "text-anchor": anchor });
    const paint = () => {
      const [x, y, text] = data;
      const [px, py] = this.toPixels(x, y);
      const there = Number.isFinite(px) && Number.isFinite(py);
      node.textContent = there ? text : "";
      if (!there) return;
      const { left, top, width, height } = this.box;
      const size = 7 * text.length;
      const [low, high] = { start: [left, left + width - size], middle: [left + size / 2, left + width - size / 2], end: [left + size, left + width] }[anchor];
      node.setAttribute("x", Math.max(low, Math.min(high, px + dx)));
      node.setAttribute("y", Math.max(top + 12, Math.min(top + height - 4, py + dy)));
    };
    return { ...this.add(node, paint, this.words), set: (x, y, text) => { data = [x, y, text]; } };
  }

  /** Above the chart what each curve is. entries: [{ name, color, dash, symbol }]. */
  legend(entries) {
    const list = element("ul", { className: "legend" });
    for (const { name, color, dash = "", symbol = null } of entries) {
      const style = symbol === "cross" || !symbol ? `stroke: ${colour(color)}; fill: none` : `fill: ${colour(color)}`;
      const mark = symbol ? symbolAt(SYMBOLS[symbol](5), 14, 6) : "M2,6h24";
      const swatch = shape("svg", { viewBox: "0 0 28 12", height: 12, "aria-hidden": true },
        shape("path", { d: mark, "stroke-width": 2.5, "stroke-dasharray": dash, style }));
      list.append(element("li", {}, swatch, name));
    }
    this.legendNode?.remove();
    this.legendNode = list;
    this.node.prepend(list);
  }

  /**
   * Calls `f(x, y, phase)` in data units while the main button or a finger is held down in the chart; phase: "start", "move" or
   * "end". A finger that begins to scroll tells nothing: its first place counts when it moves sideways, or as a tap.
   * An element with `data-handle` is taken hold of at once.
   */
  onDrag(f, { touch = "pan-y" } = {}) { drag(this, f, touch); }

  /** Stops following the size of the page. */
  remove() { this.sizes.disconnect(); this.node.remove(); }
}
