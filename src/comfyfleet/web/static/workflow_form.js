// Importing and changing a workflow: the server draws, proposes and checks; this page keeps what the person chose.

import { call } from "./api.js";

const PAUSE = 300;
const part = (id) => document.getElementById(id);
const form = part("workflow-form");
const types = form.dataset.types.split(" ");
const given = JSON.parse(part("given").textContent);
const fields = { name: "name", slug: "slug", description: "description", output_extension: "extension", output_mime_type: "mime" };
let graph = null;
let outputs = [];
let properties = [];
let checks = 0;
let timer = null;

part("file").addEventListener("change", (event) => { if (event.target.files[0]) readFile(event.target.files[0]); event.target.value = ""; });
const zone = part("drop-zone");
for (const name of ["dragover", "dragenter"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("is-over"); });
for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("is-over"));
zone.addEventListener("drop", (event) => { event.preventDefault(); if (event.dataTransfer.files[0]) readFile(event.dataTransfer.files[0]); });
form.addEventListener("submit", save);
form.addEventListener("input", later);
part("output-node").addEventListener("change", chooseOutput);
for (const name of ["click", "keydown"]) part("drawing").addEventListener(name, bindClicked);
if (given.graph) open(given.graph, given.workflow);

async function readFile(file) {
  try {
    await open(JSON.parse(await file.text()), null, file.name);
  } catch (error) {
    refuse(error instanceof SyntaxError ? `${file.name} is not JSON.` : error.message);
  }
}

async function open(document, known, filename = "") {
  const proposal = await call("POST", "/api/workflows/propose", { document });
  graph = document;
  outputs = proposal.outputs;
  part("json-problem").hidden = true;
  await draw();
  fillOutputs();
  const isNew = known === null && !given.workflow;
  if (known) fill(known);
  else if (isNew) fill({ ...blank(filename), properties: proposal.properties });
  part("rest").hidden = false;
  drawProperties();
  chooseOutput();
  look();
}

function blank(filename) {
  const name = filename.replace(/\.json$/i, "").replace(/[_-]+/g, " ").trim();
  const slug = name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 64);
  const first = outputs[0];
  return { name, slug, description: "", is_active: true, output_node_id: first?.node_id ?? Object.keys(graph)[0], output_extension: first?.extension ?? "mp4", output_mime_type: first?.mime_type ?? "video/mp4" };
}

function fill(workflow) {
  for (const [name, id] of Object.entries(fields)) part(id).value = workflow[name];
  part("is-active").checked = workflow.is_active;
  part("output-node").value = workflow.output_node_id;
  properties = workflow.properties;
}

function refuse(words) {
  part("json-problem").textContent = words;
  part("json-problem").hidden = false;
}

async function draw() {
  const answer = await fetch("/admin/workflows/drawing", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(graph) });
  if (!answer.ok) throw new Error("The workflow cannot be drawn.");
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  part("drawing").replaceChildren(...parsed.body.childNodes);
  part("drawing").hidden = false;
}

function fillOutputs() {
  const likely = new Map(outputs.map((output) => [output.node_id, output]));
  const others = Object.keys(graph).filter((id) => !likely.has(id));
  const option = (id) => new Option(`${id}: ${graph[id].class_type}`, id);
  part("output-node").replaceChildren(group("Saves a file", [...likely.keys()].map(option)), group("Other nodes", others.map(option)));
}

function group(label, options) {
  const made = document.createElement("optgroup");
  made.label = label;
  made.append(...options);
  return made;
}

function chooseOutput(event) {
  const chosen = outputs.find((output) => output.node_id === part("output-node").value);
  if (event && chosen) {
    part("extension").value = chosen.extension;
    part("mime").value = chosen.mime_type;
  }
  for (const node of part("drawing").querySelectorAll("[data-node]")) node.classList.toggle("is-output", node.dataset.node === part("output-node").value);
  later();
}

async function bindClicked(event) {
  const target = event.target.closest?.("[data-bind-node]");
  if (!target || (event.type === "keydown" && event.key !== "Enter" && event.key !== " ")) return;
  event.preventDefault();
  const { bindNode: node_id, bindInput: input_name } = target.dataset;
  const bound = properties.findIndex((prop) => prop.node_id === node_id && prop.input_name === input_name);
  if (bound < 0) {
    const { properties: [found] } = await call("POST", "/api/workflows/propose", { document: graph, node_id, input_name });
    if (!found) return;
    found.key = unused(found.key);
    properties.push(found);
  }
  drawProperties();
  later();
  const index = bound < 0 ? properties.length - 1 : bound;
  part("properties").children[index].querySelector("input").focus();
}

function unused(key) {
  let name = key;
  for (let number = 2; properties.some((prop) => prop.key === name); number += 1) name = `${key}_${number}`;
  return name;
}

function drawProperties() {
  part("properties").replaceChildren(...properties.map(propertyRow));
  part("no-properties").hidden = properties.length > 0;
  const bound = new Set(properties.map((prop) => `${prop.node_id}\n${prop.input_name}`));
  for (const value of part("drawing").querySelectorAll("[data-bind-node]")) value.classList.toggle("is-bound", bound.has(`${value.dataset.bindNode}\n${value.dataset.bindInput}`));
}

function propertyRow(prop, index) {
  const box = element("div", "list-group-item");
  const grid = element("div", "row g-2 align-items-end");
  const isFile = ["image", "video", "audio"].includes(prop.type);
  grid.append(
    textField(prop, index, "label", "Label", "col-12 col-md-4"),
    textField(prop, index, "key", "Key", "col-6 col-md-3"),
    typeField(prop, index),
    isFile ? numberField(prop, index, "maximum", "Longest (s)", "col-6 col-md-2") : textField(prop, index, "default", "Default", "col-6 col-md-2"),
    removeButton(prop),
  );
  if (prop.type === "number") grid.append(numberField(prop, index, "minimum", "Minimum", "col-6 col-md-2"), numberField(prop, index, "maximum", "Maximum", "col-6 col-md-2"));
  if (prop.type === "choice") grid.append(choicesField(prop, index));
  const more = element("div", "d-flex flex-wrap gap-3 mt-2");
  more.append(element("span", "text-secondary", prop.placeholder ? `bound to ${prop.placeholder}` : `bound to ${prop.input_name} of node ${prop.node_id}`), flag(prop, "user_configurable", "Users may set it"), flag(prop, "required", "Required"));
  if (isFile) more.append(flag(prop, "is_primary_input", "Primary input"));
  box.append(grid, more);
  return box;
}

function labelled(index, name, text, column, input) {
  const box = element("div", column);
  const label = element("label", "form-label small", text);
  label.htmlFor = input.id = `property-${index}-${name}`;
  box.append(label, input);
  return box;
}

function textField(prop, index, name, text, column) {
  const input = element("input", "form-control form-control-sm");
  input.value = prop[name] ?? "";
  input.addEventListener("input", () => { prop[name] = name === "default" ? typed(prop, input.value) : input.value; });
  return labelled(index, name, text, column, input);
}

function numberField(prop, index, name, text, column) {
  const input = element("input", "form-control form-control-sm");
  input.type = "number";
  input.step = "any";
  input.value = prop[name] ?? "";
  input.addEventListener("input", () => { prop[name] = input.value === "" ? null : Number(input.value); });
  return labelled(index, name, text, column, input);
}

function choicesField(prop, index) {
  const input = element("input", "form-control form-control-sm");
  input.value = prop.choices.join(", ");
  input.addEventListener("input", () => { prop.choices = input.value.split(",").map((one) => one.trim()).filter(Boolean); });
  return labelled(index, "choices", "Choices, with commas between", "col-12", input);
}

function typeField(prop, index) {
  const select = element("select", "form-select form-select-sm");
  for (const type of types) select.append(new Option(type, type, false, type === prop.type));
  select.addEventListener("change", () => { prop.type = select.value; prop.default = null; drawProperties(); later(); });
  return labelled(index, "type", "Type", "col-6 col-md-2", select);
}

function typed(prop, text) {
  if (text === "") return null;
  if (prop.type === "number" || prop.type === "seed") return Number.isNaN(Number(text)) ? text : Number(text);
  return prop.type === "boolean" ? ["true", "yes", "on", "1"].includes(text.toLowerCase()) : text;
}

function flag(prop, name, text) {
  const label = element("label", "form-check mb-0");
  const input = element("input", "form-check-input");
  input.type = "checkbox";
  input.checked = prop[name];
  input.addEventListener("change", () => { prop[name] = input.checked; later(); });
  label.append(input, element("span", "form-check-label", text));
  return label;
}

function removeButton(prop) {
  const box = element("div", "col-auto");
  const button = element("button", "btn btn-sm", "Remove");
  button.type = "button";
  button.setAttribute("aria-label", `Remove ${prop.label || prop.key}`);
  button.addEventListener("click", () => { properties = properties.filter((one) => one !== prop); drawProperties(); later(); });
  box.append(button);
  return box;
}

function wanted() {
  const read = Object.fromEntries(Object.entries(fields).map(([name, id]) => [name, part(id).value.trim()]));
  return { ...read, is_active: part("is-active").checked, output_node_id: part("output-node").value, graph, properties };
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(check, PAUSE);
}

async function check() {
  if (!graph) return;
  const number = ++checks;
  const found = await call("POST", "/api/workflows/check", wanted()).catch((error) => ({ problems: [{ message: error.message, hint: "" }] }));
  if (number !== checks) return;
  part("problems").replaceChildren(...found.problems.map((problem) => element("div", "alert alert-warning", `${problem.message} ${problem.hint}`)));
}

async function look() {
  const found = await call("POST", "/api/workflows/analyze", { document: graph }).catch(() => null);
  if (!found) return;
  const needs = [...found.models.map((model) => need(model.filename, model.where, model.kind)), ...found.packages.map((item) => need(item.package ?? item.class_types.join(", "), item.where, "custom_node"))];
  part("needs").replaceChildren(...(needs.length ? needs : [element("div", "list-group-item text-secondary", "It needs no model and no custom node.")]));
}

function need(name, where, kind) {
  const row = element("div", "list-group-item d-flex flex-wrap gap-2");
  row.append(element("span", "flex-fill", name), element("span", "badge", where));
  if (where === "missing") {
    const link = element("a", "", "Upload it");
    link.href = `/admin/comfyui/assets?${new URLSearchParams({ expect: name, kind })}`;
    link.target = "_blank";
    row.append(link);
  }
  return row;
}

async function save(event) {
  event.preventDefault();
  part("save").disabled = true;
  try {
    const slug = given.workflow?.slug;
    const saved = await (slug ? call("PUT", `/api/workflows/${slug}`, wanted()) : call("POST", "/api/workflows", wanted()));
    location.assign(`/admin/workflows/${saved.slug}`);
  } catch (error) {
    part("problems").replaceChildren(element("div", "alert alert-danger", error.message));
    part("problems").scrollIntoView({ block: "nearest" });
    part("save").disabled = false;
  }
}

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
