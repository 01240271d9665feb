// Tells the site which time zone this browser is in: as a cookie for visitors, in the sign-up form, and as an offer on
// the profile page. Without this file the zone is chosen from the list.

const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

if (browserZone) {
  const known = document.cookie.split("; ").some((cookie) => cookie.startsWith("timezone="));
  if (!known) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `timezone=${browserZone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  }
  const hasZone = (select) => [...select.options].some((option) => option.value === browserZone);

  for (const select of document.querySelectorAll("select[data-timezone-prefill]")) {
    const found = select.form.querySelector("[data-timezone-found]");
    if (!hasZone(select)) continue;
    select.value = browserZone;
    if (found) found.hidden = false;
    select.addEventListener("change", () => {
      if (found) found.hidden = select.value !== browserZone;
    });
  }

  for (const suggestion of document.querySelectorAll("[data-timezone-suggest]")) {
    const select = suggestion.closest("form").querySelector("select[data-timezone]");
    if (!select || !hasZone(select)) continue;
    const update = () => {
      suggestion.hidden = select.value === browserZone;
    };
    suggestion.querySelector("[data-timezone-name]").textContent = browserZone;
    suggestion.querySelector("button").addEventListener("click", () => {
      select.value = browserZone;
      select.focus();
      update();
    });
    select.addEventListener("change", update);
    update();
  }
}
