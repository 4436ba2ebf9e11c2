// The page of one effect: upload, submit, follow the job, show the result. `?job=17` returns to a job after a reload.

import { Refused, call } from "./api.js";
import { fileField } from "./file_field.js";
import { addressOf, uploadFile } from "./user_upload.js";
import { balance, follow, player, readValues } from "./values.js";
import { spanText } from "./wording.js";

const form = document.getElementById("run");
const part = (id) => document.getElementById(id);
const fields = new Map([...form.querySelectorAll("[data-field]")].map((box) => [box.dataset.field, fileField(box, complain)]));
const uploads = new Map();
let stopFollowing = () => {};
let followed = null;
let idempotencyKey = newKey();

form.addEventListener("submit", submit);
form.addEventListener("input", () => { idempotencyKey = newKey(); });
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])][0];
  const field = file && [...fields.values()].find((one) => one.takes(file.type));
  field?.take(file);
});
part("cancel").addEventListener("click", cancel);
part("again").addEventListener("click", () => { part("job").hidden = true; history.replaceState(null, "", location.pathname); form.querySelector("input, textarea, select")?.focus(); });
const earlier = new URLSearchParams(location.search).get("job");
if (/^\d+$/.test(earlier ?? "")) watch(earlier);

async function submit(event) {
  event.preventDefault();
  setBusy(true);
  try {
    const values = await readValues(form, readFile);
    const job = await call("POST", "/api/jobs", { effect: form.dataset.effect, values }, { "Idempotency-Key": idempotencyKey });
    idempotencyKey = newKey();
    history.replaceState(null, "", `?job=${job.id}`);
    watch(job.id);
    refreshBalance();
  } catch (error) {
    complain(error);
    if (followed === null) part("job").hidden = true;
    else watch(followed);
  }
  setBusy(false);
}

async function readFile(input) {
  const file = await fields.get(input.name).file((done) => show("Cutting the video", done));
  if (!file) return undefined;
  if (uploads.get(input.name)?.file === file) return uploads.get(input.name).id;
  clearRun();
  let fraction = 0;
  const told = {
    onBytes: (sent) => { fraction = sent / file.size; show(`Uploading ${file.name}`, fraction); },
    onTrouble: (words) => show(`Uploading ${file.name}`, fraction, words),
  };
  const id = await uploadFile(file, told, new AbortController().signal);
  uploads.set(input.name, { file, id });
  return id;
}

async function cancel() {
  part("cancel").disabled = true;
  try {
    await call("POST", `/api/jobs/${followed}/cancel`);
  } catch (error) {
    part("cancel").disabled = false;
    complain(error);
  }
}

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function setBusy(isBusy) {
  part("submit").disabled = isBusy;
  if (isBusy) part("problem").hidden = true;
}

function complain(error) {
  part("problem").textContent = error instanceof TypeError ? "The server cannot be reached. Try again." : error.message;
  part("problem").hidden = false;
}

// The percentage is apart from the state, so that a screen reader tells changes of the state only.
function show(state, fraction, detail = "") {
  if (part("job").hidden) {
    part("job").hidden = false;
    part("job").scrollIntoView({ block: "nearest" });
  }
  if (part("state").textContent !== state) part("state").textContent = state;
  part("detail").textContent = detail;
  part("percent").textContent = fraction === null ? "" : `${Math.round(fraction * 100)} %`;
  part("progress").hidden = false;
  if (fraction === null) part("progress").removeAttribute("value");
  else part("progress").value = fraction;
}

function showEnd(state, detail) {
  show(state, null, detail);
  part("progress").hidden = true;
  part("again").hidden = false;
}

function clearRun() {
  stopFollowing();
  for (const id of ["input", "result"]) part(id).replaceChildren();
  for (const id of ["input-side", "result-side", "download", "cancel", "again"]) part(id).hidden = true;
}

function watch(id) {
  clearRun();
  followed = id;
  stopFollowing = follow(id, showJob, () => showEnd("This run cannot be shown.", "It may be gone, or you were signed out. Reload the page."));
}

function showJob(job) {
  part("cancel").hidden = !["queued", "processing"].includes(job.status);
  part("cancel").disabled = job.cancel_requested;
  const describe = { queued: showQueued, processing: showProcessing, completed: showCompleted, failed: showFailed, canceled: showCanceled };
  describe[job.status](job);
  if (part("cancel").hidden) refreshBalance();
}

function left(job) {
  return job.estimated_seconds ? `About ${spanText(job.estimated_seconds)} left.` : "";
}

function showQueued(job) {
  const again = job.attempt > 0 ? `Attempt ${job.attempt} did not end well; waiting for the next of ${job.max_attempts}. ` : "";
  show(`Queued, place ${job.queue_position}`, null, again + left(job));
}

function showProcessing(job) {
  const node = job.progress_node ? `${job.progress_node}. ` : "";
  show(job.cancel_requested ? "Stopping" : "Processing", job.progress, node + left(job));
}

function showCompleted(job) {
  showEnd("Completed", `Run ${job.id}, ${credits(job)} spent.`);
  part("result").replaceChildren(player(job));
  part("result-side").hidden = false;
  part("download").href = job.output_url;
  part("download").download = "";
  part("download").hidden = false;
  showInput(job);
}

async function showInput(job) {
  const input = form.querySelector("[data-type=video], [data-type=image]");
  const id = input && job.values[input.name];
  const url = id ? await addressOf(id).catch(() => null) : null;
  if (!url) return;
  part("input").replaceChildren(player({ output_mime_type: `${input.dataset.type}/*`, output_url: url }));
  const picture = part("input").querySelector("img");
  if (picture) picture.alt = "What you handed in";
  part("input-side").hidden = false;
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

async function refreshBalance() {
  const available = await balance().catch(() => null);
  if (available === null) return;
  for (const place of document.querySelectorAll("#balance, [data-balance]")) place.textContent = available;
}
