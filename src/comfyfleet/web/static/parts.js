// Sends a file in parts straight to storage, several at a time, through lost connections and restarts of the server.

import { Refused } from "./api.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
const SIGNED_AHEAD = 16;

/** The sending was stopped by the person. */
export class Stopped extends Error {}

/**
 * Send what the store lacks of a file.
 * @param {object} job
 * @param {File} job.file
 * @param {{part_size: number, part_count: number, received: number[]}} job.upload what the server told
 * @param {(numbers: number[]) => Promise<{number: number, size: number, url: string, headers: object}[]>} job.sign
 * @param {(sent: number) => void} job.onBytes how many bytes of the file storage has or is being given
 * @param {(words: string) => void} job.onTrouble called with words while it waits, with "" when it goes on
 * @param {AbortSignal} job.signal
 * @param {number} [job.parallel]
 */
export async function sendParts({ file, upload, sign, onBytes, onTrouble, signal, parallel = 4 }) {
  const received = new Set(upload.received);
  const waiting = Array.from({ length: upload.part_count }, (_, index) => index + 1).filter((number) => !received.has(number));
  const sizeOf = (number) => Math.min(upload.part_size, file.size - (number - 1) * upload.part_size);
  const underway = new Map([...received].map((number) => [number, sizeOf(number)]));
  const tell = () => onBytes([...underway.values()].reduce((sum, bytes) => sum + bytes, 0));
  const signed = new Map();
  let signing = Promise.resolve();

  const urlOf = (number) => {
    signing = signing.then(async () => {
      if (signed.has(number)) return;
      const ahead = [number, ...waiting.slice(0, SIGNED_AHEAD - 1)].filter((one) => !signed.has(one));
      for (const part of await sign(ahead)) signed.set(part.number, part);
    });
    return signing.then(() => {
      const part = signed.get(number);
      signed.delete(number);
      return part;
    }, (error) => {
      signing = Promise.resolve();
      throw error;
    });
  };

  const sendOne = async (number) => {
    const from = (number - 1) * upload.part_size;
    const part = await urlOf(number);
    await put(part, file.slice(from, from + sizeOf(number)), signal, (bytes) => { underway.set(number, bytes); tell(); });
    underway.set(number, sizeOf(number));
    tell();
  };

  const lane = async () => {
    while (waiting.length > 0 && !signal.aborted) {
      const number = waiting.shift();
      await patiently(() => sendOne(number), { signal, onTrouble, onRetry: () => { underway.delete(number); tell(); } });
    }
  };
  tell();
  await Promise.all(Array.from({ length: parallel }, lane));
  if (signal.aborted) throw new Stopped("Stopped.");
}

/** Try until it works; what the server refuses for good is thrown. */
export async function patiently(act, { signal, onTrouble = () => {}, onRetry = () => {} } = {}) {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    if (signal?.aborted) throw new Stopped("Stopped.");
    try {
      const result = await act();
      onTrouble("");
      return result;
    } catch (error) {
      if (error instanceof Stopped || (error instanceof Refused && !error.isPassing)) throw error;
      onRetry();
      onTrouble(wordsOf(error));
      await rest(pause, signal);
    }
  }
}

function wordsOf(error) {
  if (!navigator.onLine) return "You are offline; it goes on when you are back.";
  return error instanceof TypeError ? "The server cannot be reached; trying again." : `${error.message} Trying again.`;
}

function rest(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(end, milliseconds);
    function end() {
      clearTimeout(timer);
      removeEventListener("online", end);
      signal?.removeEventListener("abort", end);
      resolve();
    }
    addEventListener("online", end);
    signal?.addEventListener("abort", end);
  });
}

// A request of the old kind, for only that one tells how much was sent. A signature that has run out is asked for anew.
function put(part, blob, signal, onBytes) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    signal.addEventListener("abort", stop);
    request.open("PUT", part.url);
    for (const [name, value] of Object.entries(part.headers)) {
      if (name.toLowerCase() !== "content-length") request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => onBytes(event.loaded);
    request.onload = () => (request.status < 300 ? resolve() : reject(new Error(`Storage answered ${request.status}.`)));
    request.onerror = () => reject(new Error("The connection was lost."));
    request.onabort = () => reject(new Stopped("Stopped."));
    request.onloadend = () => signal.removeEventListener("abort", stop);
    request.send(blob);
  });
}
