// Bytes that Python packed into a text (packing.py), read back.

/** The bytes of a base64 text. */
export const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

/** The bytes of a base64 text of deflated bytes, as a promise. */
export async function inflated(base64) {
  const stream = new Blob([bytes(base64)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Bytes that were stored as changes, modulo 256, from the one before, in runs of `length` that each begin anew at 0. */
export function summed(stored, length) {
  const out = new Uint8Array(stored.length);
  for (let i = 0; i < stored.length; i++) out[i] = stored[i] + (i % length ? out[i - 1] : 0);
  return out;
}
