// A user's file on its way to storage: in parts, and going on after a lost connection or a reload.

import { Refused, call } from "./api.js";
import { patiently, sendParts } from "./parts.js";

const KEPT = "comfyfleet-uploads";
const KEPT_AT_MOST = 20;

/**
 * Upload a file; returns the upload's id.
 * @param {File} file
 * @param {{onBytes: (sent: number) => void, onTrouble: (words: string) => void}} told
 * @param {AbortSignal} signal
 */
export async function uploadFile(file, told, signal) {
  const again = (act) => patiently(act, { signal, onTrouble: told.onTrouble });
  let upload = await resumed(file, again);
  if (upload === null) {
    const wanted = { filename: file.name, content_type: file.type || "application/octet-stream", size: file.size };
    upload = await again(() => call("POST", "/api/uploads/parted", wanted));
    remember(file, upload.upload_id);
  }
  const path = `/api/uploads/parted/${upload.upload_id}`;
  if (!upload.is_stored) {
    const sign = (numbers) => call("POST", `${path}/parts`, { numbers });
    await sendParts({ file, upload, sign, onBytes: told.onBytes, onTrouble: told.onTrouble, signal, parallel: 3 });
    await again(() => call("POST", `${path}/complete`));
  }
  return upload.upload_id;
}

/** Where an upload can be looked at again. */
export async function addressOf(uploadId) {
  return (await call("GET", `/api/uploads/${uploadId}`)).url;
}

async function resumed(file, again) {
  const id = kept()[identity(file)];
  if (!id) return null;
  try {
    return await again(() => call("GET", `/api/uploads/parted/${id}`));
  } catch (error) {
    if (error instanceof Refused) return null; // it is gone, or another person's: begin anew
    throw error;
  }
}

function identity(file) {
  return `${file.name}/${file.size}/${file.lastModified}`;
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? "{}");
  } catch {
    return {};
  }
}

function remember(file, id) {
  const entries = Object.entries({ ...kept(), [identity(file)]: id }).slice(-KEPT_AT_MOST);
  try {
    localStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(entries)));
  } catch {
    // a browser that keeps nothing begins anew after a reload
  }
}
