// Swagger UI with the settings that the page carries. Everything it needs comes from this host.
(() => {
  const root = document.documentElement;
  // theme.js says what was chosen on the site, or what the system prefers.
  const follow = () => root.classList.toggle("dark-mode", root.dataset.bsTheme === "dark");
  new MutationObserver(follow).observe(root, { attributeFilter: ["data-bs-theme"] });
  follow();

  const settings = JSON.parse(document.getElementById("swagger-ui").dataset.settings);
  SwaggerUIBundle({
    ...settings,
    dom_id: "#swagger-ui",
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
  });
})();
