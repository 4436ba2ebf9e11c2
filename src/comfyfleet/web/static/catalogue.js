// Clips in the catalogue play silently while one points at them, and never for whom motion is not fine.

if (matchMedia("(prefers-reduced-motion: no-preference)").matches) {
  for (const clip of document.querySelectorAll("[data-preview]")) {
    const card = clip.closest(".card") ?? clip;
    const play = () => clip.play().catch(() => {}); // a browser may refuse until somebody has touched the page
    for (const name of ["pointerenter", "focusin"]) card.addEventListener(name, play);
    for (const name of ["pointerleave", "focusout"]) card.addEventListener(name, () => clip.pause());
  }
}
