// Prop. 2.1 of Finlay & Oberman (2019) along one direction: what a loss does with the distance r from the image, and where the
// cone and the parabola above it meet the level ℓ₀ = 0. Distances in ℓ2 pixel units, losses in loss units.

/** L-bound: max(gap, 0) / L. */
export const lipschitzBound = (gap, lipschitz) => Math.max(gap, 0) / lipschitz;

/** C-bound: the r ≥ 0 with g r + C r²/2 = gap, in the form that does not cancel for a small C. */
export function curvatureBound(gap, gradient, curvature) {
  const reach = Math.max(gap, 0);
  const root = gradient + Math.sqrt(gradient ** 2 + 2 * curvature * reach);
  return root > 0 ? (2 * reach) / root : 0;
}

/** ℓ(x) + L r, eq. (4). */
export const cone = (r, gap, lipschitz) => -gap + lipschitz * r;

/** ℓ(x) + ‖∇ℓ‖ r + C r²/2, eq. (6) in the worst direction. */
export const parabola = (r, gap, gradient, curvature) => -gap + gradient * r + (curvature / 2) * r ** 2;

/** The C² smooth ReLU of Remark 2.2. */
export function smoothReLU(u) {
  const t = Math.min(Math.max(u + 0.5, 0), 1);
  return t ** 3 * (1 - t / 2) + Math.max(u - 0.5, 0);
}

// the drawn example: slope g at the image, and steeper further on; the smooth loss turns within a width, the other at a point
const SMOOTH = { at: 0.35, width: 0.5, steeper: 2.5 };
const KINKED = { at: 0.2, steeper: 4 };

/** The drawn loss of a smooth network at distance r. */
export const drawnSmooth = (r, gap, gradient) =>
  -gap + gradient * r + SMOOTH.steeper * SMOOTH.width * smoothReLU((r - SMOOTH.at) / SMOOTH.width);

/** The drawn loss of a ReLU network at distance r. */
export const drawnKinked = (r, gap, gradient) => -gap + gradient * r + KINKED.steeper * Math.max(r - KINKED.at, 0);

/** The smallest true constants of the two drawn losses: σ'' is at most 3/2. */
export const drawnConstants = (gradient) => ({
  smooth: { lipschitz: gradient + SMOOTH.steeper, curvature: (1.5 * SMOOTH.steeper) / SMOOTH.width },
  kinked: { lipschitz: gradient + KINKED.steeper, curvature: Infinity },
});

/** The first r at which a curve given by points (rs, values), joined by lines, reaches the level 0; Infinity if none. */
export function crossing(rs, values) {
  if (values[0] >= 0) return rs[0];
  const i = values.findIndex((v) => v >= 0);
  if (i < 0) return Infinity;
  return rs[i - 1] + ((rs[i] - rs[i - 1]) * -values[i - 1]) / (values[i] - values[i - 1]);
}

/** What a curve given at equally spaced points needs: its steepest slope, and its largest second difference, at least 0. */
export function needs(rs, values) {
  const step = rs[1] - rs[0];
  let [lipschitz, curvature] = [0, 0];
  for (let i = 1; i < rs.length; i++) {
    lipschitz = Math.max(lipschitz, Math.abs(values[i] - values[i - 1]) / step);
    if (i + 1 < rs.length) curvature = Math.max(curvature, (values[i + 1] - 2 * values[i] + values[i - 1]) / step ** 2);
  }
  return { lipschitz, curvature };
}
