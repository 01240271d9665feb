// Keys for the calendar, on top of its links: they work while one of its days has the focus, and nowhere else.
(() => {
  const calendar = document.querySelector("[data-calendar]");
  if (!calendar) return;
  const days = [...calendar.querySelectorAll("[data-date]")];
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };
  const links = { PageUp: "[data-before]", PageDown: "[data-after]", t: "[data-today]", T: "[data-today]" };
  const rightToLeft = document.documentElement.dir === "rtl";

  const onDay = (key) => days.find((day) => day.dataset.date === key);

  // One stop for the Tab key in all of the days; the arrows go on from there.
  const choose = (day) => {
    days.forEach((other) => other.setAttribute("tabindex", other === day ? "0" : "-1"));
  };

  const dayAfter = (key, count) => {
    const date = new Date(`${key}T12:00:00Z`);
    date.setUTCDate(date.getUTCDate() + count);
    return date.toISOString().slice(0, 10);
  };

  choose(onDay(calendar.dataset.chosen) || days[0]);
  const named = onDay(location.hash.replace("#day-", ""));
  if (named && named.offsetParent) {
    choose(named);
    named.focus();
  }

  calendar.addEventListener("focusin", (event) => {
    const day = event.target.closest("[data-date]");
    if (day) choose(day);
  });

  calendar.addEventListener("keydown", (event) => {
    const day = event.target.closest("[data-date]");
    if (!day || event.altKey || event.ctrlKey || event.metaKey) return;
    const link = links[event.key] && document.querySelector(links[event.key]);
    if (link) {
      event.preventDefault();
      const chosen = new URL(link.href).searchParams.get("date");
      location.assign(`${link.href}#day-${chosen}`);
      return;
    }
    let step = steps[event.key];
    if (!step) return;
    if (rightToLeft && Math.abs(step) === 1) step = -step;
    event.preventDefault();
    const key = dayAfter(day.dataset.date, step);
    const next = onDay(key);
    if (next) {
      next.focus();
    } else {
      location.assign(`${location.pathname}${calendar.dataset.calendar}${key}#day-${key}`);
    }
  });
})();
