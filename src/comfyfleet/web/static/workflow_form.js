// Importing and changing a workflow: the server draws, proposes and checks; this page keeps what the person chose.

import { tell } from "./admin.js";
import { call } from "./api.js";
import { parseExact } from "./exact_json.js";
import { equip } from "./graph_view.js";
import { element, propertyRow } from "./workflow_properties.js";

const PAUSE = 300;
const part = (id) => document.getElementById(id);
const form = part("workflow-form");
const types = form.dataset.types.split(" ");
const given = parseExact(part("given").textContent);
const fields = { name: "name", slug: "slug", description: "description", output_extension: "extension", output_mime_type: "mime" };
let graph = null;
let outputs = [];
let properties = [];
let opens = 0;
let checks = 0;
let looks = 0;
let timer = null;
let named = { name: "", slug: "" };

part("file").addEventListener("change", (event) => { if (event.target.files[0]) readFile(event.target.files[0]); event.target.value = ""; });
const zone = part("drop-zone");
for (const name of ["dragover", "dragenter"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("is-over"); });
for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("is-over"));
zone.addEventListener("drop", (event) => { event.preventDefault(); if (event.dataTransfer.files[0]) readFile(event.dataTransfer.files[0]); });
part("pasted").addEventListener("input", (event) => { if (event.target.value.trim()) read(event.target.value, "What you pasted"); });
form.addEventListener("submit", save);
form.addEventListener("input", later);
part("output-node").addEventListener("change", chooseOutput);
part("needs-fleet").addEventListener("change", look);
for (const name of ["click", "keydown"]) part("drawing").addEventListener(name, bindClicked);
if (given.graph) open(given.graph, given.workflow).catch((error) => refuse(error.message));

async function readFile(file) {
  await read(await file.text(), file.name, file.name);
}

async function read(text, what, filename = "") {
  try {
    await open(parseExact(text), null, filename);
  } catch (error) {
    refuse(error instanceof SyntaxError ? `${what} is not JSON.` : error.message);
  }
}

async function open(document, known, filename = "") {
  const number = ++opens;
  const proposal = await call("POST", "/api/workflows/propose", { document });
  const drawing = await partOfPage("/admin/workflows/drawing", document);
  if (number !== opens) return; // another one was dropped meanwhile
  graph = document;
  outputs = proposal.outputs;
  part("json-problem").hidden = true;
  part("drawing").replaceChildren(...drawing);
  part("drawing").hidden = false;
  equip(part("drawing"));
  fillOutputs();
  if (known) fill(known);
  else if (!given.workflow) fill({ ...blank(filename), properties: proposal.properties });
  part("rest").hidden = false;
  drawProperties();
  chooseOutput();
  look();
}

function blank(filename) {
  const before = named; // what the person wrote is kept, what the file before was called is not
  const name = filename.replace(/\.json$/i, "").replace(/[_-]+/g, " ").trim();
  named = { name, slug: name.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 64).replace(/^-+|-+$/g, "") };
  for (const [id, value] of Object.entries(before)) if (part(id).value !== value) named[id] = part(id).value;
  const first = outputs[0] ?? { node_id: Object.keys(graph)[0], extension: "mp4", mime_type: "video/mp4" };
  return { ...named, description: part("description").value, is_active: part("is-active").checked, output_node_id: first.node_id, output_extension: first.extension, output_mime_type: first.mime_type };
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

async function partOfPage(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes;
}

function fillOutputs() {
  const chosen = part("output-node").value;
  const likely = new Set(outputs.map((output) => output.node_id));
  const others = Object.keys(graph).filter((id) => !likely.has(id));
  const option = (id) => new Option(`${id}: ${graph[id].class_type}`, id);
  part("output-node").replaceChildren(group("Saves a file", [...likely].map(option)), group("Other nodes", others.map(option)));
  if (chosen in graph) part("output-node").value = chosen;
}

function group(label, options) {
  const made = element("optgroup", "");
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
  const isIt = (prop) => prop.node_id === node_id && prop.input_name === input_name;
  if (!properties.some(isIt)) {
    const answer = await call("POST", "/api/workflows/propose", { document: graph, node_id, input_name }).catch((error) => tell(error.message, "danger"));
    if (!answer) return;
    const [found] = answer.properties;
    if (!found) return tell(`No property can set ${input_name} of node ${node_id}.`, "warning");
    const known = properties.find((prop) => isIt(prop) || (found.placeholder && prop.placeholder === found.placeholder));
    if (known) return focus(known);
    properties.push({ ...found, key: unused(found.key) });
    drawProperties();
    later();
  }
  focus(properties.find(isIt) ?? properties.at(-1));
}

function focus(prop) {
  part("properties").children[properties.indexOf(prop)].querySelector("input").focus();
}

function unused(key) {
  let name = key;
  for (let number = 2; properties.some((prop) => prop.key === name); number += 1) name = `${key}_${number}`;
  return name;
}

function drawProperties() {
  const told = { redraw: () => { drawProperties(); later(); }, changed: later, remove };
  part("properties").replaceChildren(...properties.map((prop, index) => propertyRow(prop, index, types, told)));
  part("no-properties").hidden = properties.length > 0;
  for (const value of part("drawing").querySelectorAll("[data-bind-node]")) value.classList.toggle("is-bound", properties.some((prop) => sets(prop, value.dataset)));
}

function sets(prop, { bindNode, bindInput }) {
  if (prop.placeholder) return JSON.stringify(graph[bindNode].inputs[bindInput] ?? "").includes(prop.placeholder);
  return prop.node_id === bindNode && prop.input_name === bindInput;
}

function remove(prop) {
  properties = properties.filter((one) => one !== prop);
  drawProperties();
  later();
  part("properties-title").focus();
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
  if (number === checks) showProblems(found.problems.map((problem) => `${problem.message} ${problem.hint}`), "alert-warning");
}

function showProblems(lines, look) {
  const shown = lines.map((line) => element("div", `alert ${look}`, line));
  const isSame = shown.map((line) => line.outerHTML).join("") === part("problems").innerHTML;
  if (!isSame) part("problems").replaceChildren(...shown); // the same lines again would be read out again
}

async function look() {
  const number = ++looks;
  const body = { document: graph, fleet: part("needs-fleet").value || null };
  const found = await partOfPage("/admin/workflows/needs", body).catch((error) => [element("div", "card-body", error.message)]);
  if (number === looks) part("needs").replaceChildren(...found);
}

async function save(event) {
  event.preventDefault();
  part("save").disabled = true;
  try {
    const slug = given.workflow?.slug;
    const saved = await (slug ? call("PUT", `/api/workflows/${slug}`, wanted()) : call("POST", "/api/workflows", wanted()));
    location.assign(`/admin/workflows/${saved.slug}`);
  } catch (error) {
    checks += 1;
    showProblems([error.message], "alert-danger");
    part("problems").scrollIntoView({ block: "nearest" });
    part("save").disabled = false;
  }
}
