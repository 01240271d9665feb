// Redoc with the settings that the page carries.
(() => {
  const place = document.getElementById("redoc-ui");
  const settings = JSON.parse(document.getElementById("redoc-settings").textContent);
  Redoc.init(place.dataset.description, settings, place);
})();
