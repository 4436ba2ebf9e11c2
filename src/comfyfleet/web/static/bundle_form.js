// Composing a bundle: what is picked is sent to the server at each change, which says what the bundle would be.

import { tell } from "./admin.js";
import { Refused, call } from "./api.js";
import { countText, sizeText } from "./wording.js";

const PAGE = 25;
const PAUSE = 300;
const part = (id) => document.getElementById(id);
const form = part("bundle-form");
const actions = form.dataset.actions.split(" ");
const previous = JSON.parse(part("previous").textContent);

/** What was picked, by hand or by a workflow: `{asset, filename, target_path, action}`, the last two null for defaults. */
let picked = (previous?.entries ?? []).map((entry) => ({
  asset: String(entry.asset_id ?? entry.sha256), filename: entry.original_filename, size: entry.size, target_path: entry.target_path, action: entry.action,
}));
let offset = 0;
let looks = 0;
let plans = 0;
let timer = null;

part("asset-q").addEventListener("input", () => later(() => search(0)));
part("asset-kind").addEventListener("change", () => search(0));
part("library-more").addEventListener("click", () => search(offset));
part("workflows").addEventListener("change", plan);
part("accept-missing").addEventListener("change", plan);
part("name").addEventListener("input", () => later(plan));
form.addEventListener("submit", create);
draw();
search(0);
plan();

function later(act) {
  clearTimeout(timer);
  timer = setTimeout(act, PAUSE);
}

async function search(from) {
  const look = ++looks;
  const query = new URLSearchParams({ q: part("asset-q").value, limit: PAGE, offset: from });
  if (part("asset-kind").value) query.set("kind", part("asset-kind").value);
  const page = await call("GET", `/api/assets?${query}`).catch((error) => tell(error.message, "danger"));
  if (!page || look !== looks) return;
  if (from === 0) part("library").replaceChildren();
  part("library").append(...page.items.map(offer));
  offset = from + page.items.length;
  part("library-count").textContent = page.total === 0 ? "No asset fits." : `${offset} of ${page.total}`;
  part("library-more").hidden = offset >= page.total;
}

function offer(asset) {
  const filename = asset.filenames.at(-1);
  const button = element("button", "list-group-item list-group-item-action", "");
  button.type = "button";
  button.append(element("span", "d-block", filename), element("span", "text-secondary small", `${asset.kind} · ${sizeText(asset.size)}${asset.is_quarantined ? " · in quarantine" : ""}`));
  button.disabled = asset.is_quarantined;
  button.setAttribute("aria-label", `Add ${filename}`);
  button.addEventListener("click", () => {
    picked.push({ asset: String(asset.id), filename, size: asset.size, target_path: null, action: null });
    draw();
    plan();
  });
  return button;
}

function draw() {
  part("picked").replaceChildren(...picked.map(row));
  part("nothing").hidden = picked.length > 0;
}

function row(item, index) {
  const box = element("div", "list-group-item");
  const head = element("div", "d-flex gap-2 align-items-center mb-2");
  head.append(element("span", "flex-fill fw-bold", item.filename), element("span", "text-secondary text-nowrap", sizeText(item.size)));
  const remove = element("button", "btn btn-sm", "Remove");
  remove.type = "button";
  remove.setAttribute("aria-label", `Remove ${item.filename}`);
  remove.addEventListener("click", () => { picked = picked.filter((one) => one !== item); draw(); plan(); });
  head.append(remove);
  const fields = element("div", "row g-2");
  fields.append(target(item, index), action(item, index));
  box.append(head, fields);
  return box;
}

function target(item, index) {
  const column = element("div", "col-sm-8");
  const label = element("label", "form-label small", "Target path");
  const input = element("input", "form-control form-control-sm");
  label.htmlFor = input.id = `target-${index}`;
  input.maxLength = 1024;
  input.value = item.target_path ?? "";
  input.placeholder = item.default_target ?? "by its kind";
  input.addEventListener("input", () => { item.target_path = input.value.trim() || null; later(plan); });
  item.input = input;
  column.append(label, input);
  return column;
}

function action(item, index) {
  const column = element("div", "col-sm-4");
  const label = element("label", "form-label small", "Action");
  const select = element("select", "form-select form-select-sm");
  label.htmlFor = select.id = `action-${index}`;
  for (const [value, text] of [["", "by its kind"], ...actions.map((one) => [one, one])]) select.append(new Option(text, value, false, value === (item.action ?? "")));
  select.addEventListener("change", () => { item.action = select.value || null; plan(); });
  column.append(label, select);
  return column;
}

function draft() {
  const workflows = [...part("workflows").querySelectorAll("input:checked")].map((box) => box.value);
  return {
    name: part("name").value.trim() || "unnamed",
    notes: part("notes").value.trim() || null,
    entries: picked.map(({ asset, target_path, action }) => ({ asset, target_path, action })),
    for_workflows: workflows,
    accept_missing: part("accept-missing").checked,
    requirements_lock: part("lock").value.trim() ? part("lock").value : null,
  };
}

async function plan() {
  const number = ++plans;
  const wanted = draft();
  if (wanted.entries.length === 0 && wanted.for_workflows.length === 0) {
    show("nothing yet", "");
    return;
  }
  try {
    const found = await call("POST", "/api/bundles/plan", wanted);
    if (number !== plans) return;
    const more = found.entries.length - picked.length;
    show(`${countText(found.entries.length, "asset")}${more > 0 ? `, ${more} of them by the workflows` : ""}, ${sizeText(found.total_bytes)}${found.previous ? `; ${sizeText(found.bytes_to_fetch)} more than @${found.previous.version}` : ""}`, "");
    picked.forEach((item, index) => { if (item.input && !item.target_path) item.input.placeholder = found.entries[index]?.target_path ?? ""; });
  } catch (error) {
    if (number === plans) show("", error.message);
  }
}

function show(total, problem) {
  part("total").textContent = total;
  part("problem").textContent = problem;
  part("problem").hidden = !problem;
}

async function create(event) {
  event.preventDefault();
  part("create").disabled = true;
  try {
    const bundle = await call("POST", "/api/bundles", draft());
    location.assign(`/admin/comfyui/bundles/${bundle.bundle_id}`);
  } catch (error) {
    show("", error instanceof Refused ? error.message : "The server cannot be reached. Try again.");
    part("problem").scrollIntoView({ block: "nearest" });
    part("create").disabled = false;
  }
}

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
