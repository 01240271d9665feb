// What every page has: menus that close, toasts, confirmations in a dialog, word about failed requests.
// Everything works without this file.

const closeMenus = (except) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (menu !== except) menu.open = false;
  }
};

document.addEventListener("click", (event) => {
  closeMenus(event.target.closest("details[data-menu]"));
  event.target.closest("[data-toast-close]")?.closest("[data-toast]").remove();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details[data-menu][open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

// Toasts: good news leaves by itself, unless someone is reading it; bad news stays until it is closed.

const READING_TIME = 8000;

const leaveInTime = (toast) => {
  if (toast.classList.contains("tone-danger") || toast.classList.contains("tone-warning")) return;
  const timer = setInterval(() => {
    if (toast.matches(":hover, :focus-within")) return;
    clearInterval(timer);
    toast.remove();
  }, READING_TIME);
};

const toasts = document.getElementById("toasts");
if (toasts) {
  toasts.querySelectorAll("[data-toast]").forEach(leaveInTime);
  new MutationObserver((changes) => {
    for (const change of changes) {
      for (const node of change.addedNodes) {
        if (node.matches?.("[data-toast]")) leaveInTime(node);
      }
    }
  }).observe(toasts, { childList: true });
}

const tellFailure = () => {
  const template = document.getElementById("toast-failed");
  if (template && toasts) toasts.replaceChildren(template.content.cloneNode(true));
};
document.addEventListener("htmx:responseError", tellFailure);
document.addEventListener("htmx:sendError", tellFailure);
document.addEventListener("htmx:timeout", tellFailure);

// Signed out meanwhile: the sign-in page is a page, not a fragment.
document.addEventListener("htmx:beforeSwap", (event) => {
  const answer = new URL(event.detail.xhr.responseURL || location.href, location.href);
  const login = document.body.dataset.loginPath;
  if (login && answer.pathname === login && location.pathname !== login) {
    event.detail.shouldSwap = false;
    location.assign(`${login}?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
});

// A link to a page that asks for a confirmation (`data-dialog`) shows the question in a dialog instead.

const fetchQuestion = async (url) => {
  const answer = await fetch(url, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  if (!answer.ok) return null;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector("form[data-confirm]");
};

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const question = await fetchQuestion(link.href).catch(() => null);
  if (!question) {
    location.assign(link.href);
    return;
  }
  question.action = question.getAttribute("action") || link.href;
  const heading = question.querySelector("h1");
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  if (heading) {
    heading.id = "dialog-heading";
    dialog.setAttribute("aria-labelledby", heading.id);
  }
  dialog.append(question);
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    link.focus();
  });
  dialog.addEventListener("click", (click) => {
    if (click.target === dialog || click.target.closest("[data-confirm-cancel]")) {
      click.preventDefault();
      dialog.close();
    }
  });
  dialog.showModal();
});

// One press is enough: a form that is on its way cannot be sent again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || form.target === "_blank") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "true";
  event.submitter?.setAttribute("aria-disabled", "true");
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.querySelectorAll("[aria-disabled]").forEach((button) => button.removeAttribute("aria-disabled"));
  }
});
