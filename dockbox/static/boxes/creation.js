// The progress of one dockbox that is being created.

/**
 * A browser has six connections to a server that speaks HTTP/1.1, over all its tabs, and a stream
 * of events holds one for good.  So the list is polled, and a single stream follows the newest
 * dockbox that is being created: only streams tell progress.
 */
export class Creation {
  #api;
  #on;
  #id = null;
  #stream = null;

  /** `on` has `progress(id, {step, percent})` and `end()`, when something else than that came. */
  constructor(api, on) {
    this.#api = api;
    this.#on = on;
  }

  /** Follow this dockbox, unless that is done already; nothing with null. */
  follow(id) {
    if (id === this.#id) return;
    this.#stream?.abort();
    this.#id = id;
    this.#stream = id && new AbortController();
    if (id) this.#read(id, this.#stream.signal);
  }

  async #read(id, signal) {
    try {
      for await (const [event, data] of this.#api.events(id, signal)) {
        if (event === "progress") this.#on.progress(id, data);
        else if (data.state !== "creating") break;
      }
      this.#on.end();
    } catch {
      // the list says what went wrong, and its next round may ask for another stream
    }
    if (id === this.#id && !signal.aborted) this.follow(null);
  }
}
