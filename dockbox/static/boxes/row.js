// One dockbox of the list.

import { el, replace } from "../dom.js";
import { button } from "../header.js";
import { icon } from "../icons.js";
import { choice, popup } from "../popup.js";
import { ago, left, visible, whole } from "../words.js";
import { rename } from "./rename.js";

const LINK = (id) => `/${encodeURIComponent(id)}`;

export class Row {
  #act;
  #state = el("span", { class: "state" });
  #detail = el("span", { class: "detail muted" });
  #name = el("a", { class: "box-name", "data-view": true });
  #naming = el("div", { class: "naming" }, this.#name);
  #source = el("span", { class: "box-source muted" });
  #language = el("span", { class: "box-language" });
  #clients = el("span", { class: "box-clients" });
  #age = el("time", { class: "box-age muted" });
  #error = el("p", { class: "error box-error", role: "alert" });
  #connect = el("a", { class: "second", "data-view": true }, "Connect");
  #files = el("a", { class: "quiet", "data-view": true }, icon("folder"));
  #menu;
  #stop;
  #progress = "";
  #trouble = "";
  box;

  /** `act` has `changed(box)`, `copy(row)`, `share(row)`, `stop(row)` and `remove(row)`. */
  constructor(act, api) {
    this.#act = act;
    this.#stop = choice("Stop", () => act.stop(this));
    const [opener, list] = popup("", [
      choice("Rename", () => this.#rename(api)),
      choice("Copy link", () => act.copy(this)),
      choice("Share …", () => act.share(this)),
      this.#stop,
      choice("Delete …", () => act.remove(this), { class: "menu-item menu-danger" }),
    ]);
    this.#menu = opener;
    this.element = el("li", { class: "box" },
      el("div", { class: "box-what" }, this.#naming, this.#source),
      el("div", { class: "box-state" }, this.#state, this.#detail),
      this.#language, this.#clients, this.#age,
      el("div", { class: "box-actions" }, this.#connect, this.#files, opener, list),
      this.#error);
  }

  /** Show what the API says now. */
  update(box) {
    this.box = box;
    const name = box.custom_id;
    this.#name.textContent = name;
    this.#name.href = this.#connect.href = LINK(name);
    this.#files.href = `/~files${LINK(name)}`;
    this.#connect.setAttribute("aria-label", `Connect to ${name}`);
    for (const [it, label] of [[this.#files, `Files of ${name}`], [this.#menu, `More for ${name}`]]) {
      it.setAttribute("aria-label", label);
      it.title = label;
    }
    this.#source.textContent = this.#source.title = visible(shortened(box));
    this.#language.textContent = box.language ?? "";
    this.#clients.textContent = box.connections ? `${box.connections} connected` : "";
    this.#age.dateTime = box.created_at;
    this.#age.title = whole(box.created_at);
    this.element.dataset.state = this.#state.dataset.state = box.state;
    this.#state.textContent = box.state;
    this.#connect.classList.toggle("gone", box.state === "failed"); // its room stays
    this.#files.classList.toggle("gone", ["creating", "failed"].includes(box.state));
    this.#stop.hidden = box.state !== "running";
    if (box.state !== "creating") this.#progress = "";
    this.#tell();
  }

  /** What changes by itself; `now` is the server's time. */
  tick(now) {
    const { created_at, state, stops_at } = this.box;
    const running = state === "running" && stops_at;
    put(this.#age, ago(Date.parse(created_at), now));
    put(this.#detail, running ? `stops in ${left(Date.parse(stops_at) - now)}` : this.#progress);
  }

  /** How far its creation is. */
  progress({ step, percent }) {
    this.#progress = percent === null ? step : `${step} ${Math.floor(percent)} %`;
    put(this.#detail, this.#progress);
  }

  /** Say what could not be done, or no more with "". */
  trouble(message) {
    this.#trouble = message;
    this.#tell();
  }

  focus() {
    this.#menu.focus();
  }

  #tell() {
    put(this.#error, this.#trouble || visible(this.box.error ?? ""));
  }

  #rename(api) {
    if (this.#naming.querySelector("form")) return;
    const back = (box) => {
      replace(this.#naming, this.#name);
      if (box) this.#act.changed(box);
      this.focus();
    };
    rename(this.#naming, this.box, api, back);
  }
}

/** Only what has changed is written: a screen reader would read it again. */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Where it is from, as short as it can be said. */
function shortened({ source, ref, subdir }) {
  const place = source.replace(/^https?:\/\//, "").replace(/\.git$/, "");
  return [place, subdir && `/${subdir}`, ref && ` @ ${ref}`].filter(Boolean).join("");
}
