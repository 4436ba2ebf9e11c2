// Digests of files by the worker, which all files of a page share.

import { Stopped, Unreadable } from "./parts.js";

let worker = null;
let last = 0;
const asked = new Map();

/**
 * The SHA-256 of a file's first `end` bytes, as 64 hex digits. Fails as `Unreadable`, or as `Stopped` by the signal.
 * @param {File} file
 * @param {number} end
 * @param {(done: number) => void} onProgress
 * @param {AbortSignal} [signal]
 * @returns {Promise<string>}
 */
export function sha256(file, end, onProgress = () => {}, signal) {
  if (signal?.aborted) return Promise.reject(new Stopped("Stopped."));
  worker ??= start();
  const id = ++last;
  const stop = () => worker?.postMessage({ id, stop: true });
  signal?.addEventListener("abort", stop);
  return new Promise((resolve, reject) => {
    asked.set(id, { resolve, reject, onProgress });
    worker.postMessage({ id, file, end });
  }).finally(() => signal?.removeEventListener("abort", stop));
}

function start() {
  const started = new Worker("/static/digest_worker.js");
  started.onmessage = ({ data }) => {
    const call = asked.get(data.id);
    if (!call) return;
    if (data.done !== undefined) {
      call.onProgress(data.done);
      return;
    }
    asked.delete(data.id);
    if (data.sha256) call.resolve(data.sha256);
    else call.reject(data.stopped ? new Stopped("Stopped.") : failure(data));
  };
  started.onerror = () => { // its script did not come, or wants what this browser lacks; the next call tries again
    started.terminate();
    worker = null;
    for (const call of asked.values()) call.reject(new Error("The digest could not be computed here. Try again, or use the command line."));
    asked.clear();
  };
  return started;
}

function failure({ problem, words }) {
  return problem.startsWith("Not") ? new Unreadable({ name: problem }) : new Error(`The digest could not be computed: ${words}`);
}
