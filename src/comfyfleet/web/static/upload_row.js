// The row of a file on the assets page: how far it is, and its buttons.

import { sizeText, spanText } from "./wording.js";

const SHOWN_EVERY = 250;
const SPEED_OVER = 10_000;

/**
 * Make a row and show it.
 * @param {File} file
 * @param {string} path how the file is called
 * @param {{onStop: () => void, onAgain: () => void, onDrop: () => void}} acts what its buttons do
 */
export function makeRow(file, path, acts) {
  const box = document.getElementById("upload-row").content.firstElementChild.cloneNode(true);
  const of = (name) => box.querySelector(`[data-part=${name}]`);
  const buttons = { stop: acts.onStop, again: acts.onAgain, drop: acts.onDrop };
  const pace = new Pace(file.size);
  let state = "";

  of("name").textContent = path;
  of("size").textContent = sizeText(file.size);
  of("bar").setAttribute("aria-label", `Progress of ${path}`);
  for (const [name, act] of Object.entries(buttons)) {
    of(name).addEventListener("click", act);
    of(name).setAttribute("aria-label", `${of(name).textContent}: ${path}`);
  }
  const show = (now, offered, trouble = "") => {
    state = now;
    of("state").textContent = now;
    of("trouble").textContent = trouble;
    of("figures").textContent = "";
    for (const name of Object.keys(buttons)) {
      if (of(name) === document.activeElement && !offered.includes(name)) of("name").focus(); // not lost with the button
      of(name).hidden = !offered.includes(name);
    }
  };
  const move = (share) => { of("bar").value = share; };
  document.getElementById("uploads").append(box);
  document.getElementById("uploads-card").hidden = false;

  return {
    wait() { show("waiting", ["stop"]); },
    onState(now) {
      if (now === state) return;
      pace.begin();
      show(now, now === "verifying" ? [] : ["stop"]);
    },
    onTrouble(words) { if (of("trouble").textContent !== words) of("trouble").textContent = words; },
    onDigest(done) { if (state !== "sending") move(done / file.size); },
    onBytes(done) {
      move(done / file.size);
      const words = pace.words(done);
      if (words) of("figures").textContent = words;
    },
    stopping() { show("pausing", []); },
    finish(asset, wasKnown) {
      show(wasKnown ? "already in the library" : asset.is_quarantined ? "in quarantine" : "in the library", []);
      move(1);
      const link = document.createElement("a");
      link.href = `/admin/comfyui/assets/${asset.id}`;
      link.textContent = path;
      of("name").replaceChildren(link);
    },
    end(now) { show(now, []); },
    pause() { show("paused", ["again", "drop"]); },
    fail(words, { canGoOn = true } = {}) { show("failed", canGoOn ? ["again", "drop"] : [], words); },
  };
}

/** How fast it goes at present, told now and then. */
class Pace {
  constructor(size) {
    this.size = size;
    this.begin();
  }

  begin() {
    this.seen = [];
  }

  words(done) {
    const now = performance.now();
    if (this.seen.length > 0 && now - this.seen.at(-1).now < SHOWN_EVERY) return null;
    this.seen = [...this.seen.filter((one) => now - one.now < SPEED_OVER), { now, done }];
    const first = this.seen[0];
    const speed = (1000 * (done - first.done)) / (now - first.now);
    const share = `${Math.floor((100 * done) / this.size)} %`;
    return speed > 0 ? `${share} · ${sizeText(speed)}/s · ${spanText((this.size - done) / speed)} left` : share;
  }
}
