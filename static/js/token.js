// A new token is shown once. Without this file the browser asks before it sends the form a second time, which makes
// no second token.
const kept = document.querySelector("[data-token-kept]");
if (kept) {
  // Reloading, and coming back, open the list of tokens.
  history.replaceState(null, "", kept.href);
  window.addEventListener("pagehide", () => document.querySelector("[data-token-secret]")?.remove());
}
