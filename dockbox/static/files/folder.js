// A folder: what it holds, a page at a time, and what can be done with it.

import { ask, askText } from "../dialog.js";
import { el, replace } from "../dom.js";
import { button } from "../header.js";
import { drops } from "./drop.js";
import { entry } from "./entry.js";
import { api as at, below, crumbs } from "./place.js";
import { upload, watch } from "./uploads.js";

const PAGE = 200;

/** Shows the folder at `path`; `close` takes it down. */
export class Folder {
  #context;
  #path;
  #leave = new AbortController();
  #rows = el("tbody");
  #more = el("div", { class: "pages" });
  #body = el("div", {}, el("p", { class: "muted late" }, "Loading …"));
  #table = el("table", { class: "files" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Name"), el("th", { scope: "col", class: "number" }, "Size"),
      el("th", { scope: "col", class: "time" }, "Changed"), el("td", {}))),
    this.#rows);

  constructor(root, context, path) {
    const { params } = (this.#context = context);
    this.#path = path;
    replace(root, el("section", { class: "wide" },
      el("div", { class: "wide-head" }, el("h1", {}, "Files"), this.#acts()),
      crumbs(params.id, path), this.#body, this.#more,
      el("p", { class: "muted drop-hint" }, "Files that are dropped here are uploaded.")));
    drops(root, this.#leave.signal, (items) => this.#upload(items));
    const forget = watch((id, folder) => id === params.id && folder === path && this.#load());
    this.#leave.signal.addEventListener("abort", forget);
    this.#load();
  }

  close() {
    this.#leave.abort();
  }

  #acts() {
    const act = (label, click) => el("button", { type: "button", class: "second", on: { click } }, label);
    const chosen = el("input", { type: "file", multiple: true, hidden: true });
    chosen.addEventListener("change", () => {
      this.#upload([...chosen.files].map((file) => ({ name: file.name, file })));
      chosen.value = ""; // so that the same may be chosen again
    });
    return el("div", { class: "file-acts" }, button("reload", "Reload", { on: { click: () => this.#load() } }),
      act("New folder", () => this.#newFolder()), act("Upload", () => chosen.click()), chosen);
  }

  async #load(after = null) {
    const query = new URLSearchParams({ limit: PAGE, ...(after && { after }) });
    const { api, params, refresh } = this.#context;
    const { signal } = this.#leave;
    try {
      // with "/" at the end a file is not taken for a folder
      const answer = await api.get(`${at(params.id, this.#path && `${this.#path}/`)}?${query}`, { signal });
      this.#show(answer, after);
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401) refresh(); // which asks for the log-in
      const again = el("button", { type: "button", class: "second", on: { click: () => this.#load() } }, "Try again");
      replace(this.#body, el("div", { class: "empty", role: "alert" }, el("p", {}, error.message), again));
      replace(this.#more);
    }
  }

  #show({ items, next, truncated }, after) {
    if (!after) replace(this.#rows);
    const { id } = this.#context.params;
    this.#rows.append(...items.map((item) => entry(id, item, (name, row) => this.#remove(item, name, row))));
    const some = this.#rows.childElementCount > 0;
    replace(this.#body, some ? this.#table : el("div", { class: "empty" }, el("p", {}, "This folder is empty.")),
      truncated && el("p", { class: "muted" }, "There is more here than can be listed."));
    replace(this.#more, next !== null && el("button", { type: "button", class: "second", on: { click: () => this.#load(next) } }, "Show more"));
  }

  async #remove(item, name, row) {
    const { announce, api, params } = this.#context;
    const done = await ask({
      heading: `Delete ${name}?`,
      text: item.type === "folder" ? "The folder is removed with all that it holds." : "It cannot be brought back.",
      yes: "Delete",
      act: () => api.delete(at(params.id, item.path)),
    });
    if (!done) return;
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    (next?.querySelector("a, button") ?? document.getElementById("main")).focus();
    announce(`${name} was deleted.`);
    if (!next) this.#load();
  }

  async #newFolder() {
    const { api, params } = this.#context;
    const done = await askText({ heading: "New folder", label: "Name", yes: "Make it", act: (text) => {
      const name = text.trim();
      if (!name) throw new Error("Type a name.");
      if (/^\.{1,2}$/.test(name)) throw new Error("This cannot be a name.");
      const made = { method: "PUT", headers: { "If-None-Match": "*" } };
      return api.request(`${at(params.id, below(this.#path, name))}/`, made);
    } });
    if (done) this.#load();
  }

  #upload(items) {
    const { announce, params } = this.#context;
    upload(params.id, this.#path, items, (name) => at(params.id, below(this.#path, name)), announce);
  }
}
