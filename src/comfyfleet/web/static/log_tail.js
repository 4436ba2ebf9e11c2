// Keeps the end of a log in view, unless somebody has scrolled up to read.

let follows = true;

const log = () => document.querySelector("[data-tail]");

function show() {
  const box = log();
  if (box && follows) box.scrollTop = box.scrollHeight;
}

document.addEventListener("scroll", (event) => {
  const box = event.target;
  if (box === log()) follows = box.scrollHeight - box.scrollTop - box.clientHeight < 8;
}, true);
document.addEventListener("htmx:afterSettle", show);
show();
