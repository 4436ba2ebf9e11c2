// Digests files in a thread of its own, piece by piece. The only script of ours that may compile WebAssembly.
//
// Asked `{id, file, end}`, it answers `{id, done}` while it reads and at the end `{id, sha256}`, `{id, problem, words}`
// with the name of what went wrong, or, after `{id, stop: true}`, `{id, stopped: true}`.

importScripts("/static/vendor/sha256.umd.min.js");

const PIECE = 4 * 1024 * 1024;
const wanted = new Set();

onmessage = async ({ data }) => {
  if (data.stop) {
    wanted.delete(data.id);
    return;
  }
  wanted.add(data.id);
  try {
    postMessage({ id: data.id, ...(await digest(data)) });
  } catch (error) {
    postMessage({ id: data.id, problem: error.name, words: error.message });
  }
  wanted.delete(data.id);
};

async function digest({ id, file, end }) {
  const hasher = await hashwasm.createSHA256();
  for (let offset = 0; offset < end; offset += PIECE) {
    if (!wanted.has(id)) return { stopped: true };
    const piece = await file.slice(offset, Math.min(offset + PIECE, end)).arrayBuffer();
    hasher.update(new Uint8Array(piece));
    postMessage({ id, done: Math.min(offset + PIECE, end) });
  }
  return { sha256: hasher.digest("hex") };
}
