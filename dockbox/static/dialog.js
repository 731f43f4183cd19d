// Questions that are answered before anything else is done.

import { el } from "./dom.js";
import { attend } from "./form.js";

let opened = 0;

/** A dialog over the page; it is gone once it is closed, and the focus back where it was. */
export function open(heading, ...content) {
  const id = `dialog-${++opened}`;
  const dialog = el("dialog", { class: "dialog", "aria-labelledby": id, closedby: "any" },
    el("h2", { id }, heading), ...content);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** A button that closes the dialog it is in. */
export function closer(label) {
  return el("button", {
    type: "button", class: "second", on: { click: ({ target }) => target.closest("dialog").close() },
  }, label);
}

/**
 * Ask before `act`, whose error is shown for another try; `yes` is the button's word.  Resolves
 * once the dialog is closed: whether it was done.
 */
export function ask({ heading, text, yes, act }) {
  let busy = false, done = false;
  const error = el("p", { class: "error", role: "alert" });
  const button = el("button", { type: "button", class: "danger" }, yes);
  const dialog = open(heading, el("p", {}, text), error,
    el("div", { class: "dialog-buttons" }, closer("Cancel"), button));
  button.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    error.textContent = "";
    try {
      await act();
      done = true;
      dialog.close();
    } catch (reason) {
      error.textContent = reason.message;
    }
    busy = false;
  });
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(done)));
}

/** Ask for a line of text, which `act` takes or refuses; resolves to whether it took one. */
export function askText({ heading, label, yes, act }) {
  let done = false;
  const field = el("input", { id: "asked", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  const form = el("form", { class: "stack", novalidate: true },
    el("label", { for: "asked" }, label), field,
    el("div", { class: "dialog-buttons" }, closer("Cancel"), el("button", { class: "primary" }, yes)));
  const dialog = open(heading, form);
  attend(form, field, async () => {
    await act(field.value);
    done = true;
    dialog.close();
  });
  field.focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(done)));
}
