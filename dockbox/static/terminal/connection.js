// Stays connected to a dockbox's terminal for as long as that makes sense.

import { verdict } from "./endings.js";
import { Socket } from "./socket.js";

const FIRST = 500, LONGEST = 15_000; // milliseconds between attempts
const LASTING = 10_000; // milliseconds after which a connection counts as a good one

export class Connection {
  #api;
  #id;
  #size;
  #on;
  #socket = null;
  #timer;
  #pause = 0;
  #begun = 0;
  #over = false;
  #path;

  /**
   * `size()` is the terminal's `{cols, rows}`.  `on` has `open(types)`, `output(bytes)`,
   * `title(text)` and `state(name, details)`: "connecting", "open", "waiting" with `reason` and
   * `seconds`, or "ended" with `end` and `offer` as `verdict` returns them.
   */
  constructor(api, id, { size, on }) {
    this.#api = api;
    this.#id = id;
    this.#size = size;
    this.#on = on;
    this.#path = `/v1/dockbox/${encodeURIComponent(id)}`;
    addEventListener("online", this.hurry);
  }

  /** Connect, at first or at once. */
  connect = async () => {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#begun = performance.now();
    this.#on.state("connecting", {});
    try {
      const { ticket, types } = this.#api.guest ? await this.#api.post(`${this.#path}/ticket`) : { types: true };
      if (!this.#over) this.#open(ticket, types);
    } catch (error) {
      this.#judge({ code: 1006, reason: "", error });
    }
  };

  /** Wait no longer, where a next attempt is due. */
  hurry = () => {
    if (this.#timer) this.connect();
  };

  type(data) {
    this.#socket?.type(data);
  }

  resize(size) {
    this.#socket?.resize(size);
  }

  pause() {
    this.#socket?.pause();
  }

  resume() {
    this.#socket?.resume();
  }

  /** Leave for good. */
  close() {
    this.#over = true;
    clearTimeout(this.#timer);
    removeEventListener("online", this.hurry);
    this.#socket?.close();
  }

  #open(ticket, types) {
    let fresh = true;
    const begin = () => {
      if (!fresh) return;
      fresh = false;
      this.#on.open(types);
      this.#on.state("open", {});
    };
    this.#socket = new Socket(this.#id, {
      ticket,
      size: this.#size(),
      on: {
        output: (bytes) => {
          begin(); // the progress of a creation comes before the title
          this.#on.output(bytes);
        },
        title: (text) => {
          begin();
          this.#on.title(text);
        },
        close: (code, reason) => this.#closed(code, reason),
      },
    });
  }

  async #closed(code, reason) {
    this.#socket = null;
    if (this.#over) return;
    // a browser does not tell with which status a handshake was refused
    try {
      this.#judge({ code, reason, box: await this.#api.get(this.#path) });
    } catch (error) {
      this.#judge({ code, reason, error });
    }
  }

  #judge(facts) {
    if (this.#over) return;
    const found = verdict(facts);
    if (found.end) {
      this.#on.state("ended", found);
      return;
    }
    if (performance.now() - this.#begun > LASTING) this.#pause = 0;
    const wait = found.retry === "at once" && !this.#pause ? 0 : this.#pause || FIRST;
    // not all at the same moment, when a server ends
    this.#pause = Math.min(LONGEST, wait * 2 || FIRST) * (0.8 + 0.4 * Math.random());
    this.#timer = setTimeout(this.connect, wait);
    this.#on.state("waiting", { reason: found.reason, seconds: Math.round(wait / 1000) });
  }
}
