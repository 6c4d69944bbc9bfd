// Bytes as pictures: (3, H, W), flat, drawn on a canvas.
import { element } from "./kit.mjs";

/** (3, H, W) bytes as a canvas wants them: red, green, blue, opaque, pixel by pixel. */
export function rgba(planes) {
  const n = planes.length / 3;
  const out = new Uint8ClampedArray(4 * n);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < 3; k++) out[4 * i + k] = planes[k * n + i];
    out[4 * i + 3] = 255;
  }
  return out;
}

/** Paints a picture, (3, H, W) bytes, on a canvas of its size. */
export const paint = (canvas, planes) =>
  canvas.getContext("2d").putImageData(new ImageData(rgba(planes), canvas.width, canvas.height), 0, 0);

/** A square picture with words below it: { node, draw(planes, label), words: [...], canvas }. */
export function picture([, height, width]) {
  const canvas = element("canvas", { width, height });
  canvas.setAttribute("role", "img");
  const words = [element("p"), element("p", { className: "verdict" })];
  const draw = (planes, label) => {
    paint(canvas, planes);
    canvas.setAttribute("aria-label", label);
  };
  return { node: element("div", {}, canvas, ...words), draw, words, canvas };
}
