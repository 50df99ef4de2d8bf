// Dialogs, copying, and what a request that failed says. Everything here has a way without script.

function say(tone, happened, then) {
  const place = document.getElementById("messages");
  if (!place) return;
  const message = document.createElement("div");
  message.className = `message tone-${tone}`;
  const text = document.createElement("p");
  const strong = document.createElement("strong");
  strong.textContent = happened;
  text.append(strong, ` ${then}`);
  message.append(text);
  place.replaceChildren(message);
  place.scrollIntoView({ block: "nearest" });
}

document.addEventListener("click", (event) => {
  // Without script the dialog opens as a popover; with it, as a modal that keeps the focus inside.
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    if (dialog && !dialog.open) {
      event.preventDefault();
      // Closed, a dialog gives the focus back to what had it; pressed by its key, the button had none.
      opener.focus();
      dialog.showModal();
      dialog.querySelector("[autofocus], textarea, select, input:not([type=hidden]), .button.primary")?.focus();
    }
    return;
  }
  const closer = event.target.closest("[data-close]");
  const open = closer?.closest("dialog");
  if (open?.open) {
    event.preventDefault();
    open.close();
    return;
  }
  // The dialogs of a selection share one form: required are the fields of the one that is sent, and no other's.
  const pressed = event.target.closest("button[type=submit]");
  for (const field of pressed?.form?.elements ?? []) {
    if ("required" in field.dataset) field.required = field.closest("dialog") === pressed.closest("dialog");
  }
  const copier = event.target.closest("[data-copy]");
  if (copier) {
    navigator.clipboard.writeText(copier.dataset.copy).then(() => {
      const before = copier.title;
      copier.title = "Copied";
      copier.classList.add("is-copied");
      setTimeout(() => {
        copier.title = before;
        copier.classList.remove("is-copied");
      }, 1500);
    });
  }
  const refused = event.target.closest("[aria-disabled=true]");
  if (refused) event.preventDefault();
});

// A dialog of a selection asks by its button, so that what is refused is told inside it, once its fields are in order.
document.addEventListener("submit", (event) => {
  if (event.submitter?.getAttribute("hx-trigger") !== "send" || !window.htmx) return;
  event.preventDefault();
  window.htmx.trigger(event.submitter, "send");
});

// Blanks alone are no reason: said in the dialog, where what was typed stays.
document.addEventListener("input", (event) => {
  const field = event.target;
  if (field.matches("textarea[required], textarea[data-required]")) {
    field.setCustomValidity(field.value && !field.value.trim() ? "Blanks alone say nothing." : "");
  }
});

document.addEventListener("htmx:afterRequest", (event) => {
  // Not what was refused: why stands in the dialog, beside what was typed.
  if (event.detail.successful && event.detail.xhr.status < 400) event.target.closest?.("dialog[open]")?.close();
});

document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  const then =
    status === 404
      ? "The record is not there any more, or your rights do not cover it."
      : status === 429
        ? "Requests came too fast. Wait a moment and try again."
        : "Nothing was changed by this request as far as the server could say. Reload to see how it stands.";
  say("bad", `The server answered ${status}.`, then);
});

document.addEventListener("htmx:sendError", () => {
  say("bad", "The server could not be reached.", "Whether it got this is not known: reload to see before trying again.");
});

// What a trace was asked for may stand far below what came along with it.
document.querySelector("[data-sought]")?.scrollIntoView({ block: "center" });
