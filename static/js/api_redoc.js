// Redoc with the settings that the page carries.
(() => {
  const place = document.getElementById("redoc-ui");
  const settings = JSON.parse(place.dataset.settings);
  Redoc.init(place.dataset.description, settings, place);
})();
