// A button under each password that shows what was typed, because there is only one field to type it into.

const template = document.getElementById("show-password");

for (const input of template ? document.querySelectorAll("input[type=password]") : []) {
  const button = template.content.firstElementChild.cloneNode(true);
  const hiddenWords = button.textContent;
  button.setAttribute("aria-controls", input.id);
  button.addEventListener("click", () => {
    const show = input.type === "password";
    input.type = show ? "text" : "password";
    button.textContent = show ? button.dataset.shown : hiddenWords;
  });
  // A browser must never remember it as ordinary text.
  input.form.addEventListener("submit", () => {
    input.type = "password";
  });
  input.after(button);
}
