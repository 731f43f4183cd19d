// A dockbox's name, changed where it stands.

import { el, replace } from "../dom.js";
import { attend } from "../form.js";

/** Put a form into `place`; `done` is called once, with the dockbox if it has a new name. */
export function rename(place, { id, custom_id }, api, done) {
  const field = el("input", {
    id: `name-${id}`, value: custom_id, "aria-label": `New name of ${custom_id}`, maxlength: "63",
    autocomplete: "off", autocapitalize: "off", spellcheck: "false",
  });
  const cancel = el("button", { type: "button", class: "second", on: { click: () => done(null) } }, "Cancel");
  const form = el("form", { class: "rename", novalidate: true },
    field, el("button", { class: "second" }, "Rename"), cancel);
  attend(form, field, async () => {
    done(await api.patch(`/v1/dockbox/${id}`, { name: field.value.trim() }));
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") done(null);
  });
  replace(place, form);
  field.select();
  field.focus();
}
