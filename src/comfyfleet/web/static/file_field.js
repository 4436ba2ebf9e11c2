// One file of a form: chosen, dropped, pasted or taken; shown; and for a video the part of it that is wanted.

import { Refused } from "./api.js";
import { hasCamera, takeWithCamera } from "./camera.js";
import { cut } from "./cutting.js";
import { checkFile } from "./values.js";

const SLACK = 0.05;

/** Make the field of an element `[data-field]` alive. */
export function fileField(box, complain) {
  const of = (name) => box.querySelector(`[data-part=${name}]`);
  const input = box.querySelector("input[type=file]");
  const kind = input.dataset.type;
  const limit = input.dataset.maxSeconds ? Number(input.dataset.maxSeconds) : null;
  let file = null;
  let seconds = null;

  input.addEventListener("change", () => choose(input.files[0] ?? null));
  const zone = of("zone");
  for (const name of ["dragover", "dragenter"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("is-over"); });
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("is-over"));
  zone.addEventListener("drop", (event) => { event.preventDefault(); choose(event.dataTransfer.files[0] ?? null); });
  const camera = of("camera");
  if (camera && hasCamera()) {
    camera.hidden = false;
    camera.addEventListener("click", async () => {
      try {
        const taken = await takeWithCamera(kind, limit);
        if (taken) choose(taken);
      } catch (error) {
        complain(new Refused(`The camera cannot be used: ${error.message}`));
      }
    });
  }
  for (const name of ["from", "to"]) of(name)?.addEventListener("input", showRange);

  function choose(chosen) {
    try {
      if (chosen) checkFile(chosen, kind);
    } catch (error) {
      complain(error);
      return;
    }
    file = chosen;
    seconds = null;
    if (of("trim")) of("trim").hidden = true;
    of("preview").replaceChildren(...(chosen ? [shown(chosen)] : []));
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function shown(chosen) {
    const element = document.createElement(kind === "image" ? "img" : kind);
    element.src = URL.createObjectURL(chosen);
    if (kind === "image") Object.assign(element, { alt: `Preview of ${chosen.name}`, className: "media" });
    else Object.assign(element, { controls: true, muted: true, playsInline: true });
    if (kind === "video") element.addEventListener("loadedmetadata", () => measured(element.duration));
    return element;
  }

  function measured(duration) {
    if (!Number.isFinite(duration)) return;
    seconds = duration;
    of("from").value = 0;
    of("to").value = Math.floor(10 * Math.min(duration, limit ?? duration)) / 10;
    for (const name of ["from", "to"]) of(name).max = Math.ceil(10 * duration) / 10;
    of("trim").hidden = false;
    showRange();
  }

  function range() {
    const from = Number(of("from").value), to = Number(of("to").value);
    if (!(from >= 0 && to > from)) throw new Refused("Choose where the cut begins and where it ends after that.");
    if (limit !== null && to - from > limit + SLACK) throw new Refused(`This effect takes ${limit} seconds at most: cut it shorter.`);
    return { from, to: Math.min(to, seconds) };
  }

  function showRange() {
    try {
      const { from, to } = range();
      const player = of("preview").querySelector("video");
      if (player && Math.abs(player.currentTime - from) > 0.2 && document.activeElement === of("from")) player.currentTime = from;
      of("trim-words").textContent = isWhole(from, to) ? "The whole video." : `${(to - from).toFixed(1)} of ${seconds.toFixed(1)} seconds are uploaded.`;
    } catch (error) {
      of("trim-words").textContent = error.message;
    }
  }

  const isWhole = (from, to) => from <= SLACK && to >= Math.floor(10 * seconds) / 10;

  return {
    input,
    /** Take a file that was pasted. */
    take: choose,
    /** Whether it takes files of this type. */
    takes: (type) => type.split("/")[0] === kind,
    /** Return the file to upload, cut if wanted; undefined for none. */
    async file(onProgress) {
      if (file === null) {
        if (box.querySelector(".required")) throw new Refused(`Choose ${kind === "image" ? "an image" : kind === "video" ? "a video" : "an audio file"} first.`);
        return undefined;
      }
      if (seconds === null) return file;
      const { from, to } = range();
      return isWhole(from, to) ? file : cut(file, from, to, onProgress);
    },
  };
}
