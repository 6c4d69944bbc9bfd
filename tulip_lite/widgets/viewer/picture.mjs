// Parts of the attack viewer: the probabilities as bars, and how it writes numbers.
import { element, format } from "../kit.mjs";

export const SYMBOLS = { l2: "ℓ₂", linf: "ℓ∞" };
export const percent = (share) => `${Math.round(100 * share)} %`;
/** A radius or distance in words, in 1/255 for ℓ∞. */
export const length = (radius, norm) => (norm === "linf" ? `${format(255 * radius, 3)}/255` : format(radius, 3));

/** The probabilities of all classes as bars: { node, draw(before, now, label) }. */
export function bars(classes) {
  const rows = classes.map(() => ({ name: element("span"), now: element("i"), before: element("i"), number: element("span") }));
  const place = element("div", { className: "bars" }, ...rows.flatMap(({ name, now, before, number }) => [name, element("div", {}, now, before), number]));
  place.setAttribute("role", "img");
  const key = ["at this radius", "original"].map((words) => element("p", { className: "key" }, element("i"), ` ${words}`));
  const draw = (before, now, label) => {
    rows.forEach(({ name, ...row }, k) => {
      const share = now.probabilities[k];
      name.textContent = `${classes[k]}${k === label ? " ✓" : ""}`;
      row.now.style.width = `${100 * share}%`;
      row.before.style.width = `${100 * before.probabilities[k]}%`;
      row.number.textContent = share < 0.005 ? "" : percent(share);
      [name, row.now, row.number].forEach((node) => node.classList.toggle("true", k === label));
    });
    const order = classes.map((_, k) => k).sort((a, b) => now.probabilities[b] - now.probabilities[a]).slice(0, 3);
    place.setAttribute("aria-label", `Probabilities at this radius: ${order.map((k) => `${classes[k]} ${percent(now.probabilities[k])}`).join(", ")}; `
      + `the true class, ${classes[label]}, has ${percent(now.probabilities[label])} and had ${percent(before.probabilities[label])} at the original`);
  };
  return { node: element("div", {}, place, ...key), draw };
}
