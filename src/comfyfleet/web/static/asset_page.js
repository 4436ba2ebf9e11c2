// The upload part of the assets page: files by drop, choice or folder, a row for each, two at a time.

import { bringIn, drop } from "./asset_upload.js";
import { Stopped } from "./parts.js";
import { forget, keep, remembered } from "./upload_memory.js";
import { sizeText, spanText } from "./wording.js";

const AT_A_TIME = 2;
const part = (id) => document.getElementById(id);
const waiting = [];
let running = 0;

part("choose-files").addEventListener("change", (event) => { addFiles([...event.target.files]); event.target.value = ""; });
part("choose-folder").addEventListener("change", (event) => { addFiles([...event.target.files]); event.target.value = ""; });
const zone = part("drop-zone");
for (const name of ["dragover", "dragenter"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("is-over"); });
for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("is-over"));
zone.addEventListener("drop", dropped);
addEventListener("beforeunload", (event) => { if (running > 0) event.preventDefault(); });
offerRemembered();

async function dropped(event) {
  event.preventDefault();
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  const found = await Promise.all(items.map(async (item) => {
    const file = item.getAsFile();
    const entry = item.webkitGetAsEntry?.();
    const handle = entry?.isFile ? await item.getAsFileSystemHandle?.().catch(() => null) : null;
    return entry?.isDirectory ? filesBelow(entry) : [{ file, handle }];
  }));
  for (const { file, handle } of found.flat()) add(file, handle);
}

async function filesBelow(folder) {
  const reader = folder.createReader();
  const found = [];
  for (let batch; (batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length > 0;) {
    for (const entry of batch) {
      if (entry.isDirectory) found.push(...(await filesBelow(entry)));
      else found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), handle: null });
    }
  }
  return found;
}

function addFiles(files) {
  for (const file of files) add(file, null);
}

function add(file, handle) {
  const row = makeRow(file);
  if (file.size === 0) {
    row.fail("This file is empty.");
    return;
  }
  const words = { filename: file.webkitRelativePath || file.name, kind: part("upload-kind").value || null, notes: part("upload-notes").value };
  if (handle) keep(handle, words);
  const start = () => { row.begin(); run(file, words, row, handle); };
  row.onAgain = () => { waiting.push(start); next(); };
  row.onDrop = () => drop(file, words).then(() => row.end("dropped"), (error) => row.fail(error.message)).finally(() => handle && forget(handle));
  waiting.push(start);
  next();
}

function next() {
  while (running < AT_A_TIME && waiting.length > 0) {
    running += 1;
    waiting.shift()();
  }
}

async function run(file, words, row, handle) {
  try {
    const { asset, was_known } = await bringIn(file, words, row, row.signal);
    row.finish(asset, was_known);
    if (handle) forget(handle);
    document.body.dispatchEvent(new Event("assets-changed"));
  } catch (error) {
    if (error instanceof Stopped || row.signal.aborted) row.pause();
    else row.fail(error.message);
  }
  running -= 1;
  next();
}

function makeRow(file) {
  const box = part("upload-row").content.firstElementChild.cloneNode(true);
  const of = (name) => box.querySelector(`[data-part=${name}]`);
  let controller = new AbortController();
  let began = performance.now();
  let first = null;
  of("name").textContent = file.webkitRelativePath || file.name;
  of("size").textContent = sizeText(file.size);
  of("bar").setAttribute("aria-label", `Progress of ${file.name}`);
  const show = (state, trouble = "") => { of("state").textContent = state; of("trouble").textContent = trouble; };
  const buttons = (stop, again, drop) => { of("stop").hidden = !stop; of("again").hidden = !again; of("drop").hidden = !drop; };
  of("stop").addEventListener("click", () => controller.abort());
  part("uploads").append(box);
  part("uploads-card").hidden = false;
  const row = {
    get signal() { return controller.signal; },
    begin() { controller = new AbortController(); began = performance.now(); first = null; buttons(true, false, false); show("waiting"); },
    onState(state) { show(state); of("figures").textContent = ""; },
    onTrouble(words) { of("trouble").textContent = words; },
    onDigest(done) { if (of("state").textContent !== "sending") of("bar").value = done / file.size; },
    onBytes(sent) {
      first ??= sent;
      const seconds = (performance.now() - began) / 1000;
      const speed = seconds > 0.5 ? (sent - first) / seconds : 0;
      of("bar").value = sent / file.size;
      of("figures").textContent = `${Math.floor((100 * sent) / file.size)} %${speed > 0 ? ` · ${sizeText(speed)}/s · ${spanText((file.size - sent) / speed)} left` : ""}`;
    },
    finish(asset, wasKnown) {
      row.end(wasKnown ? "already in the library" : asset.is_quarantined ? "in quarantine" : "in the library");
      of("bar").value = 1;
      const link = document.createElement("a");
      link.href = `/admin/comfyui/assets/${asset.id}`;
      link.textContent = of("name").textContent;
      of("name").replaceChildren(link);
    },
    end(state) { show(state); of("figures").textContent = ""; buttons(false, false, false); },
    pause() { show("paused"); buttons(false, true, true); },
    fail(words) { show("failed", words); buttons(false, true, false); },
  };
  of("again").addEventListener("click", () => row.onAgain?.());
  of("drop").addEventListener("click", () => row.onDrop?.());
  buttons(true, false, false);
  show("waiting");
  return row;
}

async function offerRemembered() {
  const kept = await remembered();
  part("go-on").hidden = kept.length === 0;
  part("go-on-count").textContent = kept.length;
  part("go-on-button").addEventListener("click", async () => {
    part("go-on").hidden = true;
    for (const { handle } of kept) {
      if ((await handle.requestPermission({ mode: "read" })) === "granted") add(await handle.getFile(), handle);
    }
  });
}
