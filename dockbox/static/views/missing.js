// An address that is nobody's.

import { el, replace } from "../dom.js";

export function mount(root, { title }) {
  title("Not found");
  replace(root, el("section", { class: "page" },
    el("h1", {}, "There is nothing at this address"),
    el("p", {}, el("a", { href: "/", "data-view": true }, "Start")),
  ));
}
