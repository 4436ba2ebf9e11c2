// Looking around in a drawn workflow: larger, smaller, all of it, by buttons, keys (+ - 0) and dragging.

const STEP = 1.25;
const SCALES = [0.05, 3];
const KEYS = { "+": "in", "=": "in", "-": "out", 0: "fit" };

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-zoom]");
  if (button) zoom(button.closest(".drawing"), button.dataset.zoom);
});

document.addEventListener("keydown", (event) => {
  const view = event.target.closest?.(".graph");
  if (!view || event.ctrlKey || event.metaKey || !(event.key in KEYS)) return;
  event.preventDefault();
  zoom(view.closest(".drawing"), KEYS[event.key]);
});

document.addEventListener("pointerdown", (event) => {
  const view = event.target.closest?.(".graph");
  if (!view || event.pointerType !== "mouse" || event.button !== 0 || event.target.closest("[data-bind-node]")) return;
  event.preventDefault();
  view.focus({ preventScroll: true });
  drag(view, event);
});

/** Show a drawing's buttons, which need this script. @param {ParentNode} root */
export function equip(root) {
  for (const tools of root.querySelectorAll(".graph-tools")) tools.hidden = false;
}

function zoom(drawing, way) {
  const view = drawing.querySelector(".graph");
  const svg = view.querySelector("svg");
  const { width, height } = svg.viewBox.baseVal;
  const now = svg.width.baseVal.value / width;
  const wanted = { in: now * STEP, out: now / STEP, fit: Math.min(1, view.clientWidth / width) }[way];
  const scale = Math.min(SCALES[1], Math.max(SCALES[0], wanted));
  const middle = [(view.scrollLeft + view.clientWidth / 2) / now, (view.scrollTop + view.clientHeight / 2) / now];
  svg.setAttribute("width", width * scale);
  svg.setAttribute("height", height * scale);
  view.scrollTo({ left: middle[0] * scale - view.clientWidth / 2, top: middle[1] * scale - view.clientHeight / 2, behavior: "instant" });
}

function drag(view, start) {
  const from = [view.scrollLeft + start.clientX, view.scrollTop + start.clientY];
  const move = (event) => view.scrollTo({ left: from[0] - event.clientX, top: from[1] - event.clientY, behavior: "instant" });
  const end = new AbortController();
  view.classList.add("is-dragged");
  addEventListener("pointermove", move, { signal: end.signal });
  for (const name of ["pointerup", "pointercancel"]) {
    addEventListener(name, () => { view.classList.remove("is-dragged"); end.abort(); }, { signal: end.signal });
  }
}

equip(document);
