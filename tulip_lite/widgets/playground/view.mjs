// The view of the playground: see state.py. The mathematics is in maths.mjs.
import * as maths from "./maths.mjs";
import { planePicture } from "./plane.mjs";
import { Chart } from "../chart.mjs";
import { bind, button, choice, controls, element, format, frame, readout, slider } from "../kit.mjs";

const LAMBDAS = [0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3];
const SWEEP = [0, 0.01, 0.03, 0.1, 0.3, 1, 3];
const ZERO = 0.004; // where λ = 0 stands on the logarithmic axis
const CHUNK = { steps: 8, milliseconds: 2.5 }; // the most training in a frame
const SETTLED = 50; // steps after which a λ keeps its dot when the slider moves on
const ARROWS = 13;
const DATA = [["moons", "two moons, some labels wrong"], ["rings", "two rings, some labels wrong"], ["waves", "a wavy border"]];
const ACTIVATIONS = [["smooth-relu", "smooth ReLU"], ["relu", "ReLU"]];
const CLASSES = ["blue ●", "orange ◆"];

const options = (pairs) => pairs.map(([value, label]) => ({ value, label }));
const percent = (share) => `${Math.round(100 * share)} %`;

export default {
  render({ model, el }) {
    el.classList.add("tulip-explorable");
    const get = (name) => model.get(name);
    const set = (values) => { Object.entries(values).forEach(([name, value]) => model.set(name, value)); model.save_changes(); };
    const training = get("training");
    const points = (part) => get("points")[get("data")][part];

    // what is shown
    let net, steps, constants, segments, field, apart; // apart: the test points' distances to the boundary
    const map = new Float64Array(maths.NODES ** 2);
    const trail = new Map(); // λ: the distances apart that its network reached
    let passing = null; // the same, [λ, apart], of the present λ, kept only once it has settled
    // what is still to be done
    let running = false;
    let left; // steps, for the present network
    let queue = []; // values of λ, in a sweep
    let since = 0; // steps taken with the present λ
    let turn = 0;
    let onScreen = true;
    let ours = null; // the weights that this view saved itself

    // --- controls ---
    const stop = () => LAMBDAS.reduce((best, v, i) => (Math.abs(v - get("lam")) < Math.abs(LAMBDAS[best] - get("lam")) ? i : best), 0);
    const lam = slider({
      label: "λ", min: 0, max: LAMBDAS.length - 1, step: 1, value: stop(), format: (i) => format(LAMBDAS[i]),
      onInput: (i) => { queue = []; set({ lam: LAMBDAS[i] }); },
    });
    const epsilon = slider({ label: "radius ε", min: 0, max: 0.35, step: 0.01, value: get("epsilon"), onInput: (v) => set({ epsilon: v }) });
    const which = slider({
      label: "Point", min: 1, max: points("train").length, step: 1, value: 1, format: (i) => `${i}, ${CLASSES[points("train")[i - 1][2]]}`,
      onInput: (i) => set({ point: [...points("train")[i - 1]] }),
    });
    const run = button({ label: "Run", onClick: () => (running ? pause() : go()) });
    const step = button({ label: "Step", onClick: () => { queue = []; advance(1); pause(); } });
    const reset = button({ label: "Reset", onClick: restart });
    const fresh = button({ label: "New weights", onClick: () => set({ initial: maths.freshWeights(net.hidden, Math.floor(Math.random() * 2 ** 32)) }) });
    const sweep = button({ label: "Sweep λ", onClick: () => { trail.clear(); queue = [...SWEEP]; next(); } });
    const data = choice({
      label: "Data", options: options(DATA), value: get("data"),
      onInput: (v) => set({ data: v, point: [...get("points")[v].train[which.value - 1]] }),
    });
    const activation = choice({ label: "Activation", options: options(ACTIVATIONS), value: get("activation"), onInput: (v) => set({ activation: v }) });

    const places = element("div", { className: "charts" }, element("div"), element("div"));
    el.append(controls(data, activation), controls(run, step, reset, fresh, sweep), controls(lam, epsilon), places);
    const picture = planePicture(places.firstChild, {
      edge: maths.EDGE, nodes: maths.NODES, onMove: (x, y) => set({ point: [x, y, -1] }),
    });
    const curve = new Chart(places.lastChild, {
      x: { label: "λ (0 at the left end)", range: [ZERO, 4], log: true },
      y: { label: "test points, %", range: [0, 101] },
      label: "Share of the test points that are right, and right and robust at ε, against λ: a dot for each network trained",
    });
    const words = { point: readout(), test: readout(), training: readout() };
    places.firstChild.append(controls(which), words.point.node);
    places.lastChild.append(words.test.node, words.training.node);

    // --- the curve ---
    const series = [
      { radius: () => 0, line: curve.line("right", { color: "grey", dash: "6 4" }), dots: curve.dots("right-dots", { color: "grey", symbol: "square" }) },
      { radius: () => get("epsilon"), line: curve.line("robust", { color: "green" }), dots: curve.dots("robust-dots", { color: "green" }) },
    ];
    const now = curve.rule("now", { color: "ink", dash: "1 4", width: 1.5 });
    curve.legend([{ name: "right", color: "grey", symbol: "square" }, { name: "right, and robust at ε", color: "green", symbol: "circle" }]);
    const place = (l) => Math.max(l, ZERO * 1.15);

    function drawCurve() {
      const entries = [...new Map(passing ? [...trail, passing] : trail)].sort(([a], [b]) => a - b);
      for (const { radius, line, dots } of series) {
        const shares = [entries.map(([l]) => place(l)), entries.map(([, d]) => 100 * maths.robustAccuracy(d, radius()))];
        line.set(...shares);
        dots.set(...shares);
      }
      now.set(place(get("lam")));
      curve.draw();
      const [right, robust] = series.map(({ radius }) => percent(maths.robustAccuracy(apart, radius())));
      words.test.set(`Of ${apart.length} test points ${right} are right, and ${robust} stay right however they move by at most ε = ${format(get("epsilon"))}.`);
    }

    // --- the picture ---
    function drawPicture() {
      const point = get("point");
      const spot = maths.inspect(net, segments, constants, point);
      picture.draw({ map, segments, field, spot, radius: get("epsilon") });
      const who = `Selected: (${format(spot.x, 2)}, ${format(spot.y, 2)}), ${point[2] < 0 ? "taken as" : "labelled"} ${CLASSES[spot.label]}.`;
      const c = spot.curvature === null ? "no C-bound, because the gradient of a ReLU network jumps" : `C-bound ${format(spot.curvature, 2)}`;
      const { distance } = spot.attack;
      const found = distance < Infinity ? `nearest attack in the picture at ${format(distance, 2)}` : "no boundary in the picture";
      words.point.set(spot.gap > 0 ? `${who} Gap ${format(spot.gap, 2)}, L-bound ${format(spot.lipschitz, 2)}, ${c}; ${found}.`
        : `${who} The network is wrong here already: the distance is 0.`);
    }

    /** Measures the network and draws everything. */
    function refresh() {
      maths.scores(net, map);
      segments = maths.boundary(map);
      apart = maths.distances(net, segments, points("test"));
      field = maths.gradientField(net, ARROWS);
      // L and C are dear: while the network runs, every eighth frame has to do
      if (!running || turn++ % 8 === 0) constants = maths.constants(net, points("train"));
      passing = since > 0 ? [get("lam"), apart] : null;
      if (since >= SETTLED) trail.set(...passing);
      drawPicture();
      picture.paintMap();
      drawCurve();
      const { loss, slope } = maths.objective(net, points("train"), 0);
      const c = constants.C === null ? "" : `, C ≈ ${format(constants.C, 2)}`;
      words.training.set(`${steps} steps: loss ${format(loss, 2)} and mean ‖∇ℓ‖ ${format(slope, 2)} at the training points; L ≈ ${format(constants.L, 2)}${c}.`);
    }

    // --- training ---
    function advance(most) {
      const start = performance.now();
      let done = 0;
      do {
        maths.descend(net, maths.objective(net, points("train"), get("lam"), training.h).gradient, training);
        done++;
      } while (done < most && performance.now() - start < CHUNK.milliseconds);
      steps += done;
      since += done;
      left = Math.max(0, left - done);
    }
    const tick = frame(() => {
      if (!running || !onScreen || !el.isConnected) return;
      advance(Math.min(left, CHUNK.steps));
      if (left || queue.length) refresh();
      if (left) tick();
      else if (queue.length) next();
      else pause();
    });
    function go() {
      running = true;
      left ||= training.steps;
      run.label = "Pause";
      tick();
    }
    function pause() {
      running = false;
      run.label = "Run";
      refresh();
      save();
    }
    /** The next network of the sweep, from the same weights as the others. */
    function next() {
      set({ lam: queue.shift() });
      load(get("initial"), 0);
      go();
    }
    function restart() {
      queue = [];
      load(get("initial"), 0);
      refresh();
      if (!running) save();
    }
    function load(weights, count) {
      net = maths.network(weights, get("activation"));
      steps = since = count;
      left = training.steps;
    }
    function save() {
      ours = Array.from(net.flat);
      set({ weights: ours, steps });
    }

    // --- what comes from the model, the pointer and the page ---
    const soonPicture = frame(drawPicture);
    const soonCurve = frame(drawCurve);
    function showPoint() {
      const [x, y] = get("point");
      const found = points("train").findIndex((p) => p[0] === x && p[1] === y);
      which.value = found < 0 ? which.value : found + 1;
    }
    const undo = [
      bind(model, ["lam"], () => {
        lam.value = stop();
        // a λ that was only passed by leaves no dot, and the new one gets the full number of steps
        [passing, since, left] = [null, 0, training.steps];
        soonCurve();
      }),
      bind(model, ["epsilon"], () => { epsilon.value = get("epsilon"); soonCurve(); soonPicture(); }),
      bind(model, ["point"], () => { showPoint(); soonPicture(); }),
      bind(model, ["data"], () => { showPoint(); picture.show(points("train")); }),
      bind(model, ["activation", "data", "initial"], () => {
        [data.value, activation.value] = [get("data"), get("activation")];
        trail.clear();
        restart();
      }),
      bind(model, ["weights"], () => { if (get("weights") !== ours) { load(get("weights"), get("steps")); refresh(); } }),
    ];
    let pressed = null;
    picture.chart.onDrag((x, y, phase) => {
      if (phase === "start") {
        pressed = [x, y];
        const near = points("train").find((p) => Math.hypot(p[0] - x, p[1] - y) < 0.07);
        set({ point: near ? [...near] : [x, y, -1] });
      } else if (phase === "move" && (!pressed || Math.hypot(x - pressed[0], y - pressed[1]) > 0.04)) {
        // a click on a training point may tremble and still means that point
        pressed = null;
        set({ point: [x, y, -1] });
      }
    });
    const seen = new IntersectionObserver(([entry]) => { onScreen = entry.isIntersecting; tick(); });
    seen.observe(el);
    const themed = new MutationObserver(picture.paintMap);
    for (const node of [document.documentElement, document.body]) themed.observe(node, { attributeFilter: ["data-theme", "data-jp-theme-light"] });

    picture.show(points("train"));
    showPoint();
    load(get("weights"), get("steps"));
    refresh();
    return () => {
      running = false;
      undo.forEach((f) => f());
      [seen, themed].forEach((observer) => observer.disconnect());
      [picture.chart, curve].forEach((chart) => chart.remove());
    };
  },
};
