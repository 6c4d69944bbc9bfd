// The mathematics of "λ, δ, C": a loss against the cost of distance, along the direction in which the loss is steepest.
// Units are abstract: r is a distance, g a loss per distance, C a loss per squared distance, δ a squared distance per loss.

// log cosh u without overflow
const logCosh = (u) => Math.abs(u) + Math.log1p(Math.exp(-2 * Math.abs(u))) - Math.LN2;

/** The curvature of the drawn loss at distance r: C sech²(r − bend), largest at `bend`, where it is C. */
export function curvature(r, C, bend) { return C / Math.cosh(r - bend) ** 2; }

/** The slope of the drawn loss: g at r = 0, rising to `steepest`. */
export function slope(r, g, C, bend) { return g + C * (Math.tanh(r - bend) + Math.tanh(bend)); }

/** The slope that the drawn loss approaches far away: its Lipschitz constant. */
export function steepest(g, C, bend) { return g + C * (1 + Math.tanh(bend)); }

/** By how much the drawn loss has risen at distance r ≥ 0. Softplus-like: it bends around `bend` and is straight beyond. */
export function rise(r, g, C, bend) { return g * r + C * (logCosh(r - bend) - logCosh(bend) + r * Math.tanh(bend)); }

/** The quadratic upper model of eq. (6): g r + C r²/2. */
export function model(r, g, C) { return g * r + (C / 2) * r * r; }

/** The quadratic cost r²/(2δ) of Sec. 3. */
export function cost(r, delta) { return (r * r) / (2 * delta); }

/** λ = δ/(1 − δC) of Prop. 3.1; infinite where δC ≥ 1. */
export function strength(delta, C) { return delta * C < 1 ? delta / (1 - delta * C) : Infinity; }

/** Where model − cost is largest, and how large: { r: λg, value: (λ/2) g² }; where δC ≥ 1 infinite, save that zero is the most if δC = 1 and g = 0. */
export function modelMaximum(g, C, delta) {
  if (delta * C >= 1) return g === 0 && delta * C === 1 ? { r: 0, value: 0 } : { r: Infinity, value: Infinity };
  const lambda = strength(delta, C);
  return { r: lambda * g, value: (lambda / 2) * g * g };
}

// where the decreasing f crosses zero between low and high, to the last bit
function crossing(f, low, high) {
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) break;
    if (f(middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Where the drawn loss − cost is largest over r ≥ 0, and how large: { r, value }. Always finite: the cost outgrows a straight loss.
 * Its slope, `slope` − r/δ, falls throughout where δC ≤ 1; else it rises between r₀ ± arcosh √(δC), r₀ = bend, and there are
 * two falling stretches, each with at most one maximum.
 */
export function lossMaximum(g, C, bend, delta) {
  const uphill = (r) => slope(r, g, C, bend) - r / delta;
  const far = delta * steepest(g, C, bend); // there the slope is negative
  const half = delta * C > 1 ? Math.acosh(Math.sqrt(delta * C)) : 0;
  const found = [0];
  if (half === 0) found.push(crossing(uphill, 0, far));
  else {
    const [near, beyond] = [bend - half, bend + half];
    if (near > 0) found.push(crossing(uphill, 0, near));
    if (beyond < far) found.push(crossing(uphill, beyond, far));
  }
  // at g = 0 a point beside 0 may seem better by rounding
  return found
    .map((r) => ({ r, value: rise(r, g, C, bend) - cost(r, delta) }))
    .reduce((best, one) => (one.value > best.value + 1e-14 ? one : best));
}

/** The largest value of the upper model where r ≤ radius, to first order in the radius and with its curvature. */
export function hardMaximum(g, C, radius) { return { first: radius * g, value: model(radius, g, C) }; }

/** The quadratic cost whose bound (λ/2) g² + radius²/(2δ) is the hard constraint's: 1/δ = C + g/radius, so λ = radius/g; at g = 0 its limit, 1/C and ∞. */
export function equivalent(g, C, radius) {
  return { delta: 1 / (C + g / radius), strength: g > 0 ? radius / g : Infinity };
}
