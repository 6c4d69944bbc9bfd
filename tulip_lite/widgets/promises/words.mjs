// What promised and broken bounds say in words. Distances: ℓ2 pixel units, 0 where the network is wrong already and ∞ without an attack.
import { format } from "../kit.mjs";

/** How far away the nearest known adversarial image is. */
export const far = (distance) =>
  (distance === 0 ? "misclassified as it is" : distance === Infinity ? "no adversarial image known" : `attack distance ${format(distance)}`);

const listed = (items) => (items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`);

/**
 * The readout of one image: the place-th of `count`, of class `truth`, which `attack` moves to class `answer` (null if not stored) at
 * `distance`. refuted: the bounds refuted there, in words; kinds: those shown, [{ name, proof, refuted, computed }], of all images.
 */
export function sentences({ place, count, truth, distance, answer, refuted, attack, kinds }) {
  const says = answer ? `read as ${answer}` : "misread";
  const what = distance === 0 ? `is ${says} as it is`
    : distance === Infinity ? "has no adversarial image that is known"
      : `has an adversarial image at ${format(distance)} (${attack}), ${says}`;
  const here = refuted.length ? `Refuted there: ${listed(refuted)}.` : kinds.length ? "No bound shown is refuted there." : "";
  const failing = kinds.filter((kind) => !kind.proof && kind.refuted);
  const estimates = kinds.some((kind) => !kind.proof);
  const all = failing.length ? `In all: ${failing.map((kind) => `${kind.name}: refuted on ${kind.refuted} of ${kind.computed}`).join("; ")}.`
    : estimates ? `Nor is an estimate shown refuted on any other of the ${count} images.` : "";
  return `Image ${place} of ${count}, ${truth}, ${what}. ${here} ${all}`.replace(/ +/g, " ").trim();
}
