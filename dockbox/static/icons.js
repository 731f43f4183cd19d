// Line drawings of 16 units, in the colour of the text around them.

import { svg } from "./dom.js";

const PATHS = {
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  search: "M7 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM10.7 10.7 14 14",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  up: "M3.5 10 8 5.5l4.5 4.5",
  down: "M3.5 6 8 10.5 12.5 6",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  check: "M3 8.5 6.5 12 13 4.5",
  prompt: "M3 4l4 4-4 4M8.5 12.5H13",
  list: "M2.5 4h.01M2.5 8h.01M2.5 12h.01M5.5 4h8M5.5 8h8M5.5 12h8",
  folder: "M1.5 12.5v-9h4.5l1.5 2h7v7z",
  file: "M3.5 14.5v-13h6l3 3v10zM9.5 1.5v3h3",
  link: "M6.5 9.5l3-3M7 4.5l1.8-1.8a3 3 0 0 1 4.3 4.3L11.5 9M9 11.5l-1.8 1.8a3 3 0 0 1-4.3-4.3L4.5 7",
  reload: "M13.5 8a5.5 5.5 0 1 1-1.7-4M13.5 1.5v3.2h-3.2",
  download: "M8 2v8.5M4.5 7 8 10.5 11.5 7M2.5 13.5h11",
  trash: "M2.5 4h11M6 4V2h4v2M4 4l.7 10h6.6L12 4",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 9.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6z",
};

/** The drawing `name`, which says nothing by itself: its button has the words. */
export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 16 16", class: `icon icon-${name}`, "aria-hidden": "true" },
    svg("path", { d: PATHS[name] }),
  );
}
