// What the first machine of a roll has to render goes along with the agreement to the plan.

import { tell } from "./admin.js";
import { testValues } from "./test_values.js";

const part = (id) => document.getElementById(id);
const agreement = part("agreement");
const test = part("test-values");
if (agreement && test) agreement.addEventListener("submit", send);

async function send(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
  if (!test.reportValidity()) return;
  const button = agreement.querySelector("button");
  button.disabled = true;
  try {
    part("values").value = JSON.stringify(await testValues(test, say));
    agreement.dispatchEvent(new Event("agreed"));
  } catch (error) {
    tell(error.message, "danger");
  }
  say("", 0);
  button.disabled = false;
}

function say(words, done) {
  part("test-state").textContent = words && `${words}, ${Math.floor(done * 100)} %`;
}
