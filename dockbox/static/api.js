// The server's API: JSON in and out, errors in its own words, and streams of events.

const AWAY = "The server cannot be reached.";
const WAITS = [300, 1000]; // milliseconds: a network that just changed cuts off what is on its way

/** What the server, or the way to it, refused; `status` is 0 when there was no answer. */
export class ApiError extends Error {
  constructor(status, message, code = "") {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function attempt(path, asked, [wait, ...later]) {
  try {
    return await fetch(path, asked);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (!wait) throw new ApiError(0, AWAY);
    await new Promise((resolve) => setTimeout(resolve, wait));
    return attempt(path, asked, later);
  }
}

export class Api {
  #secret;

  /** With the cookie of the browser's session or, if there is one, a share's `secret`. */
  constructor(secret = null) {
    this.#secret = secret;
  }

  /** Whether a share's secret speaks, and nobody who logged in. */
  get guest() {
    return this.#secret !== null;
  }

  get = (path, options) => this.call("GET", path, undefined, options);
  post = (path, body, options) => this.call("POST", path, body, options);
  patch = (path, body, options) => this.call("PATCH", path, body, options);
  delete = (path, options) => this.call("DELETE", path, undefined, options);

  /** The answer's JSON, null if it has none.  Throws `ApiError`; `options` are those of fetch. */
  async call(method, path, body, { headers = {}, ...options } = {}) {
    const answer = await this.request(path, {
      method,
      headers: { ...(body !== undefined && { "Content-Type": "application/json" }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      ...options,
    });
    return answer.status === 204 ? null : answer.json();
  }

  /** As fetch, with our rights.  Throws `ApiError` for whatever is no success. */
  async request(path, { headers = {}, ...options } = {}) {
    const rights = this.#secret ? { Authorization: `Bearer ${this.#secret}` } : {};
    const asked = { cache: "no-store", ...options, headers: { ...rights, ...headers } };
    const answer = await attempt(path, asked, (asked.method ?? "GET") === "GET" ? WAITS : []);
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    throw new ApiError(answer.status, told.error ?? `The server answered ${answer.status}.`, told.code);
  }

  /**
   * The events of a dockbox, `[name, data]` each, until the stream ends or `signal` aborts.  A
   * stream that ends without "deleted": the server restarts, ask again.
   */
  async *events(id, signal) {
    const path = `/v1/dockbox/${encodeURIComponent(id)}/events`;
    const answer = await this.request(path, { headers: { Accept: "text/event-stream" }, signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = /^event: (.*)\ndata: (.*)$/.exec(block);
        if (event) yield [event[1], JSON.parse(event[2])];
      }
    }
  }
}
