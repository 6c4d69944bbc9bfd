// The playground's picture of the plane: the network's answers as a map of colours, its boundary and input gradients, the training
// points, and the selected point with its attack and bounds.
import { Chart } from "../chart.mjs";
import { element, format } from "../kit.mjs";

const SVG = "http://www.w3.org/2000/svg";
const OPAQUE = 130; // of 255, where the network is sure
const ARROW_KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
const STRIDE = { plain: 0.02, shift: 0.1 };

/**
 * The square |x|, |y| ≤ `edge` with a map of nodes × nodes scores; arrow keys ask for the selected point to move: onMove(x, y).
 * Returns { chart, show, paintMap, draw }. `show(points)` sets the training points; `draw(scene)` draws a scene
 * { map, segments, field, spot, radius }: scores on the nodes, boundary, input gradients on n × n places, the selected point as
 * `inspect` describes it, and ε. `paintMap` paints the colours of the last scene anew.
 */
export function planePicture(parent, { edge, nodes, onMove }) {
  const range = [-edge, edge];
  const chart = new Chart(parent, {
    x: { label: "x₁", range },
    y: { label: "x₂", range },
    aspect: 1,
    label: "The plane with the training points, the decision boundary, the input gradients, and the selected point with its attack and bounds",
  });
  // an image may hold nothing that takes the focus
  chart.svg.setAttribute("role", "group");
  let scene = null;
  chart.legend([
    { name: "class 0", color: "blue", symbol: "circle" },
    { name: "class 1", color: "orange", symbol: "diamond" },
    { name: "decision boundary, attack", color: "ink" },
    { name: "L-bound", color: "pink", dash: "6 4" },
    { name: "C-bound", color: "pink" },
    { name: "radius ε", color: "green", dash: "2 4" },
  ]);

  // --- the map, on a canvas below the drawing ---
  const canvas = element("canvas", { width: nodes, height: nodes });
  // the pixels' centres are the nodes: half a pixel stands out on each side
  canvas.style.cssText = `display: block; width: 100%; height: 100%; transform: scale(${1 + 1 / (nodes - 1)})`;
  const pane = element("div", {}, canvas);
  const stage = element("div", { style: "position: relative" });
  chart.svg.before(stage);
  stage.append(pane, chart.svg);
  chart.svg.style.position = "relative";
  chart.onLayout(({ left, top, width, height }) => {
    pane.style.cssText = `position: absolute; overflow: hidden; left: ${left}px; top: ${top}px; width: ${width}px; height: ${height}px`;
  });

  function paintMap() {
    const style = getComputedStyle(parent);
    const [blue, orange] = ["--blue", "--orange"].map((name) => {
      const hex = parseInt(style.getPropertyValue(name).trim().slice(1), 16);
      return [hex >> 16, (hex >> 8) & 255, hex & 255];
    });
    const image = new ImageData(nodes, nodes);
    for (let j = 0; j < nodes; j++) {
      for (let i = 0; i < nodes; i++) {
        const s = scene.map[j * nodes + i];
        const pixel = 4 * ((nodes - 1 - j) * nodes + i);
        for (let k = 0; k < 3; k++) image.data[pixel + k] = (s > 0 ? orange : blue)[k];
        // clear where the two classes are equally probable
        image.data[pixel + 3] = OPAQUE * Math.abs(Math.tanh(s / 2));
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  // --- what lies over it, from the bottom up ---
  const path = (style, paint) => {
    const node = document.createElementNS(SVG, "path");
    node.style.cssText = `fill: none; ${style}`;
    chart.add(node, () => node.setAttribute("d", scene ? paint() : ""));
    return node;
  };
  const at = (x, y) => chart.toPixels(x, y).map((p) => p.toFixed(1)).join();
  const circle = (style, radius) => path(style, () => {
    const r = (radius() / (2 * edge)) * chart.box.width;
    return r > 0 ? `M${at(scene.spot.x, scene.spot.y)}m${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0` : "";
  });
  const pixels = (n) => () => (2 * n * edge) / chart.box.width;

  function arrow(x0, y0, x1, y1, head) {
    const [[ax, ay], [bx, by]] = [chart.toPixels(x0, y0), chart.toPixels(x1, y1)];
    const length = Math.hypot(bx - ax, by - ay) || 1;
    const [ux, uy] = [(head * (bx - ax)) / length, (head * (by - ay)) / length];
    const word = (x, y) => `${x.toFixed(1)},${y.toFixed(1)}`;
    return `M${word(ax, ay)}L${word(bx, by)}M${word(bx - ux - uy / 2, by - uy + ux / 2)}L${word(bx, by)}L${word(bx - ux + uy / 2, by - uy - ux / 2)}`;
  }

  path("stroke: var(--ink); stroke-width: 1.2; opacity: 0.6", () => {
    // the length grows with the gradient's and never leaves the arrow's cell
    const room = (0.9 * edge) / Math.sqrt(scene.field.length);
    return scene.field.map(([x, y, gx, gy]) => {
      const size = Math.hypot(gx, gy);
      const half = room / (1 + size);
      return size > 0.03 ? arrow(x - half * gx, y - half * gy, x + half * gx, y + half * gy, 3) : "";
    }).join("");
  });
  path("stroke: var(--ink); stroke-width: 2.5", () => {
    let text = "";
    const s = scene.segments;
    for (let k = 0; k < s.length; k += 4) text += `M${at(s[k], s[k + 1])}L${at(s[k + 2], s[k + 3])}`;
    return text;
  });
  const classes = [
    chart.dots("class-0", { color: "blue", radius: 4 }),
    chart.dots("class-1", { color: "orange", radius: 4, symbol: "diamond" }),
  ];
  circle("stroke: var(--green); stroke-width: 2; stroke-dasharray: 2 4", () => scene.radius);
  circle("stroke: var(--pink); stroke-width: 2.5; stroke-dasharray: 6 4", () => scene.spot.lipschitz);
  circle("stroke: var(--pink); stroke-width: 2.5", () => scene.spot.curvature ?? 0);
  path("stroke: var(--ink); stroke-width: 2.5", () => {
    const { x, y, distance } = scene.spot.attack;
    return distance > 0 && distance < Infinity ? arrow(scene.spot.x, scene.spot.y, x, y, 8) : "";
  });
  circle("stroke: var(--ink); stroke-width: 2.5", pixels(6));
  // a finger moves the point by this handle in any direction; elsewhere on the picture it scrolls the page. (Chromium does not
  // heed touch-action on a shape inside an SVG.)
  const handle = circle("fill: transparent; stroke-width: 3; outline: none; cursor: grab", pixels(24));
  handle.dataset.handle = "point";
  handle.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
  const attributes = {
    tabindex: 0, role: "slider", "aria-label": "selected point, move with the arrow keys", "aria-valuemin": -edge, "aria-valuemax": edge,
  };
  Object.entries(attributes).forEach(([name, value]) => handle.setAttribute(name, value));
  handle.addEventListener("focus", () => { handle.style.stroke = "var(--accent)"; });
  handle.addEventListener("blur", () => { handle.style.stroke = "none"; });
  handle.addEventListener("keydown", (event) => {
    const direction = ARROW_KEYS[event.key];
    if (!direction || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const stride = event.shiftKey ? STRIDE.shift : STRIDE.plain;
    onMove(...[scene.spot.x, scene.spot.y].map((v, k) => Math.max(-edge, Math.min(edge, v + stride * direction[k]))));
  });

  return {
    chart,
    paintMap,
    show(points) {
      classes.forEach((dots, label) => {
        const mine = points.filter((p) => p[2] === label);
        dots.set(mine.map((p) => p[0]), mine.map((p) => p[1]));
      });
    },
    draw(next) {
      scene = next;
      const [x, y] = [scene.spot.x, scene.spot.y];
      handle.setAttribute("aria-valuenow", x.toFixed(2));
      handle.setAttribute("aria-valuetext", `(${format(x, 2)}, ${format(y, 2)})`);
      chart.draw();
    },
  };
}
