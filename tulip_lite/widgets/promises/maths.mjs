// Figure 4 of Finlay & Oberman (2019), image by image: lower bounds on the adversarial distance beside the distance at which an
// attack succeeded, which is an upper bound on it. Bounds and distances: ℓ2 pixel units; a distance is 0 where the network is
// wrong already and ∞ where no attack succeeded, a bound NaN where it was not computed. Tested against still.py.

/** How the kinds of bound are drawn: a colour, and a polygon's corners and the angle, in degrees clockwise, of its first. */
export const LOOKS = [
  { color: "blue", corners: 4, turn: 45 },
  { color: "green", corners: 4, turn: 0 },
  { color: "pink", corners: 3, turn: -90 },
  { color: "ink", corners: 3, turn: 90 },
  { color: "grey", corners: 3, turn: 180 },
  { color: "blue", corners: 3, turn: 0 },
  { color: "green", corners: 5, turn: -90 },
  { color: "pink", corners: 6, turn: 0 },
];

/** A look's outline as an SVG path relative to its centre, the corners `radius` pixels away from it. */
export function outline({ corners, turn }, radius) {
  const points = Array.from({ length: corners }, (_, k) => {
    const angle = ((turn + (360 * k) / corners) * Math.PI) / 180;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
  return points.map(([x, y], k) => {
    const [fromX, fromY] = k ? points[k - 1] : [0, 0];
    return `${k ? "l" : "m"}${(x - fromX).toFixed(2)},${(y - fromY).toFixed(2)}`;
  }).join("") + "z";
}

/** The images by rising distance, those without an attack last, equal ones in the data set's order. */
export const sorted = (distances) =>
  distances.map((_, i) => i).sort((a, b) => (distances[a] === distances[b] ? 0 : distances[a] - distances[b]));

/** What is known of a bound: an attack nearer than it refutes an estimate, and no attack makes an estimate a proof. */
export function verdict(bound, distance, proof) {
  if (Number.isNaN(bound)) return "not computed";
  if (proof) return "proved";
  return bound > distance ? "refuted" : "holds so far";
}

/** On how many images a bound was computed, and on how many of them an attack refutes it. */
export const tally = (bounds, distances) => ({
  computed: bounds.filter((bound) => !Number.isNaN(bound)).length,
  refuted: bounds.filter((bound, i) => bound > distances[i]).length,
});

/** The images on which at least one of several kinds of bound, [(N,), …], is refuted. */
export const lit = (kinds, distances) =>
  distances.flatMap((distance, i) => (kinds.some((bounds) => bounds[i] > distance) ? [i] : []));

/** The share of an axis that each of the two rows takes which a logarithm has no place for, 0 and ∞. */
const ROW = 0.12;

/**
 * A logarithmic axis for these values: { range, zero, none, low, high }. Between low and high are the positive ones and at
 * least two powers of ten; where there is a 0, a row below low has it at `zero`, and where there is an ∞, one above high at
 * `none` (else null). No power of ten lies inside a row, where it would be written at a wrong place. NaN counts for nothing.
 */
export function axis(values) {
  const logs = values.filter((v) => v > 0 && v < Infinity).map(Math.log10);
  let [low, high] = logs.length ? [Math.min(...logs), Math.max(...logs)] : [-1, 0];
  const room = Math.max(0.03, 0.05 * (high - low));
  [low, high] = [low - room, high + room];
  while (Math.floor(high) - Math.ceil(low) < 1) {
    const [down, up] = [Math.ceil(low) - 1, Math.floor(high) + 1];
    if (low - down < up - high) low = down;
    else high = up;
  }
  const row = Math.min(ROW * (high - low), 0.9); // of decades: less than from one power of ten to the next
  const [zero, none] = [values.includes(0), values.includes(Infinity)];
  if (zero && Math.ceil(low - row) < low) low = Math.ceil(low - row);
  if (none && Math.floor(high + row) > high) high = Math.floor(high + row);
  return {
    range: [10 ** (zero ? low - row : low), 10 ** (none ? high + row : high)],
    zero: zero ? 10 ** (low - 0.6 * row) : null,
    none: none ? 10 ** (high + 0.6 * row) : null,
    low: 10 ** low,
    high: 10 ** high,
  };
}

/** Where a value stands on that axis: 0 and ∞ in their rows, NaN nowhere. */
export function placed(value, { zero, none }) {
  if (value === 0) return zero ?? NaN;
  return value === Infinity ? none ?? NaN : value;
}

/** The place, 1 … count, that is nearest to x. */
export const nearestPlace = (x, count) => Math.max(1, Math.min(count, Math.round(x)));

/** An adversarial picture from the clean one and the stored differences of their bytes, modulo 256. */
export const attacked = (clean, differences) => clean.map((byte, i) => (byte + differences[i]) & 255);
