// Copying, also where the page came over plain HTTP and browsers lend no clipboard.

import { el, replace } from "./dom.js";
import { button } from "./header.js";
import { icon } from "./icons.js";

const SHOWN = 1500; // milliseconds that a tick is shown

/** Put `text` on the clipboard; says whether it is there. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return select(text);
  }
}

function select(text) {
  const before = document.activeElement;
  const area = el("textarea", { class: "hidden", readonly: true });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus();
  return done;
}

/** A button that copies what `text` returns. */
export function copier(text, label) {
  const it = button("copy", label);
  it.addEventListener("click", async () => {
    if (!(await copy(text()))) return;
    replace(it, icon("check"));
    setTimeout(() => replace(it, icon("copy")), SHOWN);
  });
  return it;
}
