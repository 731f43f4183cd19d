// The menu's part about the terminal.

import { el, replace } from "../dom.js";
import { change, settings, watch } from "../settings.js";

const SMALLEST = 8, LARGEST = 32; // pixels
const SHORTCUTS = [
  ["Find", "Ctrl Shift F"], ["Copy", "Ctrl Shift C"], ["Paste", "Ctrl Shift V"], ["Leave the terminal", "Ctrl Shift E"],
];

/** Fill `items` with what calls `find()` and `paste(text)`; returns what ends that. */
export function menu(items, { find, paste }) {
  const size = el("output", { "aria-label": "Font size" });
  const step = (by) => () =>
    change({ fontSize: Math.min(LARGEST, Math.max(SMALLEST, settings().fontSize + by)) });
  const clipboard = navigator.clipboard?.readText && (() => navigator.clipboard.readText().then(paste, () => {}));
  replace(items,
    el("button", { type: "button", class: "menu-item", on: { click: find } }, "Find …"),
    clipboard && el("button", { type: "button", class: "menu-item", on: { click: clipboard } }, "Paste"),
    el("div", { class: "menu-line" }, el("span", {}, "Font size"), el("span", { class: "stepper" },
      el("button", { type: "button", "aria-label": "Smaller", on: { click: step(-1) } }, "−"), size,
      el("button", { type: "button", "aria-label": "Larger", on: { click: step(1) } }, "+"))),
    el("label", { class: "menu-line" }, "Screen reader mode", el("input", {
      type: "checkbox", role: "switch", checked: settings().screenReader,
      on: { change: ({ target }) => change({ screenReader: target.checked }) },
    })),
    el("dl", { class: "shortcuts" }, ...SHORTCUTS.map(([what, keys]) => el("div", {}, el("dt", {}, what), el("dd", {}, el("kbd", {}, keys))))),
  );
  return watch(({ fontSize }) => (size.textContent = fontSize));
}
