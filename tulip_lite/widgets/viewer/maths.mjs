// What the attack viewer shows: an image moved by a stored perturbation, and what the network answers on the way. The answers
// were computed in Python, on the perturbation itself (blocks.py); here they are looked up. Distances and radii: pixel units.
import { summed } from "../packing.mjs";

// --- what is stored ---

/** The place of an attack's results in `entries`, −1 where there are none. */
export const entryOf = (entries, { network, norm, attack }) =>
  entries.findIndex((e) => e.network === network && e.norm === norm && e.attack === attack);

/** The names of what is stored for these values of the other two: attacks of a network and a norm, and the like. */
export const offered = (entries, what, given) =>
  [...new Set(entries.filter((e) => Object.entries(given).every(([name, value]) => e[name] === value)).map((e) => e[what]))];

/** The names of an entry that is there: those chosen as far as they go together, else the first that do. */
export function settled(entries, chosen) {
  const found = {};
  for (const name of ["network", "norm", "attack"]) {
    const there = offered(entries, name, found);
    found[name] = there.includes(chosen[name]) ? chosen[name] : there[0];
  }
  return found;
}

/**
 * Where the slider stops: the norm's grid of radii and, if the attack found one, its distance. rows: which row of the answers
 * belongs to each stop (the distance's is stored after those of the grid); found: which stop is the distance, −1 if none.
 */
export function stops(grid, distance) {
  const radii = [...grid];
  const rows = grid.map((_, i) => i);
  if (!(distance > 0 && distance < Infinity)) return { radii, rows, found: -1 };
  const at = grid.findIndex((r) => r >= distance);
  const place = at < 0 ? grid.length : at;
  // a distance on the grid takes the grid's place
  const same = grid[place] === distance ? 1 : 0;
  radii.splice(place, same, distance);
  rows.splice(place, same, grid.length);
  return { radii, rows, found: place };
}

/** The index of the number in rising `xs` that is nearest to x. */
export const nearest = (xs, x) => xs.reduce((best, at, i) => (Math.abs(at - x) < Math.abs(xs[best] - x) ? i : best), 0);

/** Where x lies among rising `xs`, as an index that may be between two; the ends beyond them. */
export function placeOf(xs, x) {
  const after = xs.findIndex((at) => at >= x);
  if (after < 0) return xs.length - 1;
  return after === 0 ? 0 : after - (xs[after] - x) / (xs[after] - xs[after - 1]);
}

/**
 * What the network answers, row by row of the stops: { predicted, probabilities }. flat: all entries' bytes, one after another,
 * each (images, 1 + classes, rows): the predicted class and the probabilities in 1/255, as changes along the rows (`summed`).
 */
export function answers(flat, { entries, grids, images, classes }, entry, image) {
  const rows = (e) => grids[entries[e].norm].length + 1;
  let start = image * (1 + classes) * rows(entry);
  for (let e = 0; e < entry; e++) start += images * (1 + classes) * rows(e);
  const size = rows(entry);
  const table = summed(flat.slice(start, start + (1 + classes) * size), size);
  return Array.from({ length: size }, (_, row) => ({
    predicted: table[row],
    probabilities: Array.from({ length: classes }, (_, k) => table[(k + 1) * size + row] / 255),
  }));
}

// --- pictures: (3, H, W), flat ---

/** The norm of v: "l2", the root of the sum of squares, or "linf", the largest entry in absolute value. */
export function size(v, norm) {
  let sum = 0;
  let largest = 0;
  for (const value of v) {
    sum += value * value;
    largest = Math.max(largest, Math.abs(value));
  }
  return norm === "l2" ? Math.sqrt(sum) : largest;
}

/** A perturbation's direction, of norm 1, from its stored levels, bytes around 128. Zero stays zero. */
export function direction(stored, norm) {
  const levels = Float64Array.from(stored, (byte) => byte - 128);
  const length = size(levels, norm) || 1;
  return levels.map((level) => level / length);
}

/** The image, bytes, moved by `radius` along a direction and clamped to [0, 1]: bytes again. */
export const moved = (image, along, radius) => Uint8ClampedArray.from(image, (v, i) => v + 255 * radius * along[i]);

/** The perturbation `radius` · direction, magnified and put around grey: bytes. */
export const aroundGrey = (along, radius, factor) => Uint8ClampedArray.from(along, (v) => 127.5 + 255 * factor * radius * v);

/**
 * By how much to magnify: 1, 2, 3, 5 or 7 times a power of ten, the largest for which the perturbation fills at most the range
 * around grey. What exceeds 2.5 times its root mean square may saturate: a few bright pixels would leave the rest grey.
 */
export function magnification(along, radius) {
  const peak = radius * Math.min(size(along, "linf"), (2.5 * size(along, "l2")) / Math.sqrt(along.length));
  if (!(peak > 0)) return 1;
  const decade = 10 ** Math.floor(Math.log10(0.5 / peak));
  return Math.max(1, [7, 5, 3, 2, 1].find((m) => m * decade * peak <= 0.5 * (1 + 1e-9)) * decade);
}

// --- error against distance ---

/** The share of images that an attack of this radius fools: whose distance is at most it. */
export const errorAt = (distances, radius) => distances.filter((d) => d <= radius).length / distances.length;

/** That share as a curve of steps from 0 to `end`: { xs, ys }. */
export function errorCurve(distances, end) {
  const [xs, ys] = [[0], [errorAt(distances, 0)]];
  for (const d of [...distances].filter((d) => d > 0 && d <= end).sort((a, b) => a - b)) {
    xs.push(d, d);
    ys.push(ys.at(-1), errorAt(distances, d));
  }
  return { xs: [...xs, end], ys: [...ys, ys.at(-1)] };
}

/** The height of a curve of straight pieces at x; of two heights at one x the last; its ends beyond them. */
export function heightAt(xs, ys, x) {
  const last = xs.findLastIndex((at) => at <= x);
  if (last < 0) return ys[0];
  if (last === xs.length - 1) return ys[last];
  return ys[last] + ((ys[last + 1] - ys[last]) * (x - xs[last])) / (xs[last + 1] - xs[last]);
}
