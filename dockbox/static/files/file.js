// A file: its text, so far as it is text and can be shown.

import { el, replace } from "../dom.js";
import { icon } from "../icons.js";
import { size, visible } from "../words.js";
import { api as at, called, crumbs, folderAt } from "./place.js";

const MOST = 256 * 1024; // bytes that are shown
const KEPT = /[\n\t]/; // of what would be made visible: they look as they should in a <pre>

/** Shows the file at `path`; `close` takes it down. */
export class File {
  #context;
  #path;
  #body = el("div", {}, el("p", { class: "muted late" }, "Loading …"));
  #leave = new AbortController();

  constructor(root, context, path) {
    const { params, title } = (this.#context = context);
    this.#path = path;
    title(called(path));
    const download = el("a", { class: "second", href: at(params.id, path), download: true }, icon("download"), "Download");
    replace(root, el("section", { class: "wide" },
      el("div", { class: "wide-head" }, el("h1", {}, el("bdi", {}, called(path))), download),
      crumbs(params.id, path), this.#body));
    this.#load();
  }

  close() {
    this.#leave.abort();
  }

  async #load() {
    const { api, go, params, refresh } = this.#context;
    const { signal } = this.#leave;
    try {
      const headers = { Range: `bytes=0-${MOST - 1}` };
      const answer = await api.request(`${at(params.id, this.#path)}?view=1`, { headers, signal });
      const kind = answer.headers.get("Content-Type");
      if (kind.startsWith("application/json")) return go(folderAt(params.id, this.#path)); // no file has this type
      if (!kind.startsWith("text/plain")) {
        await answer.body.cancel();
        return this.#say("This is not text. Download it to look at it.");
      }
      const bytes = await answer.arrayBuffer();
      this.#show(bytes, Number(answer.headers.get("Content-Range")?.split("/")[1] ?? bytes.byteLength));
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401) refresh(); // which asks for the log-in
      // an empty file has not one byte of those that were asked for
      this.#say(error.status === 416 ? "This file is empty." : error.message);
    }
  }

  #show(bytes, all) {
    // a character that is cut off at the end is left out
    const text = new TextDecoder().decode(bytes, { stream: true }).replaceAll("\r\n", "\n");
    const pre = el("pre", { class: "text", tabindex: "0", role: "region", "aria-label": "Text of the file" }, visible(text, KEPT));
    const part = bytes.byteLength < all ? `The first ${size(bytes.byteLength)} of ${size(all)}.` : size(all);
    replace(this.#body, el("p", { class: "muted" }, part), pre);
  }

  #say(message) {
    replace(this.#body, el("div", { class: "empty", role: "status" }, el("p", {}, message)));
  }
}
