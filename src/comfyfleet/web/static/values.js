// From the fields of a form to the values of a job; files are uploaded.

import { Refused, call } from "./api.js";

const FILES = ["image", "video", "audio"];

/**
 * The values of the fields in a form that have a `data-type`.
 * @param {HTMLElement} form
 * @param {(input: HTMLInputElement) => Promise<string | undefined>} readFile uploads a field's file, returns its id
 */
export async function readValues(form, readFile) {
  const values = {};
  for (const input of form.querySelectorAll("[data-type]")) {
    const value = FILES.includes(input.dataset.type) ? await readFile(input) : readValue(input);
    if (value !== undefined) values[input.name] = value;
  }
  return values;
}

function readValue(input) {
  switch (input.dataset.type) {
    case "boolean": return input.checked;
    case "number": return input.value === "" ? undefined : Number(input.value);
    case "seed": return readSeed(input);
    case "choice": return input.value === "" ? undefined : input.value;
    case "text": return input.value === "" && !input.defaultValue ? undefined : input.value;
    default: return input.value;
  }
}

// Numbers in a browser are exact up to 2^53 only; the server's own default may be larger, and needs no sending.
function readSeed(input) {
  if (input.value === "" || input.value === input.defaultValue) return undefined;
  if (!Number.isSafeInteger(Number(input.value))) throw new Refused(`Choose a seed from 0 to ${Number.MAX_SAFE_INTEGER}.`);
  return Number(input.value);
}

/** Throw unless a file can be what its field takes. @param {File} file @param {string} type */
export function checkFile(file, type) {
  if (file.size === 0) throw new Refused(`${file.name} is empty. Choose another file.`);
  const isGif = type === "video" && file.type === "image/gif";
  if (file.type && !isGif && file.type.split("/")[0] !== type) {
    const wanted = { image: "an image", video: "a video", audio: "an audio file" }[type];
    throw new Refused(`${file.name} is not ${wanted}, but ${file.type}. Choose ${wanted}.`);
  }
}

/** The element that plays or shows the result of a job. */
export function player(job) {
  const type = job.output_mime_type.split("/")[0];
  const element = document.createElement({ video: "video", image: "img", audio: "audio" }[type] ?? "p");
  if (type === "video" || type === "audio") element.controls = true;
  if (type === "video") Object.assign(element, { loop: true, muted: true, autoplay: true, playsInline: true });
  if (type === "image") Object.assign(element, { alt: "The result", className: "media" });
  if (element.tagName !== "P") element.src = job.output_url;
  return element;
}

/** Follow a job; `show` gets it at each change. Returns what ends the following. */
export function follow(id, show, lost) {
  const source = new EventSource(`/api/jobs/${id}/events`);
  source.addEventListener("job", (event) => {
    const job = JSON.parse(event.data);
    show(job);
    if (!["queued", "processing"].includes(job.status)) source.close();
  });
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) lost(); };
  return () => source.close();
}

/** Ask for the caller's balance. */
export const balance = async () => (await call("GET", "/api/me")).balance.available;
