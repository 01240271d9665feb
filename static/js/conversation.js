// A ticket's page looks for what is new every few seconds, while somebody looks at it. Without this file there is a link.
{
  const live = () => document.getElementById("live");

  const look = () => {
    if (document.visibilityState === "visible") live()?.dispatchEvent(new Event("look"));
  };

  if (live()) {
    setInterval(look, Number(live().dataset.lookSeconds) * 1000);
    document.addEventListener("visibilitychange", look);
  }

  // A look that fails is nobody's mistake: the next one comes by itself, and what is being typed stays as it is. What is
  // gone, or asks for a sign-in, is not asked for again.

  const isLook = (event) => event.target.id === "live";
  const stopLooking = () => live()?.remove();

  const quietly = (event) => {
    if (!isLook(event)) return;
    event.stopImmediatePropagation();
    if ([403, 404].includes(event.detail.xhr?.status)) stopLooking();
  };
  for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(failure, quietly, { capture: true });
  }

  document.addEventListener(
    "htmx:beforeSwap",
    (event) => {
      const answeredBy = new URL(event.detail.xhr.responseURL || location.href, location.href).pathname;
      if (!isLook(event) || answeredBy === new URL(live().getAttribute("hx-get"), location.href).pathname) return;
      event.detail.shouldSwap = false;
      event.stopImmediatePropagation();
      stopLooking();
    },
    { capture: true },
  );
}
