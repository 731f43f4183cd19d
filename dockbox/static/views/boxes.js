// The dockboxes of whoever is logged in, as they are now.

import { ApiError } from "../api.js";
import { Creation } from "../boxes/creation.js";
import { Row } from "../boxes/row.js";
import { share } from "../boxes/share.js";
import { copy } from "../clipboard.js";
import { ask } from "../dialog.js";
import { el, replace } from "../dom.js";
import { Poll } from "../poll.js";

const EVERY = 2000, SECOND = 1000; // milliseconds
const PAGE = 20;

export function mount(root, context) {
  const view = new Boxes(root, context);
  return () => view.close();
}

class Boxes {
  #context;
  #rows = new Map(); // by id
  #list = el("ul", { class: "boxes", "aria-label": "Dockboxes" });
  #body = el("div", {}, el("p", { class: "muted late" }, "Loading …"));
  #pages = el("nav", { class: "pages", "aria-label": "Pages" });
  #stale = el("div", { class: "stale", role: "status" });
  #after = new URLSearchParams(location.search).get("after");
  #ahead = 0; // milliseconds that the server's clock is ahead of this one's
  #loaded = false;

  constructor(root, context) {
    const { api, session, title } = (this.#context = context);
    const heading = session.auth === "token" && !session.admin ? "My dockboxes" : "Dockboxes";
    title(heading);
    replace(root, el("section", { class: "wide" },
      el("div", { class: "wide-head" }, el("h1", {}, heading),
        el("a", { class: "second", href: "/", "data-view": true }, "New")),
      this.#body, this.#pages, this.#stale));
    this.creation = new Creation(api, {
      progress: (id, data) => this.#rows.get(id)?.progress(data),
      end: () => this.poll.now(),
    });
    this.poll = new Poll((signal) => this.#load(signal), EVERY);
    this.clock = setInterval(() => this.#tick(), SECOND);
  }

  close() {
    clearInterval(this.clock);
    this.poll.close();
    this.creation.follow(null);
  }

  async #load(signal) {
    const query = new URLSearchParams({ limit: PAGE, ...(this.#after && { after: this.#after }) });
    try {
      const answer = await this.#context.api.request(`/v1/dockbox?${query}`, { signal });
      const { items, next } = await answer.json();
      this.#ahead = Date.parse(answer.headers.get("Date")) - Date.now() || 0;
      this.#show(items, next);
      replace(this.#stale);
      return true;
    } catch (error) {
      if (signal.aborted) return true;
      if (error.status === 401) this.#context.refresh(); // which asks for the log-in
      this.#fail(error);
      return false;
    }
  }

  #show(items, next) {
    const changes = [];
    for (const box of items) {
      const row = this.#rows.get(box.id) ?? this.#add(box.id);
      if (row.box && row.box.state !== box.state) changes.push(`${box.custom_id}: ${box.state}`);
      row.update(box);
    }
    const there = new Set(items.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!there.has(id)) this.#drop(id);
    items.forEach(({ id }, at) => {
      const { element } = this.#rows.get(id);
      // what is moved loses the focus, so only what stands elsewhere is
      if (this.#list.children[at] !== element) this.#list.insertBefore(element, this.#list.children[at] ?? null);
    });
    this.#frame(items.length > 0, next);
    this.#tick();
    this.creation.follow(items.find(({ state }) => state === "creating")?.id ?? null);
    if (changes.length) this.#context.announce(changes.join(". "));
  }

  #frame(some, next) {
    const shown = some ? this.#list : empty(this.#after);
    if (!some || this.#body.firstChild !== shown) replace(this.#body, shown);
    this.#loaded = true;
    const pages = [
      this.#after && ["/~boxes", "Newest"],
      next && [`/~boxes?after=${encodeURIComponent(next)}`, "Older"],
    ].filter(Boolean);
    const wanted = pages.map(([href]) => href).join(" ");
    if (this.#pages.dataset.shown === wanted) return; // as it is, and perhaps with the focus in it
    this.#pages.dataset.shown = wanted;
    replace(this.#pages, ...pages.map(([href, label]) => el("a", { class: "second", href, "data-view": true }, label)));
  }

  #fail(error) {
    const again = el("button", { type: "button", class: "second", on: { click: this.poll.now } }, "Try again");
    if (this.#loaded) replace(this.#stale, el("span", {}, `This list is out of date. ${error.message}`), again);
    else replace(this.#body, el("div", { class: "empty", role: "alert" }, el("p", {}, error.message), again));
  }

  #tick() {
    for (const row of this.#rows.values()) row.tick(Date.now() + this.#ahead);
  }

  #add(id) {
    const { api, announce } = this.#context;
    const row = new Row({
      changed: (box) => {
        row.update(box);
        announce(`It is called ${box.custom_id} now.`);
        this.poll.now();
      },
      copy: async ({ box }) => {
        announce((await copy(`${location.origin}/${box.custom_id}`)) ? "The link was copied." : "");
        flash(row.element);
      },
      share: ({ box }) => share(box, api, announce),
      stop: () => this.#stop(row),
      remove: () => this.#remove(row),
    }, api);
    this.#rows.set(id, row);
    return row;
  }

  async #stop(row) {
    row.trouble("");
    row.update({ ...row.box, state: "stopping" });
    try {
      row.update(await this.#context.api.post(`/v1/dockbox/${row.box.id}/stop`));
      this.#context.announce(`${row.box.custom_id}: ${row.box.state}`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      row.trouble(error.message);
    }
    this.poll.now();
  }

  async #remove(row) {
    const { id, custom_id } = row.box;
    const done = await ask({
      heading: `Delete ${custom_id}?`,
      text: "Its container and all its files are removed. Whoever is connected is thrown out.",
      yes: "Delete",
      act: () => this.#context.api.delete(`/v1/dockbox/${id}`),
    });
    if (!done) return;
    this.#drop(id);
    if (document.activeElement === document.body) document.getElementById("main").focus();
    this.#context.announce(`${custom_id} was deleted.`);
    this.poll.now();
  }

  #drop(id) {
    const { element } = this.#rows.get(id) ?? {};
    if (!element) return; // a round of the list was quicker
    const had = element.contains(document.activeElement);
    const next = element.nextElementSibling ?? element.previousElementSibling;
    element.remove();
    this.#rows.delete(id);
    if (had) (next?.querySelector(".box-name") ?? document.getElementById("main")).focus();
  }
}

function empty(after) {
  const text = after ? "There is nothing older." : "There is no dockbox yet. Paste the address of a repository, and there is.";
  return el("div", { class: "empty" }, el("p", {}, text),
    after ? null : el("a", { class: "primary", href: "/", "data-view": true }, "Open a repository"));
}

/** Show that it was done where nothing else shows it. */
function flash(element) {
  element.classList.remove("flash");
  void element.offsetWidth; // begins anew
  element.classList.add("flash");
}
