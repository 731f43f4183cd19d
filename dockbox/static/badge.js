// A badge for a README, which opens its repository here.

import { el } from "./dom.js";
import { copier } from "./clipboard.js";

const EXAMPLE = "https://github.com/owner/repository";

/** The section that shows it, with the Markdown to copy. */
export function badge() {
  const target = `${location.origin}/?url=${encodeURIComponent(EXAMPLE)}`;
  const markdown = `[![Open in dockbox](${location.origin}/badge.svg)](${target})`;
  return el("section", { class: "page badge" },
    el("h2", {}, "A badge for a README"),
    el("p", {}, el("img", { src: "/badge.svg", alt: "Open in dockbox", width: 132, height: 24 })),
    el("div", { class: "snippet" }, el("code", { tabindex: "0" }, markdown), copier(() => markdown, "Copy the Markdown")),
  );
}
