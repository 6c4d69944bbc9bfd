// The attack viewer: see state.py. The mathematics is in maths.mjs.
import * as maths from "./maths.mjs";
import { SYMBOLS, bars, length, percent } from "./picture.mjs";
import { attend } from "./live.mjs";
import { Chart } from "../chart.mjs";
import { inflated, summed } from "../packing.mjs";
import { paint, picture } from "../pixels.mjs";
import { bind, button, choice, controls, element, frame, prepare, readout, setter, slider } from "../kit.mjs";

const STYLES = [["green", ""], ["pink", "8 4"], ["blue", "2 3"], ["orange", "9 3 2 3"], ["grey", "4 2"]]; // of the attacks' curves
const CHOICES = ["network", "attack", "norm"];
const SHOWN = ["image", "network", "norm", "attack", "radius"];

export default {
  async render({ model, el }) {
    prepare(model, el);
    const get = (name) => model.get(name);
    const set = setter(model);
    const root = element("div", { className: "viewer" });
    const group = `tulip-image-${Math.random().toString(36).slice(2)}`; // radio buttons of one viewer
    el.append(root);

    // --- what is stored ---
    const [classes, labels, shape, grids] = ["classes", "labels", "shape", "grids"].map(get);
    const [count, pixels] = [labels.length, shape.reduce((a, b) => a * b)];
    const images = summed(await inflated(get("images")), shape[2]);
    const image = (i) => images.subarray(i * pixels, (i + 1) * pixels);
    let entries, answers, levels;
    async function load() {
      const texts = ["answers", "levels"].map(get);
      const stored = get("entries").map((e) => ({ ...e, distances: e.distances.map((d) => d ?? Infinity) }));
      [answers, levels] = await Promise.all(texts.map(inflated));
      entries = stored;
    }
    await load();
    const attacks = maths.offered(entries, "attack", {});
    const styles = Object.fromEntries(attacks.map((name, k) => [name, STYLES[k % STYLES.length]]));

    let shown = null; // { network, norm, attack, image, distance, … } of the last drawing
    let radii = [0, 1]; // the slider's stops
    let curve = null; // the attack's: { xs, ys }
    let version = 0; // of what is stored

    // --- controls ---
    const thumbs = labels.map((label, i) => {
      const input = element("input", { type: "radio", name: group, value: i, oninput: () => set("image")(i) });
      const canvas = element("canvas", { width: shape[2], height: shape[1] });
      paint(canvas, image(i));
      canvas.setAttribute("aria-hidden", "true");
      return { input, node: element("label", { title: classes[label] }, input, canvas) };
    });
    const strip = element("div", { className: "images" }, ...thumbs.map((thumb) => thumb.node));
    strip.setAttribute("role", "radiogroup");
    strip.setAttribute("aria-label", "Image");
    const names = { network: "Network", attack: "Attack", norm: "Norm" };
    const lists = Object.fromEntries(CHOICES.map((name) =>
      [name, choice({ label: names[name], options: [], value: "", onInput: (value) => choose(name, value) })]));
    const at = slider({
      label: "Radius", min: 0, max: 1, step: 1, value: 0,
      format: (k) => length(radii[k], shown?.norm), onInput: (k) => set("radius")(radii[k]),
    });
    const range = at.node.querySelector("input");
    const marks = Object.fromEntries(attacks.map((name) => [name, element("i", { title: name, style: `color: var(--${styles[name][0]})` })]));
    const track = element("span", { className: "track" });
    range.replaceWith(track);
    track.append(range, ...Object.values(marks));
    const jump = button({ label: "To the distance found", onClick: () => set("radius")(shown.distance) });
    root.append(strip, controls(...Object.values(lists)), controls(at, jump));

    // --- pictures and chart ---
    const [original, attacked, change] = [0, 1, 2].map(() => picture(shape));
    const probabilities = bars(classes);
    const words = readout();
    root.append(element("div", { className: "pictures" }, original.node, attacked.node, change.node, probabilities.node), words.node);
    const chart = new Chart(root, {
      x: { label: "", range: [0, 1] },
      y: { label: "", range: [0, 104] },
      height: 260,
      label: "Share of the images that each attack fools, against the distance it needs; a rule at the present radius",
    });
    const curves = Object.fromEntries(attacks.map((name) => {
      const [color, dash] = styles[name];
      return [name, { line: chart.line(name, { color, dash }), dot: chart.dots(`${name} here`, { color, radius: 5 }) }];
    }));
    const rule = chart.rule("radius", { color: "ink", width: 1.5 });
    const share = chart.label("share", { dx: 8, dy: 14 });
    chart.onDrag((x) => set("radius")(radii[maths.nearest(radii, x / shown.scale)]));
    root.append(element("p", { className: "small", textContent:
      "The attacked image is the original plus the perturbation this attack found, scaled to the radius and clamped to [0, 1]. "
      + "What the network says was computed with that perturbation; to be drawn here it is rounded to a few levels a colour." }));

    // --- what is shown ---

    function choose(name, value) {
      const next = maths.settled(entries, { ...shown, [name]: value });
      CHOICES.forEach((each) => model.set(each, next[each]));
      // radii of another norm mean something else: go to where this attack ended, or stay at the far end
      if (next.norm !== shown.norm) {
        const distance = entries[maths.entryOf(entries, next)].distances[shown.image];
        model.set("radius", distance < Infinity ? distance : grids[next.norm].at(-1));
      }
      model.save_changes();
    }

    /** Lists, marks and curves: what changes with image, network, attack or norm. */
    function drawAround(e) {
      const { network, norm, attack, scale, distance } = shown;
      const given = { network: {}, norm: { network }, attack: { network, norm } };
      for (const [name, list] of Object.entries(lists)) {
        const offered = maths.offered(entries, name, given[name]);
        const select = list.node.querySelector("select");
        if (select.textContent !== offered.map(label(name)).join("")) {
          select.replaceChildren(...offered.map((value) => element("option", { value, textContent: label(name)(value) })));
        }
        list.value = shown[name];
      }
      jump.node.disabled = !(distance > 0 && distance < Infinity);
      const here = maths.offered(entries, "attack", given.attack);
      const end = Math.max(grids[norm].at(-1), distance < Infinity ? distance : 0);
      const found = Object.fromEntries(here.map((name) => [name, entries[maths.entryOf(entries, { network, norm, attack: name })]]));
      for (const name of attacks) {
        const there = name in found;
        const d = there ? found[name].distances[shown.image] : Infinity;
        const marked = d > 0 && d < Infinity;
        marks[name].hidden = !marked;
        marks[name].className = name === attack ? "chosen" : "";
        // the ends of a slider's way are half its thumb, 8 pixels, inside its ends
        if (marked) marks[name].style.left = `calc(8px + (100% - 16px) * ${maths.placeOf(radii, d) / (radii.length - 1)})`;
        const { line, dot } = curves[name];
        [line, dot].forEach((each) => each.show(there));
        if (!there) continue;
        const { xs, ys } = found[name].errors ? { xs: grids[norm], ys: found[name].errors } : maths.errorCurve(found[name].distances, end);
        if (name === attack) curve = { xs, ys };
        line.set(xs.map((x) => scale * x), ys.map((y) => 100 * y));
        line.node.setAttribute("stroke-width", name === attack ? 3 : 1.5);
        dot.set(marked ? [scale * d] : [], marked ? [100 * maths.heightAt(xs, ys, d)] : []);
      }
      const many = entries[e].count ?? count;
      chart.x.label = `${SYMBOLS[norm]} distance${norm === "linf" ? ", in 1/255" : ""}`;
      chart.y.label = `fooled, % of ${many} images`;
      chart.range({ x: [0, scale * end] });
      chart.legend(here.map((name) => {
        const d = found[name].distances[shown.image];
        const where = d === 0 ? "no need" : d < Infinity ? length(d, norm) : "failed";
        return { name: `${name}: this image ${where}`, color: styles[name][0], dash: styles[name][1] };
      }));
    }
    const label = (name) => (value) => (name === "norm" ? SYMBOLS[value] : value);

    function sentence({ network, norm, attack, distance, radius, before, now, label: truth, distances }) {
      const says = (answer) => `“${classes[answer.predicted]}” (${percent(answer.probabilities[answer.predicted])})`;
      const fooled = distances.filter((d) => d <= radius).length;
      const all = `${fooled} of the ${count} images above are fooled within this radius.`;
      if (distance === 0) return `The ${network} network is wrong about the original: ${says(before)}. There is nothing to attack. ${all}`;
      if (distance === Infinity) return `${attack} found no image near this one that fools the ${network} network: nothing is added to it. ${all}`;
      const found = `The perturbation that ${attack} found has ${SYMBOLS[norm]} size ${length(distance, norm)}.`;
      const verdict = now.predicted === truth ? "not fooled" : "fooled";
      return `${found} At radius ${length(radius, norm)} the ${network} network says ${says(now)}: ${verdict}. ${all}`;
    }

    let drawn = ""; // what drawAround was last called for
    function redraw() {
      const chosen = maths.settled(entries, Object.fromEntries(CHOICES.map((name) => [name, get(name)])));
      const { norm } = chosen;
      const i = Math.min(get("image"), count - 1);
      const e = maths.entryOf(entries, chosen);
      const { distances } = entries[e];
      const stops = maths.stops(grids[norm], distances[i]);
      radii = stops.radii;
      const k = maths.nearest(radii, get("radius"));
      const radius = radii[k];
      const rows = maths.answers(answers, { entries, grids, images: count, classes: classes.length }, e, i);
      const [before, now] = [rows[0], rows[stops.rows[k]]];
      shown = { ...chosen, image: i, label: labels[i], distances, distance: distances[i], radius, before, now, scale: norm === "linf" ? 255 : 1 };
      range.max = radii.length - 1;
      at.value = k;
      const around = JSON.stringify([e, i, version]);
      if (around !== drawn) drawAround(e);
      drawn = around;
      thumbs.forEach(({ input, node }, j) => {
        input.checked = j === i;
        const wrong = distances[j] <= radius;
        node.className = wrong ? "wrong" : "right";
        input.setAttribute("aria-label", `image ${j + 1}, ${classes[labels[j]]}, ${wrong ? "fooled" : "not fooled"} within this radius`);
      });
      drawPictures(e, i);
      rule.set(shown.scale * radius);
      const height = maths.heightAt(curve.xs, curve.ys, radius);
      share.set(shown.scale * radius, 100 * height, `${percent(height)} fooled`);
      chart.draw();
      words.set(sentence(shown));
    }

    function drawPictures(e, i) {
      const { norm, radius, before, now, label: truth } = shown;
      const start = (e * count + i) * pixels;
      const along = maths.direction(levels.subarray(start, start + pixels), norm);
      const moves = maths.size(along, "linf") > 0;
      const says = (answer) => `${classes[answer.predicted]} ${percent(answer.probabilities[answer.predicted])}`;
      const verdict = (answer) => (answer.predicted === truth ? "right" : "wrong");
      const size = `${SYMBOLS[norm]} ${length(radius, norm)}`;
      original.draw(image(i), `The original, a photograph of class ${classes[truth]}; the network says ${says(before)}`);
      original.words[0].textContent = `Original: ${classes[truth]}`;
      original.words[1].textContent = `${says(before)}: ${verdict(before)}`;
      original.node.className = verdict(before);
      attacked.draw(maths.moved(image(i), along, radius), `The image at ${size}; the network says ${says(now)}: ${now.predicted === truth ? "not fooled" : "fooled"}`);
      attacked.words[0].textContent = moves ? `Attacked, ${size}` : "No attack";
      attacked.words[1].textContent = `${says(now)}: ${moves && now.predicted !== truth ? "fooled" : verdict(now)}`;
      attacked.node.className = verdict(now);
      const factor = maths.magnification(along, radius);
      change.draw(maths.aroundGrey(along, radius, factor), moves && radius > 0 ? `The perturbation, magnified ${factor} times, around grey` : "No perturbation: grey");
      change.words[0].textContent = "Perturbation";
      change.words[1].textContent = moves && radius > 0 ? `× ${factor}` : "none";
      probabilities.draw(before, now, truth);
    }

    // --- a kernel ---
    const soon = frame(redraw);
    const undo = [
      bind(model, SHOWN, soon),
      bind(model, ["entries", "answers", "levels"], frame(async () => { await load(); version++; redraw(); })),
    ];
    redraw();
    undo.push(attend(model, root, () => shown));
    return () => {
      undo.forEach((f) => f());
      chart.remove();
    };
  },
};
