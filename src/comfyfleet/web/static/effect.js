// The page of one effect: upload, submit, follow the job, show the result. `?job=17` returns to a job after a reload.

import { Refused, call, upload } from "./api.js";

const form = document.getElementById("run");
const parts = Object.fromEntries(
  ["submit", "problem", "job", "state", "percent", "progress", "detail", "result", "download", "cancel", "balance"].map((id) => [id, document.getElementById(id)]),
);
let events = null;
let followed = null;
let idempotencyKey = newKey();

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  setBusy(true);
  try {
    const values = await readValues();
    const job = await call("POST", "/api/jobs", { effect: form.dataset.effect, values }, { "Idempotency-Key": idempotencyKey });
    idempotencyKey = newKey();
    history.replaceState(null, "", `?job=${job.id}`);
    follow(job.id);
    refreshBalance();
  } catch (error) {
    complain(error);
    returnToEarlier();
  } finally {
    setBusy(false);
  }
});

form.addEventListener("input", () => { idempotencyKey = newKey(); });

parts.cancel.addEventListener("click", async () => {
  parts.cancel.disabled = true;
  try {
    await call("POST", `/api/jobs/${followed}/cancel`);
  } catch (error) {
    parts.cancel.disabled = false;
    complain(error);
  }
});

const earlier = new URLSearchParams(location.search).get("job");
if (/^\d+$/.test(earlier ?? "")) follow(earlier);

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function setBusy(isBusy) {
  parts.submit.disabled = isBusy;
  if (isBusy) parts.problem.hidden = true;
}

function complain(error) {
  if (!(error instanceof Refused) && !(error instanceof TypeError)) throw error;
  parts.problem.textContent = error instanceof Refused ? error.message : "The server cannot be reached. Try again.";
  parts.problem.hidden = false;
}

function returnToEarlier() {
  if (followed === null) parts.job.hidden = true;
  else if (events === null) follow(followed);
}

async function readValues() {
  const values = {};
  for (const input of form.querySelectorAll("[data-type]")) {
    const value = await readValue(input);
    if (value !== undefined) values[input.name] = value;
  }
  return values;
}

async function readValue(input) {
  switch (input.dataset.type) {
    case "image": case "video": case "audio": return readFile(input);
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

async function readFile(input) {
  const file = input.files[0];
  if (!file) return undefined;
  if (input.dataset.uploaded === identity(file)) return input.dataset.uploadId;
  if (file.size === 0) throw new Refused(`${file.name} is empty. Choose another file.`);
  const isGif = input.dataset.type === "video" && file.type === "image/gif";
  if (file.type && !isGif && file.type.split("/")[0] !== input.dataset.type) {
    const wanted = { image: "an image", video: "a video", audio: "an audio file" }[input.dataset.type];
    throw new Refused(`${file.name} is not ${wanted}, but ${file.type}. Choose ${wanted}.`);
  }
  clearRun();
  show(`Uploading ${file.name}`, 0);
  input.dataset.uploadId = await upload(file, (fraction) => show(`Uploading ${file.name}`, fraction));
  input.dataset.uploaded = identity(file);
  return input.dataset.uploadId;
}

function identity(file) {
  return `${file.name}/${file.size}/${file.lastModified}`;
}

// The percentage is apart from the state, so that a screen reader tells changes of the state only.
function show(state, fraction, detail = "") {
  if (parts.job.hidden) {
    parts.job.hidden = false;
    parts.job.scrollIntoView({ block: "nearest" });
  }
  if (parts.state.textContent !== state) parts.state.textContent = state;
  parts.detail.textContent = detail;
  parts.percent.textContent = fraction === null ? "" : `${Math.round(fraction * 100)} %`;
  parts.progress.hidden = false;
  if (fraction === null) parts.progress.removeAttribute("value");
  else parts.progress.value = fraction;
}

function showEnd(state, detail) {
  show(state, null, detail);
  parts.progress.hidden = true;
}

function clearRun() {
  events?.close();
  events = null;
  parts.result.replaceChildren();
  parts.download.hidden = true;
  parts.cancel.hidden = true;
}

function follow(id) {
  clearRun();
  followed = id;
  const source = new EventSource(`/api/jobs/${id}/events`);
  source.addEventListener("job", (event) => showJob(JSON.parse(event.data)));
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) showEnd("This run cannot be shown.", "It may be gone, or you were signed out. Reload the page.");
  };
  events = source;
}

function showJob(job) {
  parts.cancel.hidden = !["queued", "processing"].includes(job.status);
  parts.cancel.disabled = job.cancel_requested;
  const describe = { queued: showQueued, processing: showProcessing, completed: showCompleted, failed: showFailed, canceled: showCanceled };
  describe[job.status](job);
  if (parts.cancel.hidden) {
    events.close();
    refreshBalance();
  }
}

function showQueued(job) {
  const detail = job.attempt > 0 ? `Attempt ${job.attempt} did not end well; waiting for the next of ${job.max_attempts}.` : "";
  show(`Queued, place ${job.queue_position}`, null, detail);
}

function showProcessing(job) {
  show(job.cancel_requested ? "Stopping" : "Processing", job.progress);
}

function showCompleted(job) {
  showEnd("Completed", `Run ${job.id}, ${credits(job)} spent.`);
  const element = player(job);
  for (const ready of ["load", "loadeddata"]) element.addEventListener(ready, bringIntoView, { once: true });
  parts.result.replaceChildren(element);
  parts.download.href = job.output_url;
  parts.download.download = "";
  parts.download.hidden = false;
}

// The result makes the page longer: show all of it to who is looking at the run, and leave others where they are.
function bringIntoView() {
  const { top } = parts.job.getBoundingClientRect();
  if (top >= 0 && top < innerHeight) parts.download.scrollIntoView({ block: "nearest" });
}

function showFailed(job) {
  showEnd("Failed", `${job.error?.message ?? ""}\n${givenBack(job)}`.trim());
}

function showCanceled(job) {
  showEnd("Canceled", givenBack(job));
}

function givenBack(job) {
  return job.credits_cost > 0 ? `${credits(job)} given back.` : "";
}

function credits(job) {
  return `${job.credits_cost} ${job.credits_cost === 1 ? "credit" : "credits"}`;
}

function player(job) {
  const type = job.output_mime_type.split("/")[0];
  const element = document.createElement({ video: "video", image: "img", audio: "audio" }[type] ?? "p");
  if (type === "video" || type === "audio") element.controls = true;
  if (type === "video") Object.assign(element, { loop: true, muted: true, autoplay: true, playsInline: true });
  if (type === "image") element.alt = "The result";
  if (element.tagName !== "P") element.src = job.output_url;
  return element;
}

async function refreshBalance() {
  try {
    const { balance } = await call("GET", "/api/me");
    if (parts.balance) parts.balance.textContent = balance.available;
  } catch (error) {
    complain(error);
  }
}
