// The rows in which a person edits the properties of a workflow.

import { numberOf, textOf } from "./exact_json.js";

const FILES = ["image", "video", "audio"];

/**
 * The row of one property; it changes `prop` as one types.
 * @param {object} prop @param {number} index @param {string[]} types
 * @param {{redraw: () => void, changed: () => void, remove: (prop: object) => void}} tell
 */
export function propertyRow(prop, index, types, tell) {
  const row = { prop, index, tell };
  const box = element("div", "list-group-item");
  const grid = element("div", "row g-2 align-items-end");
  const isFile = FILES.includes(prop.type);
  grid.append(textField(row, "label", "Label", "col-12 col-md-4"), textField(row, "key", "Key", "col-6 col-md-3"), typeField(row, types));
  if (isFile && prop.type !== "image") grid.append(numberField(row, "maximum", "Longest (s)", "col-6 col-md-2"));
  else if (!isFile && prop.type !== "text") grid.append(textField(row, "default", "Default", "col-6 col-md-2"));
  grid.append(removeButton(row));
  if (prop.type === "text") grid.append(longText(row));
  if (prop.type === "number") grid.append(numberField(row, "minimum", "Minimum", "col-6 col-md-2"), numberField(row, "maximum", "Maximum", "col-6 col-md-2"));
  if (prop.type === "choice") grid.append(choicesField(row));
  grid.append(textField(row, "help", "Help for users", "col-12 col-md"));
  const more = element("div", "d-flex flex-wrap gap-3 mt-2");
  more.append(element("span", "text-secondary", boundTo(prop)), flag(row, "user_configurable", "Users may set it"), flag(row, "required", "Required"));
  if (isFile) more.append(flag(row, "is_primary_input", "Primary input"));
  box.append(grid, more);
  return box;
}

/** A new element. @param {string} name @param {string} className @param {string} [text] */
export function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function boundTo(prop) {
  return prop.placeholder ? `bound to ${prop.placeholder}` : `bound to ${prop.input_name} of node ${prop.node_id}`;
}

function labelled(index, name, text, column, input) {
  const box = element("div", column);
  const label = element("label", "form-label small", text);
  label.htmlFor = input.id = `property-${index}-${name}`;
  box.append(label, input);
  return box;
}

function textField({ prop, index }, name, text, column) {
  const input = element("input", "form-control form-control-sm");
  input.value = textOf(prop[name]);
  input.addEventListener("input", () => { prop[name] = name === "default" ? typed(prop, input.value) : input.value; });
  return labelled(index, name, text, column, input);
}

function longText({ prop, index }) {
  const input = element("textarea", "form-control form-control-sm");
  input.rows = 2;
  input.value = textOf(prop.default);
  input.addEventListener("input", () => { prop.default = input.value === "" ? null : input.value; });
  return labelled(index, "default", "Default", "col-12", input);
}

function numberField({ prop, index }, name, text, column) {
  const input = element("input", "form-control form-control-sm");
  input.type = "number";
  input.step = "any";
  input.value = textOf(prop[name]);
  input.addEventListener("input", () => { prop[name] = input.value === "" ? null : numberOf(input.value); });
  return labelled(index, name, text, column, input);
}

function choicesField({ prop, index }) {
  const input = element("textarea", "form-control form-control-sm");
  input.rows = Math.min(8, Math.max(2, prop.choices.length));
  input.value = prop.choices.join("\n");
  input.addEventListener("input", () => { prop.choices = input.value.split("\n").map((one) => one.trim()).filter(Boolean); });
  return labelled(index, "choices", "Choices, one a line", "col-12", input);
}

function typeField({ prop, index, tell }, types) {
  const select = element("select", "form-select form-select-sm");
  for (const type of types) select.append(new Option(type, type, false, type === prop.type));
  select.addEventListener("change", () => {
    Object.assign(prop, { type: select.value, default: null, minimum: null, maximum: null });
    prop.is_primary_input &&= FILES.includes(prop.type);
    tell.redraw();
    document.getElementById(`property-${index}-type`).focus();
  });
  return labelled(index, "type", "Type", "col-6 col-md-2", select);
}

function typed(prop, text) {
  if (text === "") return null;
  if (prop.type === "number" || prop.type === "seed") return numberOf(text);
  return prop.type === "boolean" ? ["true", "yes", "on", "1"].includes(text.toLowerCase()) : text;
}

function flag({ prop, tell }, name, text) {
  const label = element("label", "form-check mb-0");
  const input = element("input", "form-check-input");
  input.type = "checkbox";
  input.checked = prop[name];
  input.addEventListener("change", () => { prop[name] = input.checked; tell.changed(); });
  label.append(input, element("span", "form-check-label", text));
  return label;
}

function removeButton({ prop, tell }) {
  const box = element("div", "col-auto");
  const button = element("button", "btn btn-sm", "Remove");
  button.type = "button";
  button.setAttribute("aria-label", `Remove ${prop.label || prop.key}`);
  button.addEventListener("click", () => tell.remove(prop));
  box.append(button);
  return box;
}
