// What is to be said about the connection: a line over the terminal's lower edge.

import { el, replace } from "../dom.js";

const LATE = 400; // milliseconds after which connecting is worth a word

/** `act(offer)` does what a button offers. */
export class Notice {
  #act;
  #timer;
  element = el("div", { class: "notice", role: "status", hidden: true });

  constructor(act) {
    this.#act = act;
  }

  /** As `Connection` tells its state; `again` is whether there was a connection before. */
  show(state, { reason, seconds, end, offer }, again) {
    clearTimeout(this.#timer);
    if (state === "open") this.element.hidden = true;
    else if (state === "connecting") {
      if (!this.element.hidden && again) this.#say("Connecting again …");
      else this.#timer = setTimeout(() => this.#say(again ? "Connecting again …" : "Connecting …"), LATE);
    } else if (state === "waiting") {
      const why = reason || (again ? "The connection was lost." : "There is no connection.");
      if (seconds) this.#say(`${why} Trying again in ${seconds} s.`, [["now", "Try now"]]);
      else this.#say(`${why} Connecting again …`);
    } else this.#say(end, buttons(offer), "ended");
  }

  /** Stop what is still to come. */
  close() {
    clearTimeout(this.#timer);
  }

  #say(text, offers = [], kind = "") {
    const choices = offers.map(([offer, label]) =>
      el("button", { type: "button", class: kind && "primary", on: { click: () => this.#act(offer) } }, label));
    this.element.className = `notice ${kind}`;
    replace(this.element, el("span", {}, text), ...choices);
    this.element.hidden = false;
    if (kind) choices[0]?.focus();
  }
}

function buttons(offer) {
  const label = { again: "Start again", over: "Start over", login: "Log in", home: "Open another" }[offer];
  return [[offer, label]];
}
