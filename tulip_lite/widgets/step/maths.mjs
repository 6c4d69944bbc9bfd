// The error of a difference quotient against its step h, in three precisions, and its two parts (Finlay & Oberman 2019, Prop. 3.2).
//
// The function is ℓ(h) = softplus(g h − s): the cross-entropy of a linear two-class model with margin s ≥ 0, at distance h (pixel
// units) along its gradient, of length g. Every operation is rounded to the precision asked for.

/** Unit roundoff: the largest relative error of rounding to nearest. */
export const UNITS = { float64: 2 ** -53, float32: 2 ** -24, bfloat16: 2 ** -8 };

/** Of each quotient, the power of h in its truncation error. */
export const ORDERS = { "finite-difference": 1, "central-difference": 2 };

const memory = new DataView(new ArrayBuffer(4));

/** x rounded to float32 and then to its upper 16 bits, 8 of them significant: nearest, ties to even. */
export function bfloat16(x) {
  memory.setFloat32(0, x);
  const word = memory.getUint32(0);
  memory.setUint32(0, (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000);
  return memory.getFloat32(0);
}

/** x rounded to a precision. */
export function round(x, precision) {
  if (precision === "float64") return x;
  return precision === "float32" ? Math.fround(x) : bfloat16(x);
}

/** ℓ(h), every operation rounded. h: pixel units, already rounded; margin s and steepness g: representable in bfloat16. */
export function loss(h, margin, steepness, precision) {
  const score = round(round(steepness * h, precision) - margin, precision);
  const small = round(Math.log1p(round(Math.exp(-Math.abs(score)), precision)), precision);
  return round(Math.max(score, 0) + small, precision);
}

/** The difference quotient of ℓ at 0, every operation rounded. Loss per pixel unit. */
export function quotient(h, margin, steepness, precision, method) {
  const step = round(h, precision);
  const at = (z) => loss(z, margin, steepness, precision);
  if (method === "finite-difference") return round(round(at(step) - at(0), precision) / step, precision);
  return round(round(at(step) - at(-step), precision) / (2 * step), precision);
}

/** ℓ and its first three derivatives at h = 0, in closed form. */
export function exact(margin, steepness) {
  const p = 1 / (1 + Math.exp(margin)); // the probability of the wrong class
  const second = steepness ** 2 * p * (1 - p);
  return { loss: Math.log1p(Math.exp(-margin)), slope: steepness * p, second, third: steepness * second * (1 - 2 * p) };
}

/** Relative error of the quotient: |quotient / slope − 1|. */
export function relativeError(h, margin, steepness, precision, method) {
  return Math.abs(quotient(h, margin, steepness, precision, method) / exact(margin, steepness).slope - 1);
}

/**
 * The model of the relative error, T hᵖ + R / h, as { order: p, truncation: T, rounding: R }. One loss is taken to be wrong by
 * ε = u (ℓ + s ℓ′): it is rounded when it is stored, and so was the score it was computed from.
 */
export function coefficients(margin, steepness, precision, method) {
  const { loss: value, slope, second, third } = exact(margin, steepness);
  const epsilon = UNITS[precision] * (value + (Math.abs(margin) * slope) / steepness);
  const order = ORDERS[method];
  if (order === 1) return { order, truncation: second / 2 / slope, rounding: (2 * epsilon) / slope };
  return { order, truncation: Math.abs(third) / 6 / slope, rounding: epsilon / slope };
}

/** The two parts of the model's error at h. */
export function parts(h, { order, truncation, rounding }) {
  return { truncation: truncation * h ** order, rounding: rounding / h };
}

/** The h at which T hᵖ + R / h is least, (R / (pT))^(1/(p+1)), and the error there. */
export function best({ order, truncation, rounding }) {
  const h = (rounding / (order * truncation)) ** (1 / (order + 1));
  return { h, error: truncation * h ** order + rounding / h };
}

/** n numbers from 10^low to 10^high, evenly spaced in the logarithm. */
export function logspace(low, high, n) {
  return Array.from({ length: n }, (_, i) => 10 ** (low + ((high - low) * i) / (n - 1)));
}

/** y at x on the curve through the points, straight in the logarithms of both; its ends beyond them. xs rise. */
export function interpolate(x, xs, ys) {
  const after = xs.findIndex((at) => at >= x);
  if (after === 0) return ys[0];
  if (after < 0) return ys[ys.length - 1];
  const share = Math.log(x / xs[after - 1]) / Math.log(xs[after] / xs[after - 1]);
  return ys[after - 1] ** (1 - share) * ys[after] ** share;
}

/**
 * What the figure draws: { steps, errors: { precision: [...] }, model: { precision: coefficients }, at: (h, precision) => error },
 * of the function above (source "computed") or of a network that Python measured ("measured").
 */
export function picture({ source, method, margin, steepness, measured }) {
  const of = (f) => Object.fromEntries(Object.keys(UNITS).map((precision) => [precision, f(precision)]));
  if (source === "measured") {
    const { steps, errors, truncation, rounding } = measured;
    const model = (precision) =>
      ({ order: ORDERS[method], truncation: truncation[method], rounding: rounding[method][precision] });
    return { steps, errors: errors[method], model: of(model), at: (h, precision) => interpolate(h, steps, errors[method][precision]) };
  }
  const steps = logspace(-12, 0, 193);
  const at = (h, precision) => relativeError(h, margin, steepness, precision, method);
  return { steps, errors: of((p) => steps.map((h) => at(h, p))), model: of((p) => coefficients(margin, steepness, p, method)), at };
}
