// Digests of files by the worker, which all files of a page share.

let worker = null;
let last = 0;
const asked = new Map();

/**
 * The SHA-256 of a file's first `end` bytes, as 64 hex digits.
 * @param {File} file
 * @param {number} end
 * @param {(done: number) => void} onProgress
 * @param {AbortSignal} [signal]
 * @returns {Promise<string>}
 */
export function sha256(file, end, onProgress = () => {}, signal) {
  worker ??= start();
  const id = ++last;
  return new Promise((resolve, reject) => {
    asked.set(id, { resolve, reject, onProgress });
    signal?.addEventListener("abort", () => worker.postMessage({ id, stop: true }));
    worker.postMessage({ id, file, end });
  });
}

function start() {
  const started = new Worker("/static/digest_worker.js");
  started.onmessage = ({ data }) => {
    const call = asked.get(data.id);
    if (data.done !== undefined) call.onProgress(data.done);
    else {
      asked.delete(data.id);
      if (data.sha256) call.resolve(data.sha256);
      else call.reject(new Error(data.problem));
    }
  };
  started.onerror = () => {
    for (const call of asked.values()) call.reject(new Error("The digest cannot be computed in this browser."));
    asked.clear();
  };
  return started;
}
