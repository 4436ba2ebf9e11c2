// What all admin pages share: the menu on small screens, copying commands, and problems that are seen and heard.

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button?.dataset.act === "menu") toggleMenu(button);
  if (button?.dataset.act === "copy") copy(button);
});

function toggleMenu(button) {
  const isOpen = document.getElementById(button.getAttribute("aria-controls")).classList.toggle("show");
  button.setAttribute("aria-expanded", String(isOpen));
}

async function copy(button) {
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    tell("Copied.");
  } catch {
    getSelection().selectAllChildren(code); // without HTTPS a browser lets no page copy: select it for the person
    tell("Selected: copy it with Ctrl+C.");
  }
}

/** Show a sentence above the page. */
export function tell(words, kind = "success") {
  const notice = document.createElement("div");
  notice.className = `alert alert-${kind}`;
  notice.textContent = words;
  document.getElementById("notices").replaceChildren(notice);
  if (kind === "danger") notice.scrollIntoView({ block: "nearest" });
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "notices") event.detail.target.querySelector("[data-problem]")?.focus();
});
document.addEventListener("htmx:sendError", () => tell("The server cannot be reached. Try again.", "danger"));
