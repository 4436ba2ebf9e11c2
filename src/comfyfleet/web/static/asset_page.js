// The upload part of the assets page: files by drop, choice or folder, a row for each, two at a time.

import { tell } from "./admin.js";
import { bringIn, drop } from "./asset_upload.js";
import { kindByFolders, ofDrop, ofInput, ofPicker, sifted } from "./file_choice.js";
import { Stopped, Unreadable } from "./parts.js";
import { forget, keep, remembered } from "./upload_memory.js";
import { makeRow } from "./upload_row.js";

const AT_A_TIME = 2; // while one is verified, the next is sent
const NAMES_SHOWN = 5;
const part = (id) => document.getElementById(id);
const zone = part("drop-zone");
const rules = JSON.parse(zone.dataset.rules);
const waiting = [];
const items = [];
let running = 0;

for (const id of ["choose-files", "choose-folder"]) part(id).addEventListener("change", ({ target }) => { take(ofInput(target.files)); target.value = ""; });
part("choose-files").addEventListener("click", (event) => {
  if (!window.showOpenFilePicker) return;
  event.preventDefault();
  ofPicker().then(take, tellUnreadable);
});
// A file that is dropped beside the zone is no reason for the browser to leave the page and show it.
addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  const isOver = zone.contains(event.target);
  zone.classList.toggle("is-over", isOver);
  if (!isOver) event.dataTransfer.dropEffect = "none";
});
for (const name of ["dragleave", "drop"]) addEventListener(name, () => zone.classList.remove("is-over"));
zone.addEventListener("drop", (event) => {
  event.preventDefault();
  ofDrop(event.dataTransfer).then(take, tellUnreadable);
});
addEventListener("beforeunload", (event) => { if (running + waiting.length > 0) event.preventDefault(); });
offerRemembered();

function take(found) {
  const { taken, leftOut } = sifted(found, rules);
  const said = { kind: part("upload-kind").value || null, notes: part("upload-notes").value };
  for (const one of taken) add(one, said);
  if (leftOut.length > 0) tell(`Left out as neither models nor archives, or empty: ${listed(leftOut)}.`, "info");
}

function tellUnreadable(error) {
  tell(`The files cannot be read: ${error.message}`, "danger");
}

function listed(files) {
  const names = files.slice(0, NAMES_SHOWN).map(({ path }) => path).join(", ");
  return files.length > NAMES_SHOWN ? `${names} and ${files.length - NAMES_SHOWN} more` : names;
}

function add({ file, path, handle }, said) {
  const words = { filename: file.name, kind: said.kind ?? kindByFolders(path, rules), notes: said.notes };
  const item = { file, path, handle, words, state: "open" };
  item.row = makeRow(file, path, { onStop: () => stop(item), onAgain: () => queue(item), onDrop: () => dropped(item) });
  items.push(item);
  if (file.size === 0) {
    fail(item, "This file is empty.", { canGoOn: false });
    return;
  }
  if (handle) keep(handle, path, said);
  queue(item);
}

function queue(item) {
  item.state = "open";
  item.row.wait();
  waiting.push(item);
  count();
  next();
}

function next() {
  while (running < AT_A_TIME && waiting.length > 0) {
    running += 1;
    run(waiting.shift()).finally(() => { running -= 1; count(); next(); });
  }
}

async function run(item) {
  item.controller = new AbortController();
  const { signal } = item.controller;
  try {
    const { asset, was_known } = await bringIn(item.file, item.words, item.row, signal);
    item.state = "arrived";
    item.row.finish(asset, was_known);
    if (item.handle) forget(item.path);
    document.body.dispatchEvent(new Event("assets-changed"));
  } catch (error) {
    if (error instanceof Stopped) item.row.pause();
    else fail(item, error.message, { canGoOn: !(error instanceof Unreadable) });
  }
}

function fail(item, words, how) {
  item.state = "failed";
  item.row.fail(words, how);
  count();
}

function stop(item) {
  const place = waiting.indexOf(item);
  if (place >= 0) {
    waiting.splice(place, 1);
    item.row.pause();
  } else {
    item.row.stopping();
    item.controller.abort();
  }
}

async function dropped(item) {
  try {
    await drop(item.file, item.words);
    item.row.end("dropped");
    if (item.handle) forget(item.path);
  } catch (error) {
    item.row.fail(error.message);
  }
}

// Told to who listens once for each file, not for each step of it.
function count() {
  const countOf = (state) => items.filter((item) => item.state === state).length;
  const failed = countOf("failed") > 0 ? `, ${countOf("failed")} failed` : "";
  const words = `${countOf("arrived")} of ${items.length} in the library${failed}`;
  if (part("uploads-count").textContent !== words) part("uploads-count").textContent = words;
}

async function offerRemembered() {
  const kept = await remembered();
  part("go-on").hidden = kept.length === 0;
  part("go-on-names").textContent = listed(kept);
  part("go-on-button").addEventListener("click", async () => {
    part("go-on").hidden = true;
    for (const one of kept) await goOn(one);
  });
  part("go-on-forget").addEventListener("click", () => {
    part("go-on").hidden = true;
    for (const { path } of kept) forget(path);
  });
}

async function goOn({ handle, path, said }) {
  try {
    if ((await handle.requestPermission({ mode: "read" })) === "granted") add({ file: await handle.getFile(), path, handle }, said);
  } catch {
    tell(`${path} cannot be read any more: choose it again.`, "warning");
  }
}
