// A button on every block of code that copies it. Without this file, or without a clipboard, one marks and copies.
{
  const template = document.getElementById("copy-code");

  const addButtons = (root) => {
    for (const block of root.querySelectorAll(".code-block")) {
      if (!block.querySelector("[data-copy-code]")) block.append(template.content.cloneNode(true));
    }
  };

  // Pages without TLS have no clipboard to write to, but may still copy what is selected.
  const copySelected = (code) => {
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  };

  const copy = async (code) => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      return true;
    } catch {
      return copySelected(code);
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy-code]");
    if (!button) return;
    const block = button.closest(".code-block");
    if (!(await copy(block.querySelector("code")))) return;
    const label = button.querySelector("[data-copy-label]");
    const status = block.querySelector("[data-copy-status]");
    label.textContent = status.textContent = button.dataset.copied;
    clearTimeout(block.copyTimer);
    block.copyTimer = setTimeout(() => {
      label.textContent = button.dataset.copy;
      status.textContent = "";
    }, 2000);
  });

  if (template) {
    addButtons(document);
    // What htmx has put into the page; it tells the new elements themselves, whose parents may be blocks' parents.
    document.addEventListener("htmx:load", (event) => addButtons(event.detail.elt.parentElement ?? event.detail.elt));
  }
}
