// Before anything is drawn: light or dark, as chosen (a cookie, which the server heeds) or as the system is.
(() => {
  const root = document.documentElement;
  const chosen = root.dataset.bsTheme;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => { root.dataset.bsTheme = system.matches ? "dark" : "light"; };
  if (!chosen) {
    follow();
    system.addEventListener("change", follow);
  }
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-act=theme]")) return;
    system.removeEventListener("change", follow);
    root.dataset.bsTheme = root.dataset.bsTheme === "dark" ? "light" : "dark";
    document.cookie = `theme=${root.dataset.bsTheme}; path=/; max-age=31536000; samesite=lax`;
    document.dispatchEvent(new CustomEvent("theme"));
  });
})();
