// A test run of a workflow, with its result in the page.

import { call } from "./api.js";
import { testValues } from "./test_values.js";
import { follow, player } from "./values.js";

const part = (id) => document.getElementById(id);
const form = part("test-run");
form?.addEventListener("submit", run);

async function run(event) {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  part("test-problem").hidden = true;
  part("test-result").replaceChildren();
  try {
    const values = await testValues(form, state);
    const body = { fleet: part("test-fleet").value, values };
    const job = await call("POST", `/api/workflows/${form.dataset.workflow}/test-run`, body);
    follow(job.id, show, () => complain("This run cannot be followed any more. Reload the page."));
  } catch (error) {
    complain(error.message);
  }
  button.disabled = false;
}

function state(words, done) {
  part("test-state").textContent = words;
  part("test-progress").hidden = done === null;
  part("test-progress").value = done ?? 0;
}

function show(job) {
  if (job.status === "queued") state(job.queue_position ? `Queued, place ${job.queue_position}` : "Queued", 0);
  else if (job.status === "processing") state("Processing", job.progress);
  else {
    state(job.status === "completed" ? "Completed" : job.status === "failed" ? `Failed: ${job.error?.message ?? ""}` : "Canceled", null);
    if (job.output_url) part("test-result").replaceChildren(player(job), fileLink(job));
  }
}

function fileLink(job) {
  const link = Object.assign(document.createElement("a"), { href: job.output_url, target: "_blank", rel: "noopener" });
  link.textContent = "Open the file";
  link.className = "d-block mt-2";
  return link;
}

function complain(words) {
  part("test-problem").textContent = words;
  part("test-problem").hidden = false;
}
