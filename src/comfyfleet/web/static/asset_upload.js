// One file on its way into the library.

import { call } from "./api.js";
import { sha256 } from "./digests.js";
import { Unreadable, patiently, sendParts } from "./parts.js";

const HEAD = 1024 * 1024;
const POLL = 500;

/**
 * Bring a file into the library. What the library may have is digested first, and not sent if it is known; anything else
 * is digested while it is sent. After an interruption the same call goes on with what the server lacks.
 * @param {File} file
 * @param {{kind: ?string, notes: string, filename: string}} words
 * @param {{onState: (state: string) => void, onBytes: (sent: number) => void, onDigest: (done: number) => void, onTrouble: (words: string) => void}} told
 * @param {AbortSignal} signal
 * @returns {Promise<{asset: object, was_known: boolean}>}
 */
export async function bringIn(file, words, told, signal) {
  const over = new AbortController(); // what fails for good ends the digest, too
  const ended = AbortSignal.any([signal, over.signal]);
  const again = (act) => patiently(act, { signal, onTrouble: told.onTrouble });
  try {
    told.onState("reading");
    const announced = { ...words, size: file.size, head_sha256: await headOf(file, signal) };
    let digest = null;
    let upload = await again(() => call("POST", "/api/assets/uploads", announced));
    if (upload.may_be_known) {
      told.onState("looking whether the library has it");
      digest = sha256(file, file.size, told.onDigest, ended);
      const known = { ...announced, sha256: await digest };
      upload = await again(() => call("POST", "/api/assets/uploads", known));
    }
    if (upload.state === "receiving") {
      digest ??= sha256(file, file.size, told.onDigest, ended);
      upload = await send(file, upload, digest, told, again, ended);
    }
    return await arrived(upload, told);
  } finally {
    over.abort();
  }
}

async function send(file, upload, digest, told, again, signal) {
  const path = `/api/assets/uploads/${upload.upload_id}`;
  const sign = (numbers) => call("POST", `${path}/parts`, { numbers });
  told.onState("sending");
  const sending = sendParts({ file, upload, sign, onBytes: told.onBytes, onTrouble: told.onTrouble, signal });
  try {
    const [sha256] = await Promise.all([digest, sending.then(() => told.onState("digesting"))]);
    return await again(() => call("POST", `${path}/complete`, { sha256 }));
  } catch (error) {
    // Parts of two states of a file never make one: nobody shall go on from here.
    if (error instanceof Unreadable && error.isChanged) await call("DELETE", path).catch(() => {});
    throw error;
  }
}

// What was sent is the server's: it goes on although the page may be left, and nothing is to be paused any more.
async function arrived(upload, told) {
  while (upload.state === "verifying") {
    told.onState("verifying");
    told.onBytes(upload.verified_bytes);
    await new Promise((resolve) => setTimeout(resolve, POLL));
    const path = `/api/assets/uploads/${upload.upload_id}`;
    upload = await patiently(() => call("GET", path), { onTrouble: told.onTrouble });
  }
  if (!upload.asset) throw new Error(upload.problem ?? "The file did not become an asset.");
  return { asset: upload.asset, was_known: upload.was_known };
}

/** Drop what the server has of an unfinished upload of this file. */
export async function drop(file, words) {
  const announced = { ...words, size: file.size, head_sha256: await headOf(file) };
  const upload = await call("POST", "/api/assets/uploads", announced);
  if (upload.state === "receiving") await call("DELETE", `/api/assets/uploads/${upload.upload_id}`);
}

function headOf(file, signal) {
  return sha256(file, Math.min(HEAD, file.size), undefined, signal);
}
