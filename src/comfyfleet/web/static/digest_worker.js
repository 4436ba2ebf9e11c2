// Digests files in a thread of its own, piece by piece. The only script of ours that may compile WebAssembly.
//
// Asked `{id, file, end}`, it answers `{id, done}` while it reads and at the end `{id, sha256}`, `{id, problem, words}`
// with the name of what went wrong, or, after `{id, stop: true}`, `{id, stopped: true}`.

importScripts("/static/vendor/sha256.umd.min.js");

const PIECE = 1024 * 1024;
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
  const { read, cancel } = reading(file.slice(0, end).stream());
  let done = 0;
  for (let piece; (piece = await read()) !== undefined;) {
    if (!wanted.has(id)) {
      await cancel();
      return { stopped: true };
    }
    hasher.update(piece);
    done += piece.length;
    postMessage({ id, done });
  }
  await file.slice(0, 1).arrayBuffer(); // fails if the file has changed, which a stream that was open does not notice
  return { sha256: hasher.digest("hex") };
}

// Reads into one buffer that goes round: new ones for each piece make garbage faster than it is collected, some hundred
// MiB of it. A browser that cannot do so for files takes a new one each time.
function reading(stream) {
  let buffer = new ArrayBuffer(PIECE);
  try {
    const reader = stream.getReader({ mode: "byob" });
    const read = async () => {
      const { done, value } = await reader.read(new Uint8Array(buffer));
      buffer = value?.buffer;
      return done ? undefined : value;
    };
    return { read, cancel: () => reader.cancel() };
  } catch {
    const reader = stream.getReader();
    return { read: async () => (await reader.read()).value, cancel: () => reader.cancel() };
  }
}
