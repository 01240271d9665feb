// A button beside the address of an invitation that copies it. Without this file one marks and copies.
for (const button of document.querySelectorAll("[data-copy-link]")) {
  const field = button.parentElement.querySelector("[data-copy-from]");
  const words = button.textContent;
  let timer;

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(field.value);
      return true;
    } catch {
      // Pages without TLS have no clipboard to write to, but may still copy what is selected.
      field.select();
      return document.execCommand("copy");
    }
  };

  button.hidden = false;
  button.addEventListener("click", async () => {
    if (!(await copy())) return;
    button.textContent = button.dataset.copied;
    clearTimeout(timer);
    timer = setTimeout(() => {
      button.textContent = words;
    }, 2000);
  });
}
