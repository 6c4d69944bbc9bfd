// What the attack viewer can do with a kernel only: run the shown attack anew.
import { bind, button, element, format, frame } from "../kit.mjs";
import { SYMBOLS, length } from "./picture.mjs";

/** A button and the attack's options, which appear in `root` when Python answers. Returns what undoes them. */
export function attend(model, root, shown) {
  // a page without a kernel has no `send`; a stored widget without one throws, or never hears back
  const send = async (message) => model.send(message);
  const status = element("span");
  status.setAttribute("role", "status");
  let options = {}; // attack: its options with their defaults
  let inputs = {};
  let busy = false;
  const run = button({
    label: "Run this attack",
    onClick: () => {
      const { network, norm, attack, image } = shown();
      const values = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, Math.round(Number(input.value))]));
      run.node.disabled = busy = true;
      status.textContent = "Waiting for the kernel …";
      send({ kind: "run", key: [network, norm, attack], image, options: values }).catch((error) => {
        run.node.disabled = busy = false;
        status.textContent = `The kernel does not answer: ${error.message ?? error}`;
      });
    },
  });
  const fields = element("span", { className: "controls" });
  const place = element("div", { className: "live controls" }, run.node, fields, status);

  function offer() {
    const mine = options[shown().attack];
    run.node.disabled = busy || !mine;
    inputs = Object.fromEntries(Object.entries(mine ?? {}).map(([name, value]) => [name, element("input", { type: "number", min: 0, step: 1, value })]));
    fields.replaceChildren(...Object.entries(inputs).map(([name, input]) => element("label", {}, element("span", { textContent: name }), input)));
  }
  const heard = (message) => {
    if (message.kind === "attacks") {
      options = message.options;
      if (Object.keys(options).length) root.append(place);
      offer();
    } else if (message.kind === "running") status.textContent = "Running …";
    else {
      busy = false;
      run.node.disabled = !(shown().attack in options);
      const { kind, text, norm, distance, seconds } = message;
      const found = distance === null ? "Found nothing" : `Found ${SYMBOLS[norm]} ${length(distance, norm)}`;
      status.textContent = kind === "error" ? text : `${found} in ${format(seconds, 2)} s.`;
    }
  };
  model.on("msg:custom", heard);
  const undo = bind(model, ["attack"], frame(offer)); // once it is drawn
  send({ kind: "hello" }).catch(() => {});
  return () => { model.off("msg:custom", heard); undo(); };
}
