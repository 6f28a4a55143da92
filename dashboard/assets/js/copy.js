// Buttons that copy a text.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea"); // plain HTTP has no clipboard
  field.value = text;
  field.className = "hidden";
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

export function startCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    try {
      await copy(button.dataset.copy);
    } catch {
      return; // not allowed: the text can be selected
    }
    const use = button.querySelector("use");
    use?.setAttribute("href", "#i-check");
    button.classList.add("done");
    setTimeout(() => {
      use?.setAttribute("href", "#i-copy");
      button.classList.remove("done");
    }, 1200);
  });
}
