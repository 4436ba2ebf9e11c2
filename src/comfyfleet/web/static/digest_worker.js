// Digests a file in a thread of its own, piece by piece. The only script of ours that may compile WebAssembly.
//
// Asked `{id, file, end}`, it answers `{id, done}` while it reads and `{id, sha256}` at the end, or `{id, problem}`.

importScripts("/static/vendor/sha256.umd.min.js");

const PIECE = 4 * 1024 * 1024;
const stopped = new Set();

onmessage = async ({ data }) => {
  if (data.stop) {
    stopped.add(data.id);
    return;
  }
  try {
    const sha256 = await digest(data);
    postMessage(sha256 === null ? { id: data.id, problem: "stopped" } : { id: data.id, sha256 });
  } catch (error) {
    postMessage({ id: data.id, problem: `The file cannot be read: ${error.message}` });
  }
  stopped.delete(data.id);
};

async function digest({ id, file, end }) {
  const hasher = await hashwasm.createSHA256();
  for (let offset = 0; offset < end; offset += PIECE) {
    if (stopped.has(id)) return null;
    const piece = await file.slice(offset, Math.min(offset + PIECE, end)).arrayBuffer();
    hasher.update(new Uint8Array(piece));
    postMessage({ id, done: Math.min(offset + PIECE, end) });
  }
  return hasher.digest("hex");
}
