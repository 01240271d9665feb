// Writing a question: the preview follows what is typed, tags become chips, the draft does not outlive the question.
// Everything works without this file. A text field with its preview (`data-editor`) may stand on other pages too.
{
  const form = document.getElementById("ask-form");
  const draft = document.getElementById("draft-state");

  // --- A reload ------------------------------------------------------------------------------------------------------
  // The page may come back before the last words have reached the server; they waited in this tab (see `saveNow`).

  const LAST_WORDS = "question";

  if (draft) {
    const words = new URLSearchParams(sessionStorage.getItem(LAST_WORDS) ?? "");
    sessionStorage.removeItem(LAST_WORDS);
    if (words.has("title") && performance.getEntriesByType("navigation")[0]?.type === "reload") {
      for (const name of ["title", "description", "tags"]) form.elements[name].value = words.get(name);
      form.elements.is_public.checked = words.has("is_public");
    }
  }

  // --- Write | Preview -----------------------------------------------------------------------------------------------

  const PREVIEW_DELAY = 500;

  for (const editor of document.querySelectorAll("[data-editor]")) {
    const text = editor.querySelector("textarea");
    const preview = editor.querySelector("[data-editor-preview]");
    const write = editor.querySelector("[data-editor-write]");
    const shown = editor.querySelector("[data-editor-shown]");
    let timer;

    const isShown = () => "showsPreview" in editor.dataset;
    const refresh = () => htmx.trigger(shown, "preview");
    const show = (whether) => {
      editor.toggleAttribute("data-shows-preview", whether);
      preview.setAttribute("aria-pressed", whether);
      write.setAttribute("aria-pressed", !whether);
    };

    preview.addEventListener("click", (event) => {
      event.preventDefault();
      show(true);
      refresh();
    });
    write.addEventListener("click", () => {
      show(false);
      text.focus();
    });
    text.addEventListener("input", () => {
      clearTimeout(timer);
      if (isShown()) timer = setTimeout(refresh, PREVIEW_DELAY);
    });
  }

  // --- Tags as chips -------------------------------------------------------------------------------------------------
  // What is sent is a hidden field with the names between commas; the box that people type into is for the next one.

  const SEPARATORS = /[,，、;\n]/;

  for (const editor of document.querySelectorAll("[data-tag-editor]")) {
    const box = editor.querySelector("input");
    const sent = document.createElement("input");
    const chips = document.createElement("ul");
    let names = [];

    const namesIn = (typed) => typed.split(SEPARATORS).map((name) => name.trim()).filter(Boolean);

    const write = () => {
      sent.value = [...names, ...namesIn(box.value)].join(", ");
    };

    const changed = () => {
      write();
      sent.dispatchEvent(new Event("input", { bubbles: true }));
    };

    const draw = () => {
      chips.replaceChildren(
        ...names.map((name, place) => {
          const chip = document.createElement("li");
          const remove = document.createElement("button");
          chip.className = "tag tag-chosen";
          chip.append(name, remove);
          remove.type = "button";
          remove.className = "tag-remove";
          remove.textContent = "×";
          remove.setAttribute("aria-label", `${editor.dataset.remove} ${name}`);
          remove.addEventListener("click", () => {
            names.splice(place, 1);
            draw();
            changed();
            box.focus();
          });
          return chip;
        }),
      );
    };

    const add = (typed) => {
      names = [...new Set([...names, ...namesIn(typed)])];
      box.value = "";
      draw();
      changed();
    };

    box.addEventListener("input", (event) => {
      const chosen = event.inputType === "insertReplacementText" || !("inputType" in event);
      if (chosen || SEPARATORS.test(box.value)) add(box.value);
      else write();
    });
    box.addEventListener("change", () => box.value.trim() && add(box.value));
    box.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter") {
        event.preventDefault();
        if (box.value.trim()) add(box.value);
      } else if (event.key === "Backspace" && !box.value && names.length) {
        names.pop();
        draw();
        changed();
      }
    });

    sent.type = "hidden";
    sent.name = box.name;
    box.name = "tag";
    chips.className = "tag-chips";
    box.before(chips, sent);
    names = [...new Set(namesIn(box.value))];
    box.value = "";
    draw();
    write();
  }

  // --- The draft -----------------------------------------------------------------------------------------------------

  let isSent = false;

  // Return in the title goes on to the details: nobody sends a question of one line by mistake.
  form?.querySelector("input[name=title]")?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    form.querySelector("textarea").focus();
  });

  if (draft) {
    const kept = draft.getAttribute("hx-params").split(",").map((name) => name.trim());
    let isSaved = true;

    // Whoever leaves before the next save: what is missing is sent at once, and arrives without the page.
    const saveNow = () => {
      if (isSaved || isSent) return;
      const typed = new FormData(form);
      const words = new URLSearchParams();
      for (const name of kept) if (typed.has(name)) words.set(name, typed.get(name));
      sessionStorage.setItem(LAST_WORDS, words);
      words.set("csrfmiddlewaretoken", typed.get("csrfmiddlewaretoken"));
      isSaved = navigator.sendBeacon(draft.getAttribute("hx-post"), words);
    };

    form.addEventListener("input", () => (isSaved = false));
    draft.addEventListener("htmx:beforeRequest", (event) => {
      // What was typed a moment ago must not come back as a draft of the question that is being sent.
      if (isSent) event.preventDefault();
      else isSaved = true;
    });
    for (const failure of ["htmx:sendError", "htmx:responseError"]) {
      draft.addEventListener(failure, () => (isSaved = false));
    }
    window.addEventListener("beforeunload", saveNow);
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && saveNow());

    form.addEventListener("submit", () => {
      isSent = true;
      htmx.trigger(draft, "htmx:abort");
    });
    // The browser's memory of a page that was sent.
    window.addEventListener("pageshow", (event) => {
      if (event.persisted && isSent) location.reload();
    });
  }
}
