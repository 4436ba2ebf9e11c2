// One file on its way into the library.

import { call } from "./api.js";
import { sha256 } from "./digests.js";
import { patiently, sendParts } from "./parts.js";

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
  const again = (act) => patiently(act, { signal, onTrouble: told.onTrouble });
  told.onState("reading");
  const announced = {
    filename: words.filename,
    size: file.size,
    head_sha256: await sha256(file, Math.min(HEAD, file.size), undefined, signal),
    kind: words.kind,
    notes: words.notes,
  };
  let digest = null;
  let upload = await again(() => call("POST", "/api/assets/uploads", announced));
  if (upload.may_be_known) {
    told.onState("looking whether the library has it");
    digest = sha256(file, file.size, told.onDigest, signal);
    const known = { ...announced, sha256: await digest };
    upload = await again(() => call("POST", "/api/assets/uploads", known));
  }
  if (upload.state === "receiving") {
    told.onState("sending");
    digest ??= sha256(file, file.size, told.onDigest, signal);
    digest.catch(() => {}); // it is awaited below; until then a stop is no complaint
    const path = `/api/assets/uploads/${upload.upload_id}`;
    const sign = (numbers) => call("POST", `${path}/parts`, { numbers });
    await sendParts({ file, upload, sign, onBytes: told.onBytes, onTrouble: told.onTrouble, signal });
    told.onState("digesting");
    const finished = { sha256: await digest };
    upload = await again(() => call("POST", `${path}/complete`, finished));
  }
  return arrived(upload, told, again, signal);
}

async function arrived(upload, told, again, signal) {
  while (upload.state === "verifying" || upload.state === "receiving") {
    told.onState("verifying");
    await new Promise((resolve) => setTimeout(resolve, POLL));
    const path = `/api/assets/uploads/${upload.upload_id}`;
    upload = await again(() => call("GET", path));
  }
  if (!upload.asset) throw new Error(upload.problem ?? "The file did not become an asset.");
  signal.throwIfAborted();
  return { asset: upload.asset, was_known: upload.was_known };
}

/** Drop what the server has of an unfinished upload of this file. */
export async function drop(file, words) {
  const head = await sha256(file, Math.min(HEAD, file.size));
  const upload = await call("POST", "/api/assets/uploads", { filename: words.filename, size: file.size, head_sha256: head });
  if (upload.state === "receiving") await call("DELETE", `/api/assets/uploads/${upload.upload_id}`);
}
