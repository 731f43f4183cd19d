// Where something is: in the page's address, in the API's, and in the way from the dockbox's folder.

import { el } from "../dom.js";
import { visible } from "../words.js";

// As the API writes paths: bytes, percent-encoded.  No part of dots alone, which a browser resolves.
const DOTS = /(^|\/)(\.|%2e){1,2}(\/|$)/i;
const EXACT = /^([\w.~/-]|%[0-9A-F]{2})*$/;

/** The path that the page's address asks for under `name`; null without one, or with a wrong one. */
export function asked(name) {
  // not by URLSearchParams, which reads UTF-8: a file's name may be any bytes
  const path = new RegExp(`[?&]${name}=([^&]*)`).exec(location.search)?.[1];
  return path !== undefined && EXACT.test(path) && !DOTS.test(path) ? path : null;
}

/** The page's address of a folder. */
export function folderAt(id, path) {
  return `/~files/${encodeURIComponent(id)}${path && `?path=${path}`}`;
}

/** The page's address of a file. */
export function fileAt(id, path) {
  return `/~files/${encodeURIComponent(id)}?file=${path}`;
}

/** The API's address of a file, or of a folder with "/" at the end. */
export function api(id, path) {
  return `/v1/dockbox/${encodeURIComponent(id)}/files${path && `/${path}`}`;
}

/** The path of `name`, given by people, in the folder `path`. */
export function below(path, name) {
  return `${path}${path && "/"}${encodeURIComponent(name.toWellFormed?.() ?? name)}`;
}

/** What people call it; a name with bytes that are no UTF-8 stays percent-encoded. */
export function called(path) {
  const part = path.slice(path.lastIndexOf("/") + 1);
  try {
    return visible(decodeURIComponent(part));
  } catch {
    return part;
  }
}

/** The way to `path`, each folder of it a link. */
export function crumbs(id, path) {
  const parts = path ? path.split("/") : [];
  const folders = parts.slice(0, -1).map((_, at) => parts.slice(0, at + 1).join("/"));
  return el("nav", { class: "crumbs", "aria-label": "Folders" }, el("ol", {},
    crumb(id, "", "/app", !parts.length),
    ...folders.map((folder) => crumb(id, folder, called(folder))),
    parts.length > 0 && crumb(id, path, called(path), true)));
}

function crumb(id, path, name, here = false) {
  const text = el("bdi", {}, name);
  return el("li", {}, here ? el("span", { "aria-current": "page" }, text)
    : el("a", { href: folderAt(id, path), "data-view": true }, text));
}
