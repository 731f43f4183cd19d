// A form whose errors stand beside its field.

import { el } from "./dom.js";

/**
 * Call `submit` when `form` is sent; one at a time.  The message of what it throws is shown below
 * `field`, which gets the focus, until something else is typed.
 */
export function attend(form, field, submit) {
  const error = el("p", { class: "error", role: "alert", id: `${field.id}-error` });
  const button = form.querySelector("button:not([type=button])");
  field.after(error);
  field.setAttribute("aria-describedby", error.id);
  const tell = (message) => {
    error.textContent = message;
    if (message) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  };
  form.addEventListener("input", () => tell(""));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    tell("");
    button.disabled = true;
    try {
      await submit();
    } catch (reason) {
      tell(reason.message);
      field.focus();
    } finally {
      button.disabled = false;
    }
  });
}
