// What is being uploaded: a list in the page's corner, which stays while views change.

import { ApiError } from "../api.js";
import { el } from "../dom.js";
import { button } from "../header.js";
import { visible } from "../words.js";
import { send } from "./send.js";

const listeners = new Set();
const list = el("ul", {});
const tray = el("section", { class: "tray", "aria-label": "Uploads" }, list);
let last = Promise.resolve(); // one after the other, as fast as all at once
let busy = 0;

/** Call `listener(id, folder)` when something was uploaded there; returns what ends that. */
export function watch(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * Upload each `{name, file}` into a folder of the dockbox; `path(name)` is the API's address of one.
 * A `file` that is null is a folder, which is refused in words.
 */
export function upload(id, folder, items, path, announce) {
  if (!tray.isConnected) document.body.append(tray);
  const done = () => listeners.forEach((listener) => listener(id, folder));
  for (const { name, file } of items) new Upload(visible(name), file, path(name), announce, done);
}

class Upload {
  #abort = new AbortController();
  #bar = el("progress", { max: 1, value: 0 });
  #said = el("span", { class: "upload-said", role: "status" });
  #replace = el("button", { type: "button", class: "second", hidden: true, on: { click: () => this.#queue(true) } }, "Replace");
  #name;
  #file;
  #path;
  #announce;
  #done;

  constructor(name, file, path, announce, done) {
    this.#name = name;
    this.#file = file;
    this.#path = path;
    this.#announce = announce;
    this.#done = done;
    this.#bar.setAttribute("aria-label", `Upload of ${name}`);
    const away = button("close", `Cancel or dismiss ${name}`, { on: { click: () => this.#dismiss() } });
    this.element = el("li", {}, el("bdi", { class: "upload-name" }, name), this.#replace, away, this.#bar, this.#said);
    list.append(this.element);
    if (file) this.#queue(false);
    else this.#fail("A folder cannot be uploaded; its files can.");
  }

  #queue(over) {
    this.#said.textContent = "Waiting …";
    this.#replace.hidden = true;
    this.#bar.hidden = false;
    this.element.classList.remove("failed");
    last = last.then(() => this.#send(over));
  }

  async #send(over) {
    const { signal } = this.#abort;
    if (signal.aborted) return;
    hold(1);
    this.#said.textContent = "";
    try {
      await send(this.#path, this.#file, over, signal, (part) => (this.#bar.value = part));
      if (signal.aborted) return;
      this.#bar.hidden = true;
      this.#said.textContent = "Uploaded";
      this.#announce(`${this.#name} was uploaded.`);
      this.#done();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#fail(error.message);
      this.#replace.hidden = error.status !== 412;
    } finally {
      hold(-1);
    }
  }

  #fail(message) {
    this.#bar.hidden = true;
    this.element.classList.add("failed");
    this.#said.textContent = message;
  }

  #dismiss() {
    this.#abort.abort();
    this.element.remove();
    if (!list.childElementCount) tray.remove();
  }
}

/** While something is on its way, the browser asks before it leaves the page. */
function hold(by) {
  busy += by;
  if (busy) addEventListener("beforeunload", warn);
  else removeEventListener("beforeunload", warn);
}

function warn(event) {
  event.preventDefault();
}
