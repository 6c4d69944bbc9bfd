// A small network 2 → H → H → 2 in plain arrays of doubles: its values, its derivatives in the input (exact, by jets) and in
// the weights (backpropagation), and the training of the paper. Points are in the units of the plane, losses in nats.

const CLASSES = 2;

/** The clamped variable t of the smooth ReLU (Finlay & Oberman 2019, Remark 2.2). */
const clamped = (x) => Math.min(Math.max(x + 0.5, 0), 1);

/** σ, σ′ and σ″ of each activation; the smooth ReLU is t³(1 − t/2) + max(x − ½, 0). */
export const ACTIVATIONS = {
  relu: {
    smooth: false,
    value: (x) => (x > 0 ? x : 0),
    slope: (x) => (x > 0 ? 1 : 0),
    curvature: () => 0,
  },
  "smooth-relu": {
    smooth: true,
    value: (x) => {
      const t = clamped(x);
      return t * t * t * (1 - t / 2) + (x > 0.5 ? x - 0.5 : 0);
    },
    slope: (x) => {
      const t = clamped(x);
      return t * t * (3 - 2 * t);
    },
    curvature: (x) => {
      const t = clamped(x);
      return 6 * t * (1 - t);
    },
  },
};

/** A network from weights as torch stores them, in one flat list: W₁ (H×2), b₁, W₂ (H×H), b₂, W₃ (2×H), b₃. */
export function network(weights, activation) {
  if (!(activation in ACTIVATIONS)) throw new Error(`unknown activation ${activation}`);
  const hidden = width(weights.length);
  const flat = Float64Array.from(weights);
  const offsets = { W1: 0, b1: 2 * hidden, W2: 3 * hidden, b2: 3 * hidden + hidden * hidden };
  offsets.W3 = offsets.b2 + hidden;
  offsets.b3 = offsets.W3 + CLASSES * hidden;
  const jets = [6 * hidden, 6 * hidden, 6].map((n) => new Float64Array(n));
  return { hidden, flat, offsets, activation, tapes: [tape(hidden), tape(hidden)], jets, velocity: new Float64Array(flat.length) };
}

/** H, given the number of weights H² + 6H + 2. */
function width(count) {
  const hidden = Math.round(Math.sqrt(count + 7) - 3);
  if (hidden * hidden + 6 * hidden + 2 !== count) throw new Error(`${count} weights fit no network 2 → H → H → 2`);
  return hidden;
}

/** What one forward pass leaves behind for the backward pass: x, pre-activations a and activations z of both layers, logits. */
function tape(hidden) {
  const room = () => new Float64Array(hidden);
  return { x: new Float64Array(2), a1: room(), z1: room(), a2: room(), z2: room(), logits: new Float64Array(CLASSES),
           to2: room(), to1: room(), gradient: new Float64Array(2) }; // prettier-ignore
}

/** Logits of the two classes at the point (x, y); what the backward pass needs goes on the tape. */
export function forward(net, x, y, tape = net.tapes[0]) {
  const { hidden, flat, offsets: at } = net;
  const sigma = ACTIVATIONS[net.activation].value;
  const { a1, z1, a2, z2, logits } = tape;
  tape.x[0] = x;
  tape.x[1] = y;
  for (let i = 0; i < hidden; i++) {
    a1[i] = flat[at.W1 + 2 * i] * x + flat[at.W1 + 2 * i + 1] * y + flat[at.b1 + i];
    z1[i] = sigma(a1[i]);
  }
  for (let i = 0; i < hidden; i++) {
    let sum = flat[at.b2 + i];
    for (let j = 0, w = at.W2 + i * hidden; j < hidden; j++) sum += flat[w + j] * z1[j];
    a2[i] = sum;
    z2[i] = sigma(sum);
  }
  for (let k = 0; k < CLASSES; k++) {
    let sum = flat[at.b3 + k];
    for (let j = 0, w = at.W3 + k * hidden; j < hidden; j++) sum += flat[w + j] * z2[j];
    logits[k] = sum;
  }
  return logits;
}

/** How far ahead class 1 is, s = logit 1 − logit 0: the decision boundary is s = 0. */
export function score(net, x, y) {
  const logits = forward(net, x, y);
  return logits[1] - logits[0];
}

/**
 * Backpropagation of the cross-entropy with label `label` from a tape, times `factor`: returns the gradient in the input (2), and
 * adds the gradient in the weights to `sum` where one is given.
 */
export function backward(net, tape, label, factor = 1, sum = null) {
  const { hidden, flat, offsets: at } = net;
  const { slope } = ACTIVATIONS[net.activation];
  const { z1, z2, a1, a2, to1, to2, gradient } = tape;
  // with two classes, ∂ℓ/∂logit is ∓ the probability of the wrong one
  const wrong = factor * sigmoid(tape.logits[1 - label] - tape.logits[label]);
  const to3 = label === 1 ? [wrong, -wrong] : [-wrong, wrong];
  for (let j = 0; j < hidden; j++) {
    to2[j] = (to3[0] * flat[at.W3 + j] + to3[1] * flat[at.W3 + hidden + j]) * slope(a2[j]);
  }
  to1.fill(0);
  for (let i = 0; i < hidden; i++) {
    for (let j = 0, w = at.W2 + i * hidden; j < hidden; j++) to1[j] += to2[i] * flat[w + j];
  }
  gradient.fill(0);
  for (let j = 0; j < hidden; j++) {
    to1[j] *= slope(a1[j]);
    gradient[0] += to1[j] * flat[at.W1 + 2 * j];
    gradient[1] += to1[j] * flat[at.W1 + 2 * j + 1];
  }
  if (sum) {
    for (let i = 0; i < hidden; i++) {
      sum[at.W1 + 2 * i] += to1[i] * tape.x[0];
      sum[at.W1 + 2 * i + 1] += to1[i] * tape.x[1];
      sum[at.b1 + i] += to1[i];
      for (let j = 0, w = at.W2 + i * hidden; j < hidden; j++) sum[w + j] += to2[i] * z1[j];
      sum[at.b2 + i] += to2[i];
      for (let k = 0; k < CLASSES; k++) sum[at.W3 + k * hidden + i] += to3[k] * z2[i];
    }
    for (let k = 0; k < CLASSES; k++) sum[at.b3 + k] += to3[k];
  }
  return gradient;
}

export const sigmoid = (s) => (s >= 0 ? 1 / (1 + Math.exp(-s)) : Math.exp(s) / (1 + Math.exp(s)));

/** Cross-entropy in nats as a function of s = logit of the other class − logit of the label. */
export const softplus = (s) => Math.max(s, 0) + Math.log1p(Math.exp(-Math.abs(s)));

/**
 * The book's objective on `points` [[x, y, label], …], eq. (8) by finite difference (Algorithm 1):
 * mean ℓ(x) + λ/2 · mean q², q = (ℓ(x + hd) − ℓ(x))/h, d = ∇ₓℓ/‖∇ₓℓ‖₂ detached. λ = 0 is the plain cross-entropy.
 * Returns {loss: mean ℓ, penalty: mean q² (0 for λ = 0), slope: mean ‖∇ₓℓ‖₂, gradient: in the flat weights}.
 */
export function objective(net, points, lam, h = 0.01) {
  const [here, ahead] = net.tapes;
  const gradient = new Float64Array(net.flat.length);
  const share = 1 / points.length;
  let loss = 0;
  let penalty = 0;
  let slope = 0;
  for (const [x, y, label] of points) {
    const at = (tape) => softplus(tape.logits[1 - label] - tape.logits[label]);
    forward(net, x, y, here);
    const [gx, gy] = backward(net, here, label);
    const length = Math.hypot(gx, gy);
    loss += share * at(here);
    slope += share * length;
    let pull = 0;
    // a zero gradient has no direction: its difference is zero (Algorithm 1)
    if (lam > 0 && length > 0) {
      forward(net, x + (h * gx) / length, y + (h * gy) / length, ahead);
      const q = (at(ahead) - at(here)) / h;
      penalty += share * q * q;
      // d(λ/2 · q²) = λ q/h · (dℓ(x + hd) − dℓ(x))
      pull = (lam * q) / h;
      backward(net, ahead, label, share * pull, gradient);
    }
    backward(net, here, label, share * (1 - pull), gradient);
  }
  return { loss, penalty, slope, gradient };
}

/**
 * One step of gradient descent with momentum, as torch's clip_grad_norm_ and SGD take it: the gradient is first shortened to the
 * length `clip`. Changes and returns the network.
 */
export function descend(net, gradient, { rate, momentum, clip }) {
  let squares = 0;
  for (const g of gradient) squares += g * g;
  const shrink = Math.min(1, clip / (Math.sqrt(squares) + 1e-6));
  for (let i = 0; i < net.flat.length; i++) {
    net.velocity[i] = momentum * net.velocity[i] + shrink * gradient[i];
    net.flat[i] -= rate * net.velocity[i];
  }
  return net;
}

/**
 * The jet [s, ∂₁, ∂₂, ∂₁₁, ∂₁₂, ∂₂₂] at (x, y) of s = logit of the other class − logit of `label`, exact, carried forward through
 * the layers: σ(a) has the derivatives σ′·a_k and σ″·a_k a_l + σ′·a_kl.
 */
export function jet(net, x, y, label) {
  const { hidden, flat, offsets: at } = net;
  const activation = ACTIVATIONS[net.activation];
  const [below, above, s] = net.jets;
  for (let i = 0; i < hidden; i++) {
    const [u, v] = [flat[at.W1 + 2 * i], flat[at.W1 + 2 * i + 1]];
    below.fill(0, 6 * i, 6 * i + 6);
    below[6 * i] = u * x + v * y + flat[at.b1 + i];
    below[6 * i + 1] = u;
    below[6 * i + 2] = v;
    bend(activation, below, 6 * i);
  }
  above.fill(0);
  for (let i = 0; i < hidden; i++) {
    above[6 * i] = flat[at.b2 + i];
    for (let j = 0; j < hidden; j++) addMultiple(above, 6 * i, flat[at.W2 + i * hidden + j], below, 6 * j);
    bend(activation, above, 6 * i);
  }
  const sign = label === 0 ? 1 : -1;
  s.fill(0);
  s[0] = sign * (flat[at.b3 + 1] - flat[at.b3]);
  for (let j = 0; j < hidden; j++) {
    addMultiple(s, 0, sign * (flat[at.W3 + hidden + j] - flat[at.W3 + j]), above, 6 * j);
  }
  return s;
}

/** into[i …] += factor · jets[j …], one jet of six numbers. */
function addMultiple(into, i, factor, jets, j) {
  for (let k = 0; k < 6; k++) into[i + k] += factor * jets[j + k];
}

/** Replaces the jet of a at position i by the jet of σ(a). */
function bend({ value, slope, curvature }, jets, i) {
  const [a, a1, a2] = [jets[i], jets[i + 1], jets[i + 2]];
  const [first, second] = [slope(a), curvature(a)];
  jets[i] = value(a);
  jets[i + 1] = first * a1;
  jets[i + 2] = first * a2;
  jets[i + 3] = second * a1 * a1 + first * jets[i + 3];
  jets[i + 4] = second * a1 * a2 + first * jets[i + 4];
  jets[i + 5] = second * a2 * a2 + first * jets[i + 5];
}
