// The page of one effect: upload, submit, follow the job, show the result. `?job=17` returns to a job after a reload.

import { Refused, call, upload } from "./api.js";

const form = document.getElementById("run");
const parts = Object.fromEntries(
  ["submit", "problem", "job", "state", "progress", "detail", "result", "download", "cancel", "balance"].map((id) => [id, document.getElementById(id)]),
);
let events = null;
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
  } catch (error) {
    if (!(error instanceof Refused) && !(error instanceof TypeError)) throw error;
    parts.problem.textContent = error instanceof Refused ? error.message : "The server cannot be reached. Try again.";
    parts.problem.hidden = false;
    parts.job.hidden = true;
  } finally {
    setBusy(false);
  }
});

form.addEventListener("input", () => { idempotencyKey = newKey(); });

parts.cancel.addEventListener("click", async () => {
  parts.cancel.disabled = true;
  await call("POST", `/api/jobs/${parts.cancel.dataset.job}/cancel`);
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
    case "number": case "seed": return input.value === "" ? undefined : Number(input.value);
    case "text": return input.value === "" && !input.defaultValue ? undefined : input.value;
    default: return input.value;
  }
}

async function readFile(input) {
  const file = input.files[0];
  if (!file) return undefined;
  if (input.dataset.uploaded === identity(file)) return input.dataset.uploadId;
  const isGif = input.dataset.type === "video" && file.type === "image/gif";
  if (file.type && !isGif && file.type.split("/")[0] !== input.dataset.type) {
    throw new Refused(`${file.name} is ${file.type}. Choose a file of type ${input.dataset.type}.`);
  }
  show(`Uploading ${file.name}`, 0);
  input.dataset.uploadId = await upload(file, (fraction) => show(`Uploading ${file.name}: ${Math.round(fraction * 100)} %`, fraction));
  input.dataset.uploaded = identity(file);
  return input.dataset.uploadId;
}

function identity(file) {
  return `${file.name}/${file.size}/${file.lastModified}`;
}

function show(state, fraction, detail = "") {
  if (parts.job.hidden) {
    parts.job.hidden = false;
    parts.job.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }
  parts.state.textContent = state;
  parts.detail.textContent = detail;
  if (fraction === null) parts.progress.removeAttribute("value");
  else parts.progress.value = fraction;
}

function follow(id) {
  events?.close();
  parts.result.replaceChildren();
  parts.download.hidden = true;
  events = new EventSource(`/api/jobs/${id}/events`);
  events.addEventListener("job", (event) => showJob(JSON.parse(event.data)));
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) show("This run cannot be followed.", 0, "It may be gone, or you were signed out. Reload the page.");
  };
}

function showJob(job) {
  parts.cancel.dataset.job = job.id;
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
  const state = job.cancel_requested ? "Stopping" : `Processing: ${Math.round(job.progress * 100)} %`;
  show(state, job.progress, job.progress_node ? `Running ${job.progress_node}` : "");
}

function showCompleted(job) {
  show("Completed", 1, `Run ${job.id}, ${job.credits_cost} credits spent.`);
  parts.result.replaceChildren(player(job));
  parts.download.href = job.output_url;
  parts.download.hidden = false;
}

function showFailed(job) {
  show("Failed", job.progress, `${job.error?.message ?? ""}\nYour ${job.credits_cost} credits were given back.`);
}

function showCanceled(job) {
  show("Canceled", 0, `Your ${job.credits_cost} credits were given back.`);
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
  if (parts.balance) parts.balance.textContent = (await call("GET", "/api/me")).balance.available;
}
