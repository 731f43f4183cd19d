// One WebSocket to a dockbox's terminal, in ttyd's protocol: docs/protocol.md.

const OUTPUT = "0".charCodeAt(0);
const TITLE = "1".charCodeAt(0);
const MOST = 256 * 1024; // bytes of one message: a large paste goes in pieces
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class Socket {
  #socket;

  /**
   * Connects at once; `ticket` is for who has a share.  `on` has `output(bytes)`, `title(text)` and
   * `close(code, reason, opened)`, which is called once.
   */
  constructor(id, { ticket, size, on }) {
    const query = ticket ? `?ticket=${encodeURIComponent(ticket)}` : "";
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const path = `/v1/dockbox/ws/${encodeURIComponent(id)}${query}`;
    const socket = (this.#socket = new WebSocket(`${scheme}//${location.host}${path}`, "tty"));
    let opened = false;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      opened = true;
      socket.send(JSON.stringify({ AuthToken: "", columns: size.cols, rows: size.rows }));
    };
    socket.onmessage = ({ data }) => {
      const bytes = new Uint8Array(data);
      if (bytes[0] === OUTPUT) on.output(bytes.subarray(1));
      else if (bytes[0] === TITLE) on.title(decoder.decode(bytes.subarray(1)));
    };
    socket.onclose = ({ code, reason }) => on.close(code, reason, opened);
  }

  /** Type text or bytes.  What is typed while there is no connection is lost. */
  type(data) {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    for (let at = 0; at < bytes.length; at += MOST) this.#send("0", bytes.subarray(at, at + MOST));
  }

  resize({ cols, rows }) {
    this.#send("1", encoder.encode(JSON.stringify({ columns: cols, rows })));
  }

  /** Ask for no more output, until `resume`. */
  pause() {
    this.#send("2");
  }

  resume() {
    this.#send("3");
  }

  /** Leave; nothing is called any more. */
  close() {
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #send(letter, bytes = new Uint8Array()) {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const message = new Uint8Array(1 + bytes.length);
    message[0] = letter.charCodeAt(0);
    message.set(bytes, 1);
    this.#socket.send(message);
  }
}
