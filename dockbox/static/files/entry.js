// One line of a folder.

import { el } from "../dom.js";
import { button } from "../header.js";
import { icon } from "../icons.js";
import { size, visible, whole } from "../words.js";
import { api as at, fileAt, folderAt } from "./place.js";

const DRAWINGS = { folder: "folder", link: "link" };

/** The row of what the API says of `item`; `remove(name, row)` is called to delete it. */
export function entry(id, item, remove) {
  const name = visible(item.name);
  const download = { class: "quiet", href: at(id, item.path), download: true, "aria-label": `Download ${name}`, title: `Download ${name}` };
  const row = el("tr", {},
    el("td", {}, el("div", { class: "file-name" }, icon(DRAWINGS[item.type] ?? "file"), called(id, item, name))),
    el("td", { class: "number muted" }, item.size === null ? "" : size(item.size)),
    el("td", { class: "time muted" }, item.modified ? el("time", { datetime: item.modified }, whole(item.modified)) : ""),
    el("td", {}, el("div", { class: "file-acts" },
      item.type === "file" && el("a", download, icon("download")),
      button("trash", `Delete ${name}`, { on: { click: () => remove(name, row) } }))));
  return row;
}

/** Folders and files lead further; a link leads nowhere here, and is shown with what it says. */
function called(id, { type, path, target }, name) {
  const text = el("bdi", {}, name);
  const href = { folder: folderAt, file: fileAt }[type]?.(id, path);
  if (href) return el("a", { href, "data-view": true }, text);
  return el("span", {}, text, !!target && el("span", { class: "muted" }, " → ", el("bdi", {}, visible(target))));
}
