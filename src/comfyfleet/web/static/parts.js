// Sends a file in parts straight to storage, several at a time, through lost connections and restarts of the server.

import { Refused } from "./api.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
const SIGNED_AHEAD = 16;
const AT_ONCE = 4; // of all files together: a browser opens six connections to a host, and the page needs some, too
const PASSING = new Set([403, 408, 425, 429, 500, 502, 503, 504]); // 403: the signature may have expired

/** The sending was stopped by the person. */
export class Stopped extends Error {}

/** The file itself cannot be read, or not as it was when it was chosen. */
export class Unreadable extends Error {
  /** @param {DOMException} reason */
  constructor(reason) {
    super("The file was changed or removed while it was read. Choose it again.");
    this.isChanged = reason.name !== "NotFoundError";
  }
}

/**
 * Send what the store lacks of a file.
 * @param {object} job
 * @param {File} job.file
 * @param {{part_size: number, part_count: number, received: number[]}} job.upload what the server told
 * @param {(numbers: number[]) => Promise<{number: number, size: number, url: string, headers: object}[]>} job.sign
 * @param {(sent: number) => void} job.onBytes how many bytes of the file storage has or is being given
 * @param {(words: string) => void} job.onTrouble called with words while it waits, with "" when it goes on
 * @param {AbortSignal} job.signal
 */
export async function sendParts({ file, upload, sign, onBytes, onTrouble, signal }) {
  const received = new Set(upload.received);
  const waiting = Array.from({ length: upload.part_count }, (_, index) => index + 1).filter((number) => !received.has(number));
  const sizeOf = (number) => Math.min(upload.part_size, file.size - (number - 1) * upload.part_size);
  const underway = new Map([...received].map((number) => [number, sizeOf(number)]));
  const tell = () => onBytes([...underway.values()].reduce((sum, bytes) => sum + bytes, 0));
  const urlOf = signer(sign, waiting);
  const troubles = new Map();
  const over = new AbortController(); // when one part fails for good, the others are not sent on behind its back
  const ended = AbortSignal.any([signal, over.signal]);

  const sendOne = async (number) => {
    const from = (number - 1) * upload.part_size;
    const part = await urlOf(number);
    await inTurn(() => put(part, file.slice(from, from + sizeOf(number)), ended, (bytes) => { underway.set(number, bytes); tell(); }));
    underway.set(number, sizeOf(number));
    tell();
  };

  const lane = async (_, id) => {
    const trouble = (words) => {
      words ? troubles.set(id, words) : troubles.delete(id);
      onTrouble(troubles.values().next().value ?? "");
    };
    while (waiting.length > 0 && !ended.aborted) {
      const number = waiting.shift();
      await patiently(() => sendOne(number), { signal: ended, onTrouble: trouble, onRetry: () => { underway.delete(number); tell(); } });
    }
  };
  tell();
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  } finally {
    over.abort();
  }
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
      if (error instanceof Stopped || error instanceof Unreadable || (error instanceof Refused && !error.isPassing)) throw error;
      onRetry();
      onTrouble(wordsOf(error));
      await rest(pause, signal);
    }
  }
}

function wordsOf(error) {
  if (!navigator.onLine) return "You are offline; it goes on when you are back.";
  return error instanceof TypeError ? "The connection was lost; trying again." : `${error.message} Trying again.`;
}

// Asks for the URLs of some parts at once, and for each once more after it was used.
function signer(sign, waiting) {
  const signed = new Map();
  let signing = Promise.resolve();
  const ask = async (number) => {
    if (signed.has(number)) return;
    const ahead = [number, ...waiting.slice(0, SIGNED_AHEAD - 1)].filter((one) => !signed.has(one));
    for (const part of await sign(ahead)) signed.set(part.number, part);
  };
  return async (number) => {
    const asked = signing.then(() => ask(number));
    signing = asked.catch(() => {}); // who asked hears of it; the next one asks again
    await asked;
    const part = signed.get(number);
    signed.delete(number);
    return part;
  };
}

let free = AT_ONCE;
const queue = [];

async function inTurn(act) {
  if (free > 0) free -= 1;
  else await new Promise((resolve) => queue.push(resolve));
  try {
    return await act();
  } finally {
    if (queue.length > 0) queue.shift()();
    else free += 1;
  }
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

async function put(part, blob, signal, onBytes) {
  if (signal.aborted) throw new Stopped("Stopped.");
  try {
    await request(part, blob, signal, onBytes);
  } catch (error) {
    if (error instanceof TypeError) await blob.slice(0, 1).arrayBuffer().catch((reason) => { throw new Unreadable(reason); });
    throw error;
  }
}

// A request of the old kind, for only that one tells how much was sent. What it fails with is named as fetch would name it.
function request(part, blob, signal, onBytes) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    const stop = () => sending.abort();
    signal.addEventListener("abort", stop);
    sending.open("PUT", part.url);
    for (const [name, value] of Object.entries(part.headers)) {
      if (name.toLowerCase() !== "content-length") sending.setRequestHeader(name, value);
    }
    sending.upload.onprogress = (event) => onBytes(event.loaded);
    sending.onload = () => (sending.status < 300 ? resolve() : reject(refusal(sending.status)));
    sending.onerror = () => reject(new TypeError("The connection was lost."));
    sending.onabort = () => reject(new Stopped("Stopped."));
    sending.onloadend = () => signal.removeEventListener("abort", stop);
    sending.send(blob);
  });
}

function refusal(status) {
  const words = `Storage answered ${status}.`;
  return PASSING.has(status) ? new Error(words) : new Refused(words, status);
}
