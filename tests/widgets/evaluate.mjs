// Answers calls of the explorables' modules, one a line: {"module", "function", "args"} in, {"result"} or {"error"} out. A module
// is a path below tulip_lite/widgets without its ending.
// JSON has no NaN and no infinities: they travel as strings.
import { createInterface } from "node:readline";

const odd = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity };
const revive = (_, value) => (typeof value === "string" && value in odd ? odd[value] : value);
const replace = (_, value) => {
  if (ArrayBuffer.isView(value)) return [...value].map((v) => replace("", v));
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
};

for await (const line of createInterface({ input: process.stdin })) {
  const { module, function: name, args } = JSON.parse(line, revive);
  try {
    const found = (await import(`../../tulip_lite/widgets/${module}.mjs`))[name];
    const result = typeof found === "function" ? await found(...args) : found;
    console.log(JSON.stringify({ result: result ?? null }, replace));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error.stack ?? error) }));
  }
}
