// A button and the list of what can be done, which opens beside it.

import { el } from "./dom.js";
import { button } from "./header.js";

const GAP = 4; // pixels
let made = 0;

/** `label` names the button; `items` are buttons and links, a choice of any closes the list. */
export function popup(label, items) {
  const id = `popup-${++made}`;
  const opener = button("more", label, { popovertarget: id });
  const list = el("div", { id, class: "menu popup", popover: "auto" }, ...items);
  const hide = () => list.hidePopover();
  list.addEventListener("beforetoggle", ({ newState }) => {
    if (newState === "open") {
      place(list, opener.getBoundingClientRect());
      addEventListener("scroll", hide, { once: true }); // it would stay where it is
    } else removeEventListener("scroll", hide);
  });
  // before what is chosen happens: a dialog gives the focus back to where it was, to the button
  list.addEventListener("click", ({ target }) => target.closest("a, button") && hide(), { capture: true });
  return [opener, list];
}

/** Below the button, or above it where there is more room. */
function place({ style }, { top, bottom, right }) {
  const above = bottom > innerHeight / 2;
  style.top = above ? "auto" : `${bottom + GAP}px`;
  style.bottom = above ? `${innerHeight - top + GAP}px` : "auto";
  style.right = `${document.documentElement.clientWidth - right}px`;
}

/** A choice of such a list. */
export function choice(label, act, attributes = {}) {
  return el("button", { type: "button", class: "menu-item", on: { click: act }, ...attributes }, label);
}
