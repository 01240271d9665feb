// Before anything is painted: light, dark, or what the system prefers. Shares its memory with the admin's switch.
(() => {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("theme") || "auto";
    } catch {
      return "auto";
    }
  };
  const apply = () => {
    const theme = chosen();
    root.dataset.bsTheme = theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
  };
  root.dataset.scripts = "on";
  apply();
  dark.addEventListener("change", apply);
  window.addEventListener("storage", apply);

  document.addEventListener("DOMContentLoaded", () => {
    const current = document.querySelector(`[data-theme-switch] input[value="${CSS.escape(chosen())}"]`);
    if (current) current.checked = true;
  });
  document.addEventListener("change", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    try {
      localStorage.setItem("theme", event.target.value);
    } catch {
      // Without storage the choice lasts for this page.
      root.dataset.bsTheme = event.target.value;
      return;
    }
    apply();
  });
})();
