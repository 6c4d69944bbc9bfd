// What the playground measures on a small network in the plane: derivatives of its losses, the bounds of Prop. 2.1, the decision
// boundary and the distance to it. Networks are those of network.mjs; points are [x, y, label]; distances are in units of the plane.

import { curvatureBound, lipschitzBound } from "../bounds/maths.mjs";
import { ACTIVATIONS, jet, score, sigmoid, softplus } from "./network.mjs";

export { descend, network, objective } from "./network.mjs";

/** The picture is the square |x|, |y| ≤ EDGE. */
export const EDGE = 1.4;
/** Nodes along each side: of the map of scores, and of the grid on which L and C are maxima. */
export const NODES = 65;
export const COARSE = 33;

/** [φ, φ′, φ″] of the losses as functions of s = logit of the other class − logit of the label. Two classes make the margin smooth. */
export const LOSSES = {
  "cross-entropy": (s) => [softplus(s), sigmoid(s), sigmoid(s) * sigmoid(-s)],
  margin: (s) => {
    const t = Math.tanh(s / 2); // p_other − p_label
    return [t, (1 - t * t) / 2, (-t * (1 - t * t)) / 2];
  },
};

/** A loss at (x, y) with its gradient (2) and Hessian [∂₁₁, ∂₁₂, ∂₂₂] in the input: φ′∇s and φ″∇s∇sᵀ + φ′∇²s. */
export function derivatives(net, loss, x, y, label) {
  const [s, s1, s2, s11, s12, s22] = jet(net, x, y, label);
  const [value, first, second] = LOSSES[loss](s);
  const hessian = [second * s1 * s1 + first * s11, second * s1 * s2 + first * s12, second * s2 * s2 + first * s22];
  return { value, gradient: [first * s1, first * s2], hessian };
}

/** Position of node i of n along a side of the picture. */
export const node = (i, n = NODES) => -EDGE + (2 * EDGE * i) / (n - 1);

/**
 * {L, C}: the largest ‖∇margin‖₂ and the largest eigenvalue of the Hessian of the margin, of either label, over a grid of the picture
 * and `points`: estimates by maxima, as in the paper (eq. 5). C is null for ReLU, which has no curvature to bound.
 */
export function constants(net, points) {
  let [L, C] = [0, 0];
  const look = (x, y) => {
    const { gradient, hessian } = derivatives(net, "margin", x, y, 0);
    const [a, b, c] = hessian;
    L = Math.max(L, Math.hypot(gradient[0], gradient[1]));
    // the margin of label 1 is the negative: its largest eigenvalue is minus the smallest one here
    C = Math.max(C, Math.abs(a + c) / 2 + Math.hypot((a - c) / 2, b));
  };
  for (let i = 0; i < COARSE; i++) {
    for (let j = 0; j < COARSE; j++) look(node(i, COARSE), node(j, COARSE));
  }
  for (const [x, y] of points) look(x, y);
  return { L, C: ACTIVATIONS[net.activation].smooth ? C : null };
}

/** Scores s = logit 1 − logit 0 on the nodes of the picture, row after row from y = −EDGE, into `map` (NODES²). */
export function scores(net, map = new Float64Array(NODES * NODES)) {
  for (let j = 0; j < NODES; j++) {
    for (let i = 0; i < NODES; i++) map[j * NODES + i] = score(net, node(i), node(j));
  }
  return map;
}

/** The decision boundary s = 0 by marching squares: short segments, flat as x₁, y₁, x₂, y₂, …; a cell with four crossings has two. */
export function boundary(map) {
  const segments = [];
  for (let j = 0; j + 1 < NODES; j++) {
    for (let i = 0; i + 1 < NODES; i++) {
      const here = j * NODES + i;
      const value = [map[here], map[here + 1], map[here + NODES + 1], map[here + NODES]];
      const ahead = value.filter((v) => v > 0).length;
      if (ahead === 0 || ahead === 4) continue;
      const corner = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]]; // prettier-ignore
      for (let k = 0; k < 4; k++) {
        const next = (k + 1) % 4;
        if (value[k] > 0 === value[next] > 0) continue;
        const t = value[k] / (value[k] - value[next]);
        segments.push(node(corner[k][0] + t * (corner[next][0] - corner[k][0])),
                      node(corner[k][1] + t * (corner[next][1] - corner[k][1]))); // prettier-ignore
      }
    }
  }
  return segments;
}

/** The point of the segments nearest to (x, y): {x, y, distance}; the distance is Infinity where there is no boundary. */
export function nearest(segments, x, y) {
  const best = { x: NaN, y: NaN, distance: Infinity };
  let least = Infinity;
  for (let k = 0; k < segments.length; k += 4) {
    const [ax, ay, dx, dy] = [segments[k], segments[k + 1], segments[k + 2] - segments[k], segments[k + 3] - segments[k + 1]];
    const along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1);
    const t = Math.max(0, Math.min(1, along));
    const [px, py] = [ax + t * dx, ay + t * dy];
    const square = (px - x) ** 2 + (py - y) ** 2;
    if (square < least) {
      least = square;
      [best.x, best.y] = [px, py];
    }
  }
  best.distance = Math.sqrt(least);
  return best;
}

/** Distances of points [x, y, label] to the boundary, 0 where the network is wrong already. */
export function distances(net, segments, points) {
  return points.map(([x, y, label]) => (score(net, x, y) > 0 === (label === 1) ? nearest(segments, x, y).distance : 0));
}

/** The share of the points that are right and stay right however they move by at most `radius`. */
export const robustAccuracy = (distances, radius) => distances.filter((d) => d > radius).length / distances.length;

/**
 * The worst attack on (x, y): the nearest boundary point of the picture, from the segments and then polished by a golden-section
 * search over the direction, with bisection along each ray. Returns {x, y, distance}.
 */
export function attack(net, segments, x, y) {
  const start = nearest(segments, x, y);
  if (!Number.isFinite(start.distance)) return start;
  const cell = (2 * EDGE) / (NODES - 1);
  const side = score(net, x, y) > 0;
  const crossing = (angle) => {
    const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
    const across = (r) => score(net, x + r * dx, y + r * dy) > 0 !== side;
    const from = Math.max(0, start.distance - 2 * cell);
    let low = from;
    for (let high = from; high <= start.distance + 2 * cell; high += cell / 4) {
      if (across(high)) {
        for (let k = 0; k < 40; k++) {
          const middle = (low + high) / 2;
          if (across(middle)) high = middle;
          else low = middle;
        }
        return high;
      }
      low = high;
    }
    return Infinity;
  };
  const angle = Math.atan2(start.y - y, start.x - x);
  const spread = Math.min(Math.PI / 2, (2 * cell) / start.distance);
  const golden = (Math.sqrt(5) - 1) / 2;
  let [left, right] = [angle - spread, angle + spread];
  let [best, at] = [crossing(angle), angle];
  for (let k = 0; k < 30; k++) {
    const [a, b] = [right - golden * (right - left), left + golden * (right - left)];
    const [ra, rb] = [crossing(a), crossing(b)];
    if (ra < best) [best, at] = [ra, a];
    if (rb < best) [best, at] = [rb, b];
    if (ra < rb) right = b;
    else left = a;
  }
  // a tongue thinner than a cell may be lost on the ray: the segments' own point is then the answer
  return Number.isFinite(best) ? { x: x + best * Math.cos(at), y: y + best * Math.sin(at), distance: best } : start;
}

/**
 * All that the picture says of a point [x, y, label] (label −1: the network's own answer): its label, gap = −margin, the two bounds
 * (`curvature` null where there is no C) and the attack, at distance 0 where the network is wrong already.
 */
export function inspect(net, segments, { L, C }, [x, y, given]) {
  const label = given >= 0 ? given : Number(score(net, x, y) > 0);
  const { value, gradient } = derivatives(net, "margin", x, y, label);
  const gap = -value;
  const curvature = C === null ? null : curvatureBound(gap, Math.hypot(gradient[0], gradient[1]), C);
  const found = gap > 0 ? attack(net, segments, x, y) : { x, y, distance: 0 };
  return { x, y, label, gap, lipschitz: lipschitzBound(gap, L), curvature, attack: found };
}

/** ∇ₓ of the cross-entropy with the network's own answer as label, at n × n places: [x, y, ∂₁ℓ, ∂₂ℓ] each. */
export function gradientField(net, n) {
  const place = (i) => EDGE * ((2 * i + 1) / n - 1);
  return Array.from({ length: n * n }, (_, k) => {
    const [x, y] = [place(k % n), place(Math.floor(k / n))];
    return [x, y, ...derivatives(net, "cross-entropy", x, y, Number(score(net, x, y) > 0)).gradient];
  });
}

/** New weights from a seed: normal with variance 2/inputs (He et al. 2015) and biases uniform in ±1; the last layer uniform in ±1/√H. */
export function freshWeights(hidden, seed) {
  let state = seed >>> 0;
  const uniform = () => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const many = (n, draw) => Array.from({ length: n }, draw);
  const between = (a) => () => a * (2 * uniform() - 1);
  const last = between(1 / Math.sqrt(hidden));
  return [...many(2 * hidden, normal), ...many(hidden, between(1)),
          ...many(hidden * hidden, () => normal() * Math.sqrt(2 / hidden)), ...many(hidden, between(1)),
          ...many(2 * hidden + 2, last)]; // prettier-ignore
}
